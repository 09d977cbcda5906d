"""Checks of routes: patterns, queues, priorities, `unmatched` and `tests`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from ...base.finding import ValuePath, did_you_mean
from ...matching import pattern
from ...matching.conditions import comparison_operator, contradiction
from ...matching.equivalents import REMEDY, problem
from ...model import Body, Route
from ...model.routing import call_path_problem
from ...model.support import Version
from ...model.topology import REFUSE
from ..context import Reporter
from ..names import DeclaredNames, QueueNames
from .priorities import priority_problem

_NO_STREAM = "route tasks to a classic or quorum queue"
_NO_WORKERS = "Celery workers cannot consume streams"
_DECLARE = "declare one under `queues:`, or name another"
_SHARDED = "`shard_by` needs a queue with `shards`"
_GIVE_SHARDS = "give the queue `shards: 8`, or remove `shard_by`"
_NAME_QUEUE = "name the queue itself, or remove `shard_by`"

#: Mistakes in a rule's queue: the field, the code, a sentence about QUEUE, and what to do.
_QUEUE_MISTAKES = {
    "stream": ("queue", "bad-route", f"QUEUE is a stream: {_NO_WORKERS}", _NO_STREAM),
    "only streams": ("queue", "bad-route", f"QUEUE can only become a stream: {_NO_WORKERS}", _NO_STREAM),
    "nothing fits": ("queue", "unknown-name", "no queue in this file matches QUEUE", _DECLARE),
    "no shards": ("shard_by", "bad-route", f"{_SHARDED}, and QUEUE has none", _GIVE_SHARDS),
    "one shard": ("shard_by", "bad-route", f"{_SHARDED}, and QUEUE is a single shard", _NAME_QUEUE),
    "no shards fit": (
        "shard_by",
        "bad-route",
        f"{_SHARDED}, and no queue that matches QUEUE has any",
        _GIVE_SHARDS,
    ),
    "only shards fit": (
        "queue",
        "ambiguous-queue",
        "every queue that matches QUEUE has shards, and no `shard_by` chooses one",
        "add `shard_by: kwargs.NAME` to the rule",
    ),
}


def check_routes(
    base: ValuePath, body: Body, names: DeclaredNames, report: Reporter, versions: Sequence[Version] = ()
) -> None:
    """Checks every rule of one vhost, its `unmatched` and its `tests`.

    Parameters:
      base: The path of the vhost's body.
      body: The vhost's body.
      names: The names that the file declares.
      report: Collects the findings.
      versions: The versions of RabbitMQ to support; empty if unknown.
    """
    scope = _Scope(base, body, names, report, versions)
    for index, route in enumerate(body.routes):
        scope.route((*base, "routes", index), route)
    scope.unmatched()
    scope.tests()


class _Scope:
    """The routes of one vhost."""

    def __init__(
        self, base: ValuePath, body: Body, names: DeclaredNames, report: Reporter, versions: Sequence[Version]
    ) -> None:
        self._base = base
        self._body = body
        self._queues = QueueNames(base, body, names, report)
        self._report = report
        self._versions = versions
        self._matching_queues = cache(self._match)
        self._verdict = cache(self._judge)
        self._ignored = cache(self._ignores)

    def route(self, path: ValuePath, route: Route) -> None:
        self._patterns(path, route)
        verdict = self._verdict(route.queue, bool(route.shard_by))
        if verdict is not None:
            self._wrong_queue(path, route, verdict)
        if route.shard_by:
            self._shard_by(path, route)
        if route.when:
            self._when(path, route)
        if route.priority is not None:
            self._priority((*path, "priority"), route.priority, self._destinations(route.queue))

    def _shard_by(self, path: ValuePath, route: Route) -> None:
        if route.key is not None:
            message = "one `key` cannot reach every shard: each has its own binding key"
            self._report.add((*path, "key"), "bad-route", message, "remove `key`", of_key=True)
        for index, part in enumerate(route.shard_by):
            if part in route.shard_by[:index]:
                place = (*path, "shard_by", index)
                message = f"`{self._report.written(place, part)}` is listed twice"
                self._report.add(place, "conflict", message, "remove one of the two")

    def _when(self, path: ValuePath, route: Route) -> None:
        if route.rate_limit is not None:
            message = "a rate limit applies to all calls of a task: `when` cannot choose one"
            help_ = "set `rate_limit` in a rule for the task without `when`"
            self._report.add((*path, "rate_limit"), "bad-route", message, help_, of_key=True)
        for part, condition in route.when.items():
            wrong, place = contradiction(condition), (*path, "when", part)
            if wrong is not None:
                message = f"`{self._report.key(place)}`: {wrong}"
                self._report.add(place, "wrong-value", message, "the rule would never match")
            elif found := comparison_operator(condition):
                written, meant = found
                message = f"`{self._report.key(place)}` is compared with text that begins with `{written}`"
                help_ = f"to compare numbers, write `{{{meant}: …}}`"
                self._report.add(place, "odd-condition", message, help_)

    def unmatched(self) -> None:
        """Checks the queue of tasks without a rule."""
        path, name = (*self._base, "unmatched"), self._body.unmatched
        if name == REFUSE or not self._queues.known(path, name):
            return
        why = "but `unmatched` must be one queue"
        if not self._queues.refuse_sharded(path, name, why) and self._is_stream(name):
            self._report.add(path, "bad-route", *self._sentence(path, name, "stream"))

    def tests(self) -> None:
        """Checks the queues and priorities that `tests` expect."""
        for index, test in enumerate(self._body.tests):
            path = (*self._base, "tests", index)
            if test.queue == REFUSE or not self._queues.known((*path, "queue"), test.queue):
                continue
            queue = self._body.queues.get(self._body.shards.get(test.queue, (test.queue,))[0])
            if test.priority is not None and queue is not None and queue.max_priority is not None:
                self._priority((*path, "priority"), test.priority, self._destinations(test.queue))

    def _patterns(self, path: ValuePath, route: Route) -> None:
        """Checks the patterns of a rule, and the placeholders in its queue and key."""
        wanted = {
            name: field
            for field in ("key", "queue")
            for name in pattern.placeholders(getattr(route, field) or "")
            if "." not in name
        }
        self._call_parts(path, route)
        for position, text in enumerate(route.tasks):
            # For a single pattern instead of a list, this is the position of `tasks` itself.
            place = (*path, "tasks", position)
            try:
                parsed = pattern.parse(text)
            except ValueError as error:
                substituted = self._report.is_from_outside(place)
                message = "the pattern is invalid once its variables are substituted"
                self._report.add(place, "bad-pattern", message if substituted else str(error))
                continue
            if parsed.kind == "regex":
                self._expression(place, text)
            for name, field in wanted.items():
                if name not in parsed.captures:
                    shown = self._report.written(place, text)
                    message = f"`{{{name}}}` in `{field}` is not captured by the pattern `{shown}`"
                    help_ = f"write `{{{name}}}` in the pattern, or name a queue"
                    help_ = did_you_mean(name, parsed.captures) or help_
                    self._report.add((*path, field), "bad-pattern", message, help_)

    def _call_parts(self, path: ValuePath, route: Route) -> None:
        """Checks the parts of the call in a rule's queue and key."""
        for part in pattern.call_parts(route.queue):
            if (problem := call_path_problem(part)) is not None:
                place = (*path, "queue")
                shown = self._report.written(place, f"{{{part}}}")
                self._report.add(place, "bad-pattern", f"`{shown}` {problem}")
        if route.key is not None and (pattern.call_parts(route.queue) or pattern.call_parts(route.key)):
            message = (
                "`key` cannot be combined with a queue that the call names, nor contain a part of the call"
            )
            help_ = "remove it: a task is published with the binding key of its queue"
            self._report.add((*path, "key"), "bad-route", message, help_, of_key=True)

    def _expression(self, place: ValuePath, text: str) -> None:
        """Checks that a regular expression is cheap to match."""
        why = problem(text[1:-1])
        if why is not None:
            reason, _, remedy = why.partition("; ")
            shown = self._report.written(place, text)
            message = f"the regular expression `{shown}` is refused: {reason}"
            remedy = REMEDY if self._report.is_from_outside(place) else remedy
            self._report.add(place, "bad-pattern", message, remedy)

    def _judge(self, queue: str, sharded: bool) -> str | None:
        """The mistake in a rule's queue, with or without `shard_by`: a key of `_QUEUE_MISTAKES`."""
        template = bool(pattern.placeholders(queue))
        names = self._matching_queues(queue) if template else (queue,)
        if any(self._queues.in_doubt(name) for name in names):
            return None
        shards = self._body.shards
        if not template and queue not in self._queues.all:
            return "unknown"
        if not names:
            return "nothing fits"
        if all(self._is_stream(name) for name in names):
            return "only streams" if template else "stream"
        if sharded and not any(name in shards for name in names):
            if template:
                return "no shards fit"
            return "no shards" if queue in self._queues.declared else "one shard"
        if not sharded and all(name in shards for name in names):
            return "only shards fit" if template else "shards"
        return None

    def _wrong_queue(self, path: ValuePath, route: Route, verdict: str) -> None:
        """Reports a rule that does not route to one queue."""
        place = (*path, "queue")
        if verdict == "unknown":
            self._queues.known(place, route.queue)
        elif verdict == "shards":
            why = "and no `shard_by` chooses one"
            self._queues.refuse_sharded(place, route.queue, why, "add `shard_by: kwargs.NAME`, or ")
        else:
            field, code, *_ = _QUEUE_MISTAKES[verdict]
            sentence = self._sentence(place, route.queue, verdict)
            self._report.add((*path, field), code, *sentence, of_key=field != "queue")

    def _sentence(self, path: ValuePath, queue: str, verdict: str) -> tuple[str, str]:
        """A mistake as a sentence, and what to do."""
        *_, message, help_ = _QUEUE_MISTAKES[verdict]
        return message.replace("QUEUE", f"`{self._report.written(path, queue)}`"), help_

    def _match(self, template: str) -> tuple[str, ...]:
        """The declared queues whose names match a template."""
        fits = pattern.template_regex(template).fullmatch
        return tuple(name for name in self._queues.declared if fits(name))

    def _is_stream(self, queue: str) -> bool:
        return queue in self._body.queues and self._body.queues[queue].type == "stream"

    def _destinations(self, queue: str) -> list[str]:
        """The possible queues of a rule or test; for shards, the first."""
        names = self._matching_queues(queue) if pattern.placeholders(queue) else (queue,)
        return [self._body.shards[name][0] if name in self._body.shards else name for name in names]

    def _priority(self, path: ValuePath, priority: int, queues: Sequence[str]) -> None:
        """Reports a priority that all of the queues ignore."""
        reasons = [self._ignored(priority, queue) for queue in queues]
        if reasons and all(reasons):
            message, help_ = next(reason for reason in reasons if reason)
            self._report.add(path, "lost-priority", message, help_)

    def _ignores(self, priority: int, name: str) -> tuple[str, str] | None:
        """Why a queue ignores a priority, and what to do; None if it does not, or that is unknown."""
        queue = self._body.queues.get(name)
        if queue is None or self._queues.in_doubt(name):
            return None
        return priority_problem(priority, name, queue, self._versions)
