"""Mistakes in queues with shards: names that clash or grow too long, bindings that do not keep shards apart. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ...base.resources import BUILT_IN_EXCHANGES
from ...file.reader.source import Path_
from ...model import Body, Exchange, Queue
from ...model.types import MAX_NAME_BYTES
from ..context import Names, Report

#: Exchanges that give a message to every queue whose binding it fits, whatever its key.
_TO_ALL = frozenset({"fanout", "headers", "x-recent-history"})


def declared_queues(body: Body) -> Iterator[tuple[str, Queue]]:
    """The queues of a body by the names that the file gives them; the first of its shards for one that has some."""
    first = {shards[0]: name for name, shards in body.shards.items()}
    others = {shard for shards in body.shards.values() for shard in shards[1:]}
    for name, queue in body.queues.items():
        if name not in others:
            yield first.get(name, name), queue


def check_shards(base: Path_, body: Body, names: Names, report: Report) -> None:
    """Every queue with shards of one vhost.

    Parameters:
      base: The path of the vhost's body.
      body: What it says.
      names: The names that the file itself declares.
      report: Takes what is found.
    """
    written = names.queues.get(base, frozenset())
    for name, shards in body.shards.items():
        path = (*base, "queues", name)
        for shard in shards:
            if shard in written:
                message = f"`{shard}` is also the name of a shard of `{name}`"
                help_ = "rename one of the two queues"
                report((*base, "queues", shard), "conflict", message, help_, of_key=True)
        if _too_long(shards[-1]):
            message = f"with the number of a shard behind it, the name has more than {MAX_NAME_BYTES} bytes"
            report(path, "wrong-value", message, "shorten it", of_key=True)
        _queue(path, body, body.queues[shards[-1]], len(shards), report)


def _queue(path: Path_, body: Body, last: Queue, count: int, report: Report) -> None:
    """The type and bindings of a queue, on its last shard, which has the longest name and keys."""
    if last.type == "stream":
        message = (
            "a stream cannot have `shards`: they are for tasks, and Celery's workers cannot consume a stream"
        )
        report((*path, "shards"), "wrong-argument", message, "use `type: quorum`", of_key=True)
    for index, binding in enumerate(last.bindings):
        place = (*path, "bindings", index)
        if _too_long(binding.key):
            message = f"with the number of a shard behind it, the key has more than {MAX_NAME_BYTES} bytes"
            report((*place, "key"), "wrong-value", message, "shorten it")
        kind = _kind(body, binding.exchange)
        if kind in _TO_ALL:
            shown = report.written((*place, "exchange"), binding.exchange)
            message = f"`{shown}` is a {kind} exchange: each of the {count} shards would get every message"
            help_ = "bind the queue to a direct or topic exchange, whose keys tell the shards apart"
            report((*place, "exchange"), "bad-binding", message, help_)


def _kind(body: Body, exchange: str) -> str | None:
    """How an exchange routes; None if nobody knows."""
    declared: Exchange | None = body.exchanges.get(exchange)
    if declared is None:
        return BUILT_IN_EXCHANGES.get(exchange)
    return declared.delayed_type if declared.type == "x-delayed-message" else declared.type


def _too_long(text: str) -> bool:
    return len(text.encode()) > MAX_NAME_BYTES


class QueueNames:
    """The queues of one vhost that may be referred to: those that the file declares, and their shards.

    Parameters:
      base: The path of the vhost's body.
      body: What it says.
      names: The names that the file itself declares.
      report: Takes what is found.
    """

    def __init__(self, base: Path_, body: Body, names: Names, report: Report) -> None:
        self._base = base
        self._body = body
        self._report = report
        self.declared = names.queues.get(base, frozenset())
        self.all = self.declared | body.queues.keys()

    def known(self, path: Path_, name: str) -> bool:
        """Whether there is such a queue; a finding if there is none."""
        if name in self.all:
            return True
        whole = _whole_of(name)
        if whole is None or not self.in_doubt(whole):
            self._report.missing(path, "queue", name, self.all)
        return False

    def refuse_whole(self, path: Path_, name: str, why: str, instead: str = "") -> bool:
        """Whether a queue has shards where one queue is needed, which is a finding.

        Parameters:
          path: Where it is referred to.
          name: What it is called.
          why: What cannot be, in one clause.
          instead: What to do before anything else, if that is possible here.
        """
        shards = self._body.shards.get(name)
        if shards is None:
            return False
        shown = self._report.written(path, name)
        message = f"`{shown}` has {len(shards)} shards, {why}"
        help_ = f"name one of them, `{shards[0]}` to `{shards[-1]}`" if shown == name else "name one of them"
        self._report(path, "ambiguous-queue", message, instead + help_)
        return True

    def in_doubt(self, name: str) -> bool:
        """Whether a declared queue is known to be wrong, so that nobody knows if it has shards."""
        if name not in self.declared or name in self._body.shards:
            return False
        path = (*self._base, "queues", name)
        return (
            name not in self._body.queues
            or self._report.is_wrong(path)
            or self._report.is_wrong(("defaults", "queue"))
        )


def _whole_of(name: str) -> str | None:
    """The queue that a name would be a shard of, by its form alone; None if it ends in no number."""
    queue, _, number = name.rpartition(".")
    return queue if number.isdecimal() else None
