"""Queues as a worker is told them: by `-Q` and `-X`, and while it runs by remote control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...topology.base.finding import did_you_mean
from ...topology.errors import UsageError
from .share import expand_shards

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..router import Router


def select_queues(app: Any, router: Router, names: Iterable[str]) -> tuple[str, ...]:
    """The queues of these names, each shard of a queue with shards among them.

    Parameters:
      app: The worker's app.
      router: Its router.
      names: Names of queues, of queues with shards, and what Celery calls aliases.

    Raises:
      UsageError: Neither the file nor the app has such a queue.
    """
    names = tuple(names)
    known, shards = app.amqp.queues, router.body.shards
    for name in names:
        if name not in known and name not in known.aliases and name not in shards:
            raise UsageError(f"{router.origin} has no queue `{name}`", did_you_mean(name, [*known, *shards]))
    return expand_shards(router.body, names)
