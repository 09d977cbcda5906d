"""Resolves queue names of `-Q`, `-X` and remote control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...topology.base.finding import did_you_mean
from ...topology.errors import UsageError
from .share import expand_shards

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...topology.model import Body
    from ..router import Router


def quorum_first(body: Body, names: Iterable[str]) -> tuple[str, ...]:
    """The queues in the order in which a worker starts to consume them.

    One without a majority of its replicas is then found before messages of other queues are delivered, which the broker
    would not give to other workers for a minute.
    """
    return tuple(
        sorted(names, key=lambda name: name not in body.queues or body.queues[name].type != "quorum")
    )


def select_queues(app: Any, router: Router, names: Iterable[str]) -> tuple[str, ...]:
    """The queues of these names, with a queue with shards replaced by its shards.

    Parameters:
      app: The worker's app.
      router: Its router.
      names: Names of queues and of queues with shards, and Celery's aliases.

    Raises:
      UsageError: A name is not a queue of the file or the app.
    """
    names = tuple(names)
    known, shards = app.amqp.queues, router.body.shards
    for name in names:
        if name not in known and name not in known.aliases and name not in shards:
            raise UsageError(f"{router.origin} has no queue `{name}`", did_you_mean(name, [*known, *shards]))
    return expand_shards(router.body, names)
