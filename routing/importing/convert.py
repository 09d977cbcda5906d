"""From what an app is configured with to what the file says. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...topology.model.topology import REFUSE
from .configuration import Document
from .destinations import Destinations
from .queues import Declarations, is_made_up
from .routes import Rules, default_outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .configuration import Configuration

_MADE = (
    "Queues without bindings are those that Celery makes up where something names them. It also makes a direct "
    "exchange for each, and sends nothing through it: tasks reach a queue by its name. What the broker has of those "
    "exchanges may stay."
)


def convert(configuration: Configuration) -> Document:
    """What the file says, and what it cannot say.

    Parameters:
      configuration: What the app is configured with.
    """
    declared = Declarations(configuration.queues.values())
    destinations = Destinations(configuration, declared.body())
    default = default_outcome(configuration, destinations)
    rules = Rules(configuration, destinations)
    sections = tuple(rules.sections(default))
    unmatched = REFUSE if default is None else default.queue
    expected = {
        name: outcome.queue
        for name, answer in configuration.answers.items()
        if not answer.problem
        and (outcome := destinations.outcome(answer.options, f"task `{name}`")) is not None
    }
    made = any(is_made_up(queue) for queue in configuration.queues.values())
    return Document(
        source=configuration.source,
        exchanges=declared.exchanges,
        queues=declared.queues,
        remarks={**declared.remarks, **({"queues": (_MADE,)} if made and declared.queues else {})},
        sections=sections,
        unmatched=unmatched,
        consumed=declared.consumed(),
        closing=tuple(_closing(configuration)),
        notes=tuple(
            dict.fromkeys([*configuration.remarks, *declared.notes, *rules.notes, *destinations.notes])
        ),
        expected=expected,
    )


def _closing(configuration: Configuration) -> Iterator[str]:
    """What to say of what beats the rules."""
    if configuration.scheduled:
        yield "The beat schedule says how these are published, which beats the rules:"
        for each in configuration.scheduled:
            said = ", ".join(f"{name} {value}" for name, value in each.options.items())
            yield f"  {each.entry} ({each.task}): {said}"
