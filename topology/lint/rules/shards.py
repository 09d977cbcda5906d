"""Checks of queues with shards: conflicting or overlong names, bindings that reach all shards."""

from __future__ import annotations

from ...base.finding import ValuePath
from ...base.resources import BUILT_IN_EXCHANGES
from ...model import Body, Exchange, Queue
from ...model.types import MAX_NAME_BYTES
from ..context import Reporter
from ..names import DeclaredNames

#: Exchange types that ignore the routing key.
_TO_ALL = frozenset({"fanout", "headers", "x-recent-history"})


def check_shards(base: ValuePath, body: Body, names: DeclaredNames, report: Reporter) -> None:
    """Checks every queue with shards of one vhost.

    Parameters:
      base: The path of the vhost's body.
      body: The vhost's body.
      names: The names that the file declares.
      report: Collects the findings.
    """
    written = names.queues.get(base, frozenset())
    for name, shards in body.shards.items():
        path = (*base, "queues", name)
        for shard in shards:
            if shard in written:
                message = f"`{shard}` is also the name of a shard of `{name}`"
                help_ = "rename one of the two queues"
                report.add((*base, "queues", shard), "conflict", message, help_, of_key=True)
        if _too_long(shards[-1]):
            message = f"with the shard number appended, the name has more than {MAX_NAME_BYTES} bytes"
            report.add(path, "wrong-value", message, "shorten it", of_key=True)
        _queue(path, body, body.queues[shards[-1]], len(shards), report)


def _queue(path: ValuePath, body: Body, last: Queue, count: int, report: Reporter) -> None:
    """Checks the type and bindings of a queue by its last shard, which has the longest name and keys."""
    if last.type == "stream":
        message = (
            "a stream cannot have `shards`: they are for tasks, and Celery workers cannot consume streams"
        )
        report.add((*path, "shards"), "wrong-argument", message, "use `type: quorum`", of_key=True)
    for index, binding in enumerate(last.bindings):
        place = (*path, "bindings", index)
        if _too_long(binding.key):
            message = f"with the shard number appended, the key has more than {MAX_NAME_BYTES} bytes"
            report.add((*place, "key"), "wrong-value", message, "shorten it")
        kind = _kind(body, binding.exchange)
        if kind in _TO_ALL:
            shown = report.written((*place, "exchange"), binding.exchange)
            message = f"`{shown}` is a {kind} exchange: each of the {count} shards would get every message"
            help_ = "bind the queue to a direct or topic exchange, which routes each key to one shard"
            report.add((*place, "exchange"), "bad-binding", message, help_)


def _kind(body: Body, exchange: str) -> str | None:
    """The type by which an exchange routes; None if unknown."""
    declared: Exchange | None = body.exchanges.get(exchange)
    if declared is None:
        return BUILT_IN_EXCHANGES.get(exchange)
    return declared.delayed_type if declared.type == "x-delayed-message" else declared.type


def _too_long(text: str) -> bool:
    return len(text.encode()) > MAX_NAME_BYTES
