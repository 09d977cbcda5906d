"""Converts Celery's routers, task options and annotations to rules of the file.

The file tries exact names before patterns. Celery does so within a mapping, but not across a list of routers, where a
pattern of an earlier router takes precedence over an exact name of a later one. So exact rules are written by where
Celery sends each known name, and only patterns are taken from the mappings.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ....topology.model.topology import REFUSE
from ..configuration import NewRule, RuleOutcome, Section
from ..notes import Notes, Subject
from .destinations import rule_problem
from .patterns import key_pattern, name_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ..configuration import CeleryRoutes, Configuration, RouteEntry
    from .destinations import DestinationResolver

_TASK_ATTRIBUTES = (
    "From the tasks themselves: what is set on a task, or on it by an annotation, overrides every route."
)
_ANNOTATIONS = (
    "Tasks that task_annotations names: where Celery routes them, with the settings of their annotations."
)
_CODE = "code"
_UNSUPPORTED = "a mapping with an expression that the file does not support"
_SAMPLED = (
    "{name} is {kind}, which cannot be written as rules. It was evaluated for each task of the app, without arguments; "
    "add a rule for each task that you add later."
)
_BY_ARGUMENTS = (
    "What it decides by arguments is not in the file. Add rules with `when` for it. For a task with an exact rule in "
    "this file, add them above that rule, and list the task by name in `tasks`."
)
_LEFT_TO_UNMATCHED = "Tasks that it sends to {queue} have no rule, since `unmatched` sends them there."


class RouteConverter:
    """The file's `routes`, in sections.

    Parameters:
      configuration: The app's configuration.
      resolver: Finds the queues of routes.
    """

    def __init__(self, configuration: Configuration, resolver: DestinationResolver) -> None:
        self._configuration = configuration
        self._resolver = resolver
        self.notes = Notes()
        #: Names that need a rule which the file cannot express.
        self.unwritable: set[str] = set()
        self._with_rule: set[str] = set()
        self._as_regex: list[NewRule] = []

    def sections(self, default: RuleOutcome | None) -> Iterator[Section]:
        """All rules, exact names first.

        Parameters:
          default: Where tasks that no rule matches go; None if they are errors.
        """
        exact = list(self._exact_sections(default))
        yield from (section for section in exact if section.rules or section.comment)
        if self._as_regex:
            comment = "Names written as expressions, since they would be read as patterns otherwise."
            yield Section((comment,), tuple(self._as_regex))
        patterns = [
            section for router in self._configuration.routers for section in self._pattern_sections(router)
        ]
        yield from patterns
        if any("*" in rule.tasks for section in patterns for rule in section.rules):
            return
        # `unmatched` cannot have message settings, nor a queue whose name is its keyword.
        if default is None or not (default.fields or default.queue == REFUSE):
            return
        if (problem := rule_problem(default)) is not None:
            self.notes.add(problem, Subject("the default queue"))
        else:
            yield Section(("All other tasks.",), (NewRule(("*",), default),))

    def _exact_sections(self, default: RuleOutcome | None) -> Iterator[Section]:
        given = self._configuration
        with_attributes = [name for name in given.results if name in given.task_attributes]
        annotated = [name for name in given.annotations if name not in given.task_attributes]
        done = {*with_attributes, *annotated}
        for index, router in enumerate(given.routers):
            routed = [
                name
                for name in router.names
                if name not in done and self._router_of(name) == index and name not in self._with_rule
            ]
            comment = [f"From {router.name}."] if routed else []
            comment += self._shadowed(index, router)
            yield Section(tuple(comment), tuple(self._rules(routed)))
            yield from self._sampled_section(index, router, default, done)
        if with_attributes:
            yield Section((_TASK_ATTRIBUTES,), tuple(self._rules(with_attributes)))
        if annotated:
            yield Section((_ANNOTATIONS,), tuple(self._rules(annotated)))

    def _router_of(self, name: str) -> int | None:
        """The index of the router that routes a name; adds a note if Celery cannot route it."""
        result = self._configuration.results[name]
        if result.problem:
            self.notes.add(
                f"no rule, since Celery cannot route it without arguments: {result.problem}",
                Subject("task", name),
            )
            return None
        return result.router

    def _shadowed(self, index: int, router: CeleryRoutes) -> Iterator[str]:
        """Comments on exact names that Celery does not look up, since an earlier router routes them."""
        for name in router.names:
            first = self._configuration.results[name].router
            if first is not None and first < index:
                earlier = self._configuration.routers[first].name
                yield f"Left out, since {earlier} comes first and matches it: {name}"

    def _sampled_section(
        self, index: int, router: CeleryRoutes, default: RuleOutcome | None, done: set[str]
    ) -> Iterator[Section]:
        """Rules for the known names that code, or a pattern that cannot be written, routes."""
        unwritten = [entry for entry in router.patterns if _pattern(entry) is None and entry.options]
        if router.entries is not None and not unwritten:
            return
        names, by_unmatched = [], False
        for name in self._configuration.results:
            if name in done or name in self._with_rule or self._router_of(name) != index:
                continue
            if router.entries is not None and _first_match(router, name) not in unwritten:
                continue
            if self._is_default(name, default):
                by_unmatched = True
            else:
                names.append(name)
        kind = _CODE if router.entries is None else _UNSUPPORTED
        have = "task has a rule" if len(names) == 1 else "tasks have rules"
        note = f"{router.name} is {kind}: {len(names)} {have} from its results without arguments"
        comment = [_SAMPLED.format(name=router.name, kind=kind)]
        if kind == _CODE:
            note += "; add rules with `when` for what it decides by arguments (docs/routing.md)"
            comment.append(_BY_ARGUMENTS)
        self.notes.add(note)
        if by_unmatched and default is not None:
            comment.append(_LEFT_TO_UNMATCHED.format(queue=default.queue))
        yield Section(tuple(comment), tuple(self._rules(names)))

    def _is_default(self, name: str, default: RuleOutcome | None) -> bool:
        """Whether a name goes to the default queue without its own rule."""
        if any(_first_match(router, name) for router in self._configuration.routers):
            return False
        found = self._outcome(name)
        return found is not None and found == default

    def _outcome(self, name: str) -> RuleOutcome | None:
        given = self._configuration
        result = given.results[name]
        if result.problem:
            self._router_of(name)
            return None
        options = {**result.options, **given.annotations.get(name, {}), **given.annotations_for_all}
        return self._resolver.outcome(options, Subject("task", name), name)

    def _rules(self, names: Iterable[str]) -> Iterator[NewRule]:
        """Rules for names, one for all with the same outcome."""
        grouped: dict[str, tuple[RuleOutcome, list[str]]] = {}
        for name in names:
            outcome = self._outcome(name)
            if outcome is None:
                continue
            try:
                text, problem = name_pattern(name), rule_problem(outcome)
            except ValueError:
                text, problem = "", "left out: the file cannot contain such a name"
            if problem is not None:
                self.notes.add(problem, Subject("task", name))
                self.unwritable.add(name)
                continue
            self._with_rule.add(name)
            if text == name:
                grouped.setdefault(repr(outcome), (outcome, []))[1].append(text)
            else:
                self._as_regex.append(NewRule((text,), outcome))
        for outcome, tasks in grouped.values():
            yield NewRule(tuple(tasks), outcome)

    def _pattern_sections(self, router: CeleryRoutes) -> Iterator[Section]:
        comment: list[str] = []
        rules: list[NewRule] = []
        for entry in router.entries or ():
            subject = Subject(router.name, entry.text)
            if entry.options is None:
                self.notes.add(f"left out: {entry.problem}", subject)
                comment.append(f"Left out: {entry.text}: {entry.problem}")
            elif entry.is_pattern:
                rule = self._pattern_rule(entry, entry.options, subject)
                if rule is None:
                    comment.append(f"Left out: {entry.text}")
                elif rules and rules[-1].outcome == rule.outcome:
                    rules[-1] = NewRule((*rules[-1].tasks, *rule.tasks), rule.outcome)
                else:
                    rules.append(rule)
        if rules or comment:
            title = [f"Patterns from {router.name}: the first match counts."] if rules else []
            yield Section((*title, *comment), tuple(rules))

    def _pattern_rule(
        self, entry: RouteEntry, options: Mapping[str, Any], subject: Subject
    ) -> NewRule | None:
        """The rule for a pattern; None, with a note, if the file cannot express it."""
        text = _pattern(entry)
        if text is None:
            self.notes.add("left out: the file does not support this pattern", subject)
            return None
        outcome = self._resolver.outcome({**options, **self._configuration.annotations_for_all}, subject)
        if outcome is None:
            return None
        problem = rule_problem(outcome)
        if problem is not None:
            self.notes.add(problem, subject)
            return None
        return NewRule((text,), outcome)


def _pattern(entry: RouteEntry) -> str | None:
    """The pattern of an entry in the file; None if the file cannot express it."""
    try:
        return key_pattern(entry.key)
    except (ValueError, re.error, RecursionError, OverflowError):
        return None


def _first_match(router: CeleryRoutes, name: str) -> RouteEntry | None:
    """The first pattern of a mapping that matches a name."""
    return next((entry for entry in router.patterns if entry.matches(name)), None)
