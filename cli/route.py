"""`routectl route`: where a task goes, by which rule, and which workers consume it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .celery_options import vhost_option
from .console import Console
from .options import file_option, load_files, output_options

if TYPE_CHECKING:
    from ..routing import Call, Decision
    from ..routing.rules.explanation import Attempt, Explanation
    from ..routing.rules.turns import Turn

_EXAMPLES = """\b
Examples:
  routectl route billing.charge
  routectl route billing.charge reports.daily --format json
  routectl route orders.place --kwargs '{"account_id": 42}' --verbose
  routectl route -f base.yaml -f prod.yaml high:resize
"""

_HEADER = ("task", "queue", "exchange", "key", "priority", "workers", "rule")

_LABEL = 10

#: The JSON type of each option with a part of the call.
_KINDS: dict[type, str] = {list: 'a JSON list, such as `[1, "a"]`', dict: 'a JSON object, such as `{"a": 1}`'}


@click.command("route", epilog=_EXAMPLES)
@click.argument("tasks", metavar="TASK...", nargs=-1, required=True)
@click.option("--args", metavar="JSON", help="Positional arguments, for rules that match on them.")
@click.option("--kwargs", metavar="JSON", help="Keyword arguments, for rules that match on them.")
@click.option("--headers", metavar="JSON", help="Message headers, for rules that match on them.")
@click.option(
    "--options", metavar="JSON", help="Other options of `apply_async`; they override those of the rule."
)
@file_option
@vhost_option
@output_options()
def command(
    console: Console,
    tasks: tuple[str, ...],
    args: str | None,
    kwargs: str | None,
    headers: str | None,
    options: str | None,
    files: tuple[Path, ...],
    vhost: str | None,
) -> int:
    """Shows where a task goes, and why.

    Shows the queue, the path to it through the broker, the workers that consume it, and the rule that matched, with its
    position in the file. For one task, or with `--verbose`, it also shows what the rule sets on the message, when
    workers whose profile has an order start the task, and why earlier rules did not match. Does not connect to the
    broker. Exits with 1 if a task has no destination.
    """
    # Imported here so that `--help` answers at once.
    from ..routing import Router
    from .text import columns

    call = _call(args, kwargs, headers, options)
    router = Router.from_loaded(load_files(console, files, only_routing=True), vhost=vhost)
    found = [router.explain(task, call) for task in tasks]
    if console.json:
        console.document({"routes": [{**each.as_dict(), "follows": _follows(each)} for each in found]})
    elif len(found) == 1 or console.verbose:
        texts = (_details(explanation, verbose=console.verbose) for explanation in found)
        console.result("\n\n".join("\n".join(lines) for lines in texts))
    else:
        console.result(columns([_HEADER, *map(_row, found)]))
    return 1 if any(explanation.decision is None for explanation in found) else 0


def _call(args: str | None, kwargs: str | None, headers: str | None, options: str | None) -> Call:
    """The call that the options describe.

    Raises:
      UsageError: An option is not JSON of its type, or names a queue, exchange or key, which would override the file.
    """
    from ..routing import Call
    from ..routing.rules.overrides import refuse_address

    call = Call(
        _parsed("--args", args, list),
        _parsed("--kwargs", kwargs, dict),
        _parsed("--headers", headers, dict),
        _parsed("--options", options, dict),
    )
    refuse_address(call)
    return call


def _parsed(option: str, text: str | None, kind: type) -> Any:
    """An option's JSON; an empty list or object by default."""
    from ..topology.errors import UsageError

    if text is None:
        return kind()
    hint = f"pass {_KINDS[kind]}"
    try:
        value = json.loads(text)
    except RecursionError:
        raise UsageError(f"`{option}` is nested too deeply", hint) from None
    except ValueError as error:
        raise UsageError(f"`{option}` is not valid JSON: {error}", hint) from None
    if not isinstance(value, kind):
        raise UsageError(f"`{option}` is not {_KINDS[kind].partition(',')[0]}", hint)
    return value


def _row(found: Explanation) -> tuple[str, ...]:
    from .text import rule_text, worker_names

    decision = found.decision
    if decision is None:
        return found.task, "-", "-", "-", "-", "-", str(found.error)
    if _follows(found):
        return found.task, "-", "-", "-", "-", "-", _followed(found)
    exchange = f"{decision.exchange or '(default)'} {decision.exchange_type}"
    priority = "-" if decision.priority is None else str(decision.priority)
    workers = worker_names(found.workers)
    return found.task, decision.queue, exchange, decision.routing_key, priority, workers, rule_text(decision)


