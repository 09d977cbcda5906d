"""Converts an app's configuration to the contents of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....topology.base.listing import listed
from ....topology.model.topology import REFUSE
from ...publishing.transport import HIGHEST
from ...router import EARLY_OPTIONS
from ...rules.builtin_tasks import BUILTIN_TASKS
from ..configuration import FileDraft
from ..notes import Notes, Subject
from .destinations import DestinationResolver, rule_problem
from .queues import QueueConverter, is_implicit
from .routes import RouteConverter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..configuration import Configuration, RuleOutcome, Section

_IMPLICIT_QUEUES = (
    "Queues without bindings are those that Celery creates because something names them. Celery declares a direct "
    "exchange for each, too, but publishes to the queue by name. These exchanges are not needed; they may stay on the "
    "broker."
)
_DIRECT = (
    "Celery publishes to the queue by name where its exchange is direct; with the file, tasks are published to that "
    "exchange with the binding's key (producers need permission to write to it), and reach the same queue"
)
_HELD = (
    "Celery cannot delay tasks on the broker for the direct exchanges of {queues}: each task with a countdown, an ETA "
    "or a delayed retry is held by a worker, and uses up its prefetch. Bind these quorum queues to a topic exchange, "
    "too: see `routectl lint --explain delay-exchange`"
)
_WILDCARD = (
    "Celery publishes with a topic exchange's wildcard binding key as the routing key; with the file, tasks have a key "
    "that the binding matches, and reach the same queue"
)
_UNSENDABLE = (
    "Celery cannot send such a task (TypeError), since the route sets {names}; with the file, it is sent "
    "with the rule's value: check that you want this"
)
_INVERTED = (
    f"priorities are inverted ({HIGHEST} minus Celery's value): Redis serves 0 first, as well as tasks without a "
    "priority; with the file, the highest priority is served first, and tasks without one last"
)
_BY_NAME = (
    "Celery sets `task_default_priority` ({priority}) only on tasks that the app has; Redis serves others first, which "
    "are sent by name and have no priority. With the file they are served last, unless a rule for their exact name has "
    f"`priority: {HIGHEST}`"
)


def convert(configuration: Configuration) -> FileDraft:
    """The contents of the file, with notes on what it cannot express.

    Parameters:
      configuration: The app's configuration.
    """
    queues = QueueConverter(configuration.queues.values(), configuration.routed_queues)
    resolver = DestinationResolver(configuration, queues.body())
    default = resolver.default()
    rules = RouteConverter(configuration, resolver)
    sections = tuple(rules.sections(default))
    expected = {
        name: outcome
        for name, result in configuration.results.items()
        if not result.problem
        and name not in rules.unwritable
        and (outcome := resolver.outcome(result.options, Subject("task", name), name)) is not None
        and (outcome == default or rule_problem(outcome) is None)
    }
    publishing = list(_publishing_notes(configuration, queues, resolver))
    notes = [
        *configuration.notes,
        *publishing,
        *queues.notes.lines,
        *rules.notes.lines,
        *resolver.notes.lines,
        *_unsendable(configuration),
    ]
    if configuration.beat_entries:
        names = listed((entry.name for entry in configuration.beat_entries), quote="`")
        notes.append(
            "beat entries with a queue, exchange, key or priority in `options` override the rules; remove these "
            f"options to use the rules: {names}"
        )
    has_implicit = queues.queues and any(map(is_implicit, configuration.queues.values()))
    implicit = [_IMPLICIT_QUEUES] if has_implicit else []
    return FileDraft(
        source=configuration.source,
        exchanges=queues.exchanges,
        queues=queues.queues,
        comments={**queues.comments, "queues": (*implicit, *(f"{note}." for note in publishing))},
        sections=sections,
        unmatched=REFUSE if default is None else default.queue,
        consumed=queues.consumed,
        dead_letters=queues.dead_letters,
        beat_comment=tuple(_beat_comment(configuration)),
        relies_on_default=_relies_on_default(configuration, sections, expected, default),
        notes=tuple(dict.fromkeys(notes)),
        expected=expected,
        configuration=configuration,
    )


def _publishing_notes(
    configuration: Configuration, queues: QueueConverter, resolver: DestinationResolver
) -> Iterator[str]:
    """What differs in how messages are published with the file."""
    if any(map(resolver.uses_direct_exchange, queues.consumed)):
        yield _DIRECT
    held = [f"`{queue}`" for queue in queues.consumed if resolver.holds_delayed_tasks(queue)]
    if held:
        yield _HELD.format(queues=" and ".join([", ".join(held[:-1]), held[-1]] if held[1:] else held))
    if any(map(resolver.has_wildcard_key, queues.consumed)):
        yield _WILDCARD
    if configuration.inverts_priorities:
        yield _INVERTED
        if configuration.default_priority:
            yield _BY_NAME.format(priority=configuration.default_priority)


def _unsendable(configuration: Configuration) -> tuple[str, ...]:
    """Notes on routes by which Celery cannot send a task, though the file can."""
    notes = Notes()

    def check(options: Mapping[str, Any], subject: Subject) -> None:
        names = [f"`{name}`" for name in sorted(EARLY_OPTIONS) if options.get(name) is not None]
        if names:
            notes.add(_UNSENDABLE.format(names=", ".join(names)), subject)

    for router in configuration.routers:
        for entry in router.entries or ():
            check(entry.options or {}, Subject(router.name, entry.text))
    for name, result in configuration.results.items():
        if result.router is not None and configuration.routers[result.router].entries is None:
            check(result.options, Subject("task", name))
    return notes.lines


def _relies_on_default(
    configuration: Configuration,
    sections: Sequence[Section],
    expected: Mapping[str, RuleOutcome],
    default: RuleOutcome | None,
) -> bool:
    """Whether Celery sends tasks of the app to its default queue because nothing else routes them."""
    patterns = {text for section in sections for rule in section.rules for text in rule.tasks}
    unrouted = (
        name
        for name in configuration.registered - BUILTIN_TASKS - patterns
        if configuration.results[name].router is None and expected.get(name) == default
    )
    return bool(patterns) and "*" not in patterns and default is not None and any(unrouted)


def _beat_comment(configuration: Configuration) -> Iterator[str]:
    if configuration.beat_entries:
        yield "These entries of the beat schedule override the rules:"
        by_options: dict[str, list[str]] = {}
        for entry in configuration.beat_entries:
            options = ", ".join(f"{name} {value}" for name, value in sorted(entry.options.items()))
            by_options.setdefault(options, []).append(entry.name)
        yield from (f"  {options}: {listed(names, quote='`')}" for options, names in by_options.items())
