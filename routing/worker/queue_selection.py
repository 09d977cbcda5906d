"""Resolves queue names of `-Q`, `-X` and remote control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...topology.base.finding import did_you_mean
from ...topology.errors import UsageError
from .share import expand_shards

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..router import Router


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