def _details(found: Explanation, *, verbose: bool) -> Iterator[str]:
    """The details of one task, line by line."""
    from .text import rule_text
    from .words import printable

    decision = found.decision
    yield printable(found.task)
    lines = [("error", f"{found.error}"), ("hint", found.hint or "")]
    if decision is not None:
        lines = [
            ("queue", decision.queue),
            ("rule", rule_text(decision)),
            (
                "publish",
                f'{decision.exchange or "(default)"} {decision.exchange_type}, key "{decision.routing_key}"',
            ),
            ("path", _path(found)),
            ("message", _message(decision)),
            ("workers", _workers(found)),
            *_starts(found),
            ("note", _followed(found)),
        ]
    skipped = _skipped(found, verbose)
    lines += [("skipped" if number == 0 else "", text) for number, text in enumerate(skipped)]
    for label, text in lines:
        if text:
            yield f"  {label:{_LABEL}}{printable(text)}"


def _follows(found: Explanation) -> str | None:
    """The task that decides the queue, for tasks that Celery sends along with others."""
    from ..routing.rules.builtin_tasks import follows

    decision = found.decision
    return follows(found.task, named=decision is not None and decision.pattern == found.task)


def _followed(found: Explanation) -> str:
    what = _follows(found)
    return f"Celery sends it to the queue of {what}" if what else ""


def _path(found: Explanation) -> str:
    """The message's path: exchanges, binding keys and queue."""
    steps = [found.path[0].source or "(default)"] if found.path else []
    for link in found.path:
        steps += [f'"{link.key}"', link.destination]
    return " -> ".join(steps)


def _message(decision: Decision) -> str:
    """What the rule sets on the message."""
    from ..topology.base.redaction import redacted

    values: Mapping[str, Any] = redacted({"priority": decision.priority, **decision.options})
    return ", ".join(
        f"{name} {f'{value:g}' if isinstance(value, float) else _value_text(value)}"
        for name, value in values.items()
        if value is not None
    )


def _value_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _workers(found: Explanation) -> str:
    if found.workers == ("",):
        return "any worker without a profile and `-Q`"
    return ", ".join(found.workers) or "none: no worker profile consumes the queue"


def _starts(found: Explanation) -> list[tuple[str, str]]:
    """When each profile's workers start the task, if one of them has an order."""
    if all(turn.order == "fair" for turn in found.turns):
        return []
    texts = [f"{turn.profile}: {_turn_text(turn)}" for turn in found.turns]
    return [("" if number else "starts", text) for number, text in enumerate(texts)]


def _turn_text(turn: Turn) -> str:
    """When workers of a profile start a task: "while `high` is empty, or once it has waited for 30s"."""
    from ..topology.base.duration import duration_text

    if turn.order == "fair":
        return "in turn with tasks of its other queues"
    overtaking = [queue for queue in turn.overtaken_by if queue not in turn.after]
    overdue = f"except overdue ones of {_queues_text(overtaking)}" if overtaking else ""
    if turn.order == "weighted":
        tasks = f"tasks, {overdue}," if overdue else "tasks"
        text = f"as {turn.share} of {turn.out_of} {tasks} while all its queues have some"
    elif turn.after:
        verb = "is" if len(turn.after) == 1 else "are"
        text = f"while {_queues_text(turn.after)} {verb} empty"
        text += f", before tasks of lower queues, {overdue}" if overdue else ""
    else:
        text = "before tasks of its other queues"
        text += f", {overdue}" if overdue else ""
    if turn.max_wait is not None:
        text += f", or once it has waited for {duration_text(round(turn.max_wait * 1000))}"
    if turn.reserved or turn.withheld:
        text += f"; in {_slots_text(turn)}"
    return text


def _queues_text(queues: Sequence[str]) -> str:
    from ..topology.base.listing import listed

    return listed(queues, 3, last=" and ", quote="`")


def _slots_text(turn: Turn) -> str:
    """The slots that a task can use: "3 of 4 slots, 1 of them reserved"."""
    text = "all slots"
    if turn.withheld and turn.slots is not None:
        text = f"{turn.slots - turn.withheld} of {turn.slots} slots"
    elif turn.withheld:
        text = f"all slots but {turn.withheld}"
    return f"{text}, {turn.reserved} of them reserved" if turn.reserved else text


def _skipped(found: Explanation, verbose: bool) -> Iterator[str]:
    """The rules that were not used: those whose pattern matched one by one, the others counted unless verbose."""
    from .words import count_text

    if found.outranked is not None:
        yield _attempt_text(found.outranked)
    yield from (_attempt_text(attempt) for attempt in found.attempts if verbose or attempt.matched)
    others = [attempt for attempt in found.attempts if not attempt.matched]
    if others and not verbose:
        names = sum(attempt.exact for attempt in others)
        counts = ((names, "name"), (len(others) - names, "pattern"))
        counted = " and ".join(count_text(count, noun) for count, noun in counts if count)
        verb, them = ("does", "shows it") if len(others) == 1 else ("do", "lists them")
        yield f"{counted} that {verb} not match; `--verbose` {them}"


def _attempt_text(attempt: Attempt) -> str:
    from .text import position_prefix

    return f"{position_prefix(attempt.position)}{attempt.pattern}: {attempt.why}"
