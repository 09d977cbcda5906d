"""From what an app is configured with to what the file says. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....topology.model.topology import REFUSE
from ...publishing.transport import HIGHEST
from ...router import EARLY_OPTIONS
from ..configuration import FileDraft
from ..notes import Notes, Subject
from .destinations import Destinations, no_rule
from .queues import Declarations, is_made_up
from .routes import Rules, default_outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..configuration import Configuration

_MADE = (
    "Queues without bindings are those that Celery makes up where something names them. It also makes a direct "
    "exchange for each, and sends nothing through it: tasks reach a queue by its name. What the broker has of those "
    "exchanges may stay."
)
_DIRECT = (
    "Celery publishes past direct exchanges, to a queue by its name; by the file a task goes by the exchange and the "
    "binding's key, and ends in the same queue"
)
_WILDCARD = (
    "Celery publishes with a topic binding's wildcards as they stand; by the file the key is one that the binding "
    "matches, and leads to the same queue"
)
_UNSENDABLE = (
    "Celery itself cannot send such a task, since its route says {names} (TypeError); by the file it is sent, and has "
    "what the rule says"
)
_TURNED = (
    f"priorities are turned round ({HIGHEST} less what Celery has): on Redis 0 goes first, and what has none; by the "
    "file the highest does, and what has none goes last"
)


def convert(configuration: Configuration) -> FileDraft:
    """What the file says, and what it cannot say.

    Parameters:
      configuration: What the app is configured with.
    """
    declared = Declarations(configuration.queues.values())
    destinations = Destinations(configuration, declared.body())
    default = default_outcome(configuration, destinations)
    rules = Rules(configuration, destinations)
    sections = tuple(rules.sections(default))
    expected = {
        name: outcome
        for name, answer in configuration.answers.items()
        if not answer.problem
        and name not in rules.unspelled
        and (outcome := destinations.outcome(answer.options, Subject("task", name))) is not None
        and (outcome == default or no_rule(outcome) is None)
    }
    ways = list(_ways(configuration, declared, destinations))
    notes = [
        *configuration.remarks,
        *ways,
        *declared.notes.lines,
        *rules.notes.lines,
        *destinations.notes.lines,
        *_unsendable(configuration),
    ]
    if configuration.scheduled:
        entries = ", ".join(f"`{each.entry}`" for each in configuration.scheduled)
        notes.append(
            f"the beat schedule says itself how its tasks are published, which beats the rules: {entries}"
        )
    return FileDraft(
        source=configuration.source,
        exchanges=declared.exchanges,
        queues=declared.queues,
        remarks={**declared.remarks, "queues": tuple(_about_queues(configuration, declared, ways))},
        sections=sections,
        unmatched=REFUSE if default is None else default.queue,
        consumed=declared.consumed(),
        closing=tuple(_closing(configuration)),
        notes=tuple(dict.fromkeys(notes)),
        expected=expected,
    )


def _ways(configuration: Configuration, declared: Declarations, destinations: Destinations) -> Iterator[str]:
    """How messages travel otherwise than Celery sends them."""
    queues = declared.consumed()
    if any(destinations.by_direct_exchange(queue) for queue in queues):
        yield _DIRECT
    if any(destinations.by_wildcard(queue) for queue in queues):
        yield _WILDCARD
    if configuration.zero_first and configuration.prioritised:
        yield _TURNED


def _unsendable(configuration: Configuration) -> tuple[str, ...]:
    """The routes by which a task is an error in Celery, and none by the file."""
    notes = Notes()

    def look(options: Mapping[str, Any], subject: Subject) -> None:
        names = [f"`{name}`" for name in sorted(EARLY_OPTIONS) if options.get(name) is not None]
        if names:
            notes.add(_UNSENDABLE.format(names=", ".join(names)), subject)

    for router in configuration.routers:
        for entry in router.entries or ():
            look(entry.options or {}, Subject(router.name, entry.text))
    for name, answer in configuration.answers.items():
        if answer.router is not None and configuration.routers[answer.router].entries is None:
            look(answer.options, Subject("task", name))
    return notes.lines


def _about_queues(configuration: Configuration, declared: Declarations, ways: list[str]) -> Iterator[str]:
    if any(is_made_up(queue) for queue in configuration.queues.values()) and declared.queues:
        yield _MADE
    yield from (f"{way}." for way in ways)


def _closing(configuration: Configuration) -> Iterator[str]:
    """What to say of what beats the rules."""
    if configuration.scheduled:
        yield "The beat schedule says how these are published, which beats the rules:"
        for each in configuration.scheduled:
            said = ", ".join(f"{name} {value}" for name, value in each.options.items())
            yield f"  {each.entry} ({each.task}): {said}"
