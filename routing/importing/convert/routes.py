"""Celery's routers, decorators and annotations as rules of the file. Pure.

The file asks exact names first and patterns after them. So does each mapping of Celery's, but not a list of routers:
there a pattern of an earlier router beats an exact name of a later one. What Celery answers for a name decides whether
the name gets a rule; only patterns are read off the mappings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ....topology.model.topology import REFUSE
from ..configuration import Rule, RuleOutcome, Section
from ..notes import Notes, Subject
from .destinations import no_rule
from .patterns import is_exact, spelled_key, spelled_name

if TYPE_CHECKING:
    from ..configuration import CeleryRoutes, Configuration, RouteEntry
    from .destinations import Destinations

_DECORATED = "From the tasks themselves: what a decorator says of queue, key or priority beats every route."
_ANNOTATED = "From task_annotations; such a task goes where it would go anyway."
_CODE = "code"
_UNHELD = "a mapping with an expression that the file cannot hold"
_SAMPLED = (
    "{name} is {what}, which no rule can express. It was asked for each task of the app, without arguments; a task "
    "that is added later needs a rule of its own."
)
_BY_ARGUMENTS = (
    "What it decides by arguments is not in the file. Add rules with `when` for it, and name in their `tasks` each "
    "task that has an exact rule in this file, above that rule."
)
_LEFT_TO_UNMATCHED = "Tasks that it sends to {queue} have no rule: `unmatched` sends them there."


class Rules:
    """The file's `routes`, in sections.

    Parameters:
      configuration: The app's.
      destinations: What routes come to.
    """

    def __init__(self, configuration: Configuration, destinations: Destinations) -> None:
        self._given = configuration
        self._destinations = destinations
        self.notes = Notes()
        #: The rule of every name that has one of its own.
        self.exact: dict[str, RuleOutcome] = {}
        #: The names that need one, which the file cannot have.
        self.unspelled: set[str] = set()
        self._odd: list[tuple[str, RuleOutcome]] = []

    def sections(self, default: RuleOutcome | None) -> Iterator[Section]:
        """All rules, exact names first.

        Parameters:
          default: Where tasks go that no rule matches, and how; None if they are errors.
        """
        by_name = list(self._by_name(default))
        yield from (section for section in by_name if section.rules or section.comment)
        if self._odd:
            comment = ("Names that need an expression, or they would be read as patterns.",)
            yield Section(comment, tuple(Rule((text,), outcome) for text, outcome in self._odd))
        patterns = [section for router in self._given.routers for section in self._of_patterns(router)]
        yield from patterns
        if any("*" in rule.tasks for section in patterns for rule in section.rules):
            return
        # A queue may be called as the word by which `unmatched` refuses tasks.
        if default is None or not (default.fields or default.queue == REFUSE):
            return
        if (why := no_rule(default)) is not None:
            self.notes.add(why, Subject("the default queue"))
        else:
            yield Section(("Every other task.",), (Rule(("*",), default),))

    def _by_name(self, default: RuleOutcome | None) -> Iterator[Section]:
        given = self._given
        own = dict.fromkeys(name for name in given.answers if name in given.decorated)
        annotated = dict.fromkeys(name for name in given.annotated if name not in given.decorated)
        done = own | annotated
        for at, router in enumerate(given.routers):
            names = [name for entry in router.exact if (name := str(entry.key)) not in done]
            reached = [name for name in names if self._answered_by(name) == at and name not in self.exact]
            comment = [f"From {router.name}."] if reached else []
            comment += self._unreached(at, router)
            yield Section(tuple(comment), tuple(self._rules(reached)))
            yield from self._sampled(at, router, default, done)
        if own:
            yield Section((_DECORATED,), tuple(self._rules(own)))
        if annotated:
            yield Section((_ANNOTATED,), tuple(self._rules(annotated)))

    def _answered_by(self, name: str) -> int | None:
        answer = self._given.answers[name]
        if answer.problem:
            self.notes.add(
                f"no rule: asked without arguments, Celery says {answer.problem}",
                Subject("task", name),
            )
            return None
        return answer.router

    def _unreached(self, at: int, router: CeleryRoutes) -> Iterator[str]:
        """Exact names that Celery never looks up, since an earlier router has an answer for them."""
        for name in (str(entry.key) for entry in router.exact):
            first = self._given.answers[name].router
            if first is not None and first < at:
                earlier = self._given.routers[first].name
                yield f"Left out, since {earlier} comes first and takes it: {name}"

    def _sampled(
        self, at: int, router: CeleryRoutes, default: RuleOutcome | None, done: Mapping[str, None]
    ) -> Iterator[Section]:
        """Rules for the known names that code, or a pattern that cannot be written, answers for."""
        unwritten = [entry for entry in router.patterns if _pattern(entry) is None and entry.options]
        if router.entries is not None and not unwritten:
            return
        names, left = [], False
        for name in self._given.answers:
            if name in done or name in self.exact or self._answered_by(name) != at:
                continue
            if router.entries is not None and _first(router, name) not in unwritten:
                continue
            if self._is_default(name, default):
                left = True
            else:
                names.append(name)
        what = _CODE if router.entries is None else _UNHELD
        rules = f"{len(names)} task{'s have rules' if len(names) != 1 else ' has a rule'}"
        note = f"{router.name} is {what}: {rules} by what it answered without arguments"
        comment = [_SAMPLED.format(name=router.name, what=what)]
        if what == _CODE:
            note += (
                "; what it decides by arguments is not in the file: add rules with `when` (docs/routing.md)"
            )
            comment.append(_BY_ARGUMENTS)
        self.notes.add(note)
        if left and default is not None:
            comment.append(_LEFT_TO_UNMATCHED.format(queue=default.queue))
        yield Section(tuple(comment), tuple(self._rules(names)))

    def _is_default(self, name: str, default: RuleOutcome | None) -> bool:
        """Whether a name goes to the default queue without a rule of its own."""
        if any(_first(router, name) for router in self._given.routers):
            return False
        found = self._outcome(name)
        return found is not None and found == default

    def _outcome(self, name: str) -> RuleOutcome | None:
        answer = self._given.answers[name]
        if answer.problem:
            self._answered_by(name)
            return None
        said = {**self._given.annotated.get(name, {}), **self._given.annotated_all}
        return self._destinations.outcome({**answer.options, **said}, Subject("task", name))

    def _rules(self, names: Iterable[str]) -> Iterator[Rule]:
        """Rules for names, one for all that go the same way."""
        grouped: dict[str, tuple[RuleOutcome, list[str]]] = {}
        for name in names:
            outcome = self._outcome(name)
            text = _spelled(name)
            if outcome is None:
                continue
            why = no_rule(outcome) if text else "left out: the file cannot spell such a name"
            if text is None or why is not None:
                self.notes.add(str(why), Subject("task", name))
                self.unspelled.add(name)
                continue
            self.exact[name] = outcome
            if not is_exact(text):
                self._odd.append((text, outcome))
                continue
            grouped.setdefault(repr(outcome), (outcome, []))[1].append(text)
        for outcome, tasks in grouped.values():
            yield Rule(tuple(tasks), outcome)

    def _of_patterns(self, router: CeleryRoutes) -> Iterator[Section]:
        comment: list[str] = []
        rules: list[Rule] = []
        for entry in router.entries or ():
            if entry.options is None:
                self.notes.add(f"left out: {entry.problem}", Subject(router.name, entry.text))
                comment.append(f"Left out: {entry.text}: {entry.problem}")
            elif entry.is_pattern:
                self._add_pattern(router, entry, rules, comment)
        if rules or comment:
            title = f"From {router.name}: patterns, of which the first that matches counts."
            yield Section((*([title] if rules else []), *comment), tuple(rules))

    def _add_pattern(
        self, router: CeleryRoutes, entry: RouteEntry, rules: list[Rule], comment: list[str]
    ) -> None:
        what = Subject(router.name, entry.text)
        text = _pattern(entry)
        if text is None:
            self.notes.add("left out: the file has no such pattern", what)
            comment.append(f"Left out: {entry.text}")
            return
        options: dict[str, Any] = {**(entry.options or {}), **self._given.annotated_all}
        outcome = self._destinations.outcome(options, what)
        why = outcome and no_rule(outcome)
        if why:
            self.notes.add(why, what)
        if outcome is None or why:
            comment.append(f"Left out: {entry.text}")
        elif rules and rules[-1].outcome == outcome:
            rules[-1] = Rule((*rules[-1].tasks, text), outcome)
        else:
            rules.append(Rule((text,), outcome))


def _spelled(name: str) -> str | None:
    try:
        return spelled_name(name)
    except ValueError:
        return None


def _pattern(entry: RouteEntry) -> str | None:
    try:
        return spelled_key(entry.key)
    except (ValueError, re.error, RecursionError, OverflowError):
        return None


def _first(router: CeleryRoutes, name: str) -> RouteEntry | None:
    """The first pattern of a mapping that matches a name."""
    return next((entry for entry in router.patterns if entry.matches(name)), None)


def default_outcome(configuration: Configuration, destinations: Destinations) -> RuleOutcome | None:
    """Where a task goes that nothing routes, and how; None if it is an error.

    Parameters:
      configuration: The app's.
      destinations: What routes come to.
    """
    if configuration.default_queue is None:
        return None
    options: Mapping[str, Any] = {"queue": configuration.default_queue, **configuration.annotated_all}
    return destinations.outcome(options, Subject("the default queue"))
