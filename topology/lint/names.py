"""The names that a file declares, and references to its queues."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..base.finding import ValuePath
from ..model import Body, Queue
from .context import Reporter


@dataclass(frozen=True, slots=True)
class DeclaredNames:
    """The names that each vhost's body declares, including those of invalid objects, by the body's path."""

    exchanges: Mapping[ValuePath, frozenset[str]]
    queues: Mapping[ValuePath, frozenset[str]]
    upstreams: Mapping[ValuePath, frozenset[str]]
    upstream_sets: Mapping[ValuePath, frozenset[str]]

    @classmethod
    def of(cls, data: Any) -> DeclaredNames:
        """The names in the file's data, which may be invalid otherwise."""
        found: dict[ValuePath, dict[str, Any]] = {}
        if isinstance(data, dict):
            found[()] = data
            vhosts = data.get("vhosts")
            for name, body in vhosts.items() if isinstance(vhosts, dict) else ():
                found["vhosts", name] = body if isinstance(body, dict) else {}
        return cls(
            *(_section(found, section) for section in ("exchanges", "queues")),
            *(_section(found, "federation", section) for section in ("upstreams", "upstream_sets")),
        )


def _section(bodies: Mapping[ValuePath, dict[str, Any]], *sections: str) -> dict[ValuePath, frozenset[str]]:
    found = {}
    for path, body in bodies.items():
        value: Any = body
        for section in sections:
            value = value.get(section) if isinstance(value, dict) else None
        found[path] = frozenset(value) if isinstance(value, dict) else frozenset[str]()
    return found


def declared_queues(body: Body) -> Iterator[tuple[str, Queue]]:
    """The queues of a body as named in the file; for a queue with shards its first shard."""
    first = {shards[0]: name for name, shards in body.shards.items()}
    others = {shard for shards in body.shards.values() for shard in shards[1:]}
    for name, queue in body.queues.items():
        if name not in others:
            yield first.get(name, name), queue


class QueueNames:
    """The queues of one vhost that can be referenced: those that the file declares, and their shards.

    Parameters:
      base: The path of the vhost's body.
      body: The vhost's body.
      names: The names that the file declares.
      report: Collects the findings.
    """

    def __init__(self, base: ValuePath, body: Body, names: DeclaredNames, report: Reporter) -> None:
        self._base = base
        self._body = body
        self._report = report
        self.declared = names.queues.get(base, frozenset())
        self.all = self.declared | body.queues.keys()

    def known(self, path: ValuePath, name: str) -> bool:
        """Whether there is such a queue; adds a finding if not."""
        if name in self.all:
            return True
        parent = _parent_of(name)
        if parent is None or not self.in_doubt(parent):
            self._report.missing(path, "queue", name, self.all)
        return False

    def refuse_sharded(self, path: ValuePath, name: str, why: str, alternative: str = "") -> bool:
        """Whether a queue has shards where a single queue is needed; adds a finding if so.

        Parameters:
          path: The path of the reference.
          name: The queue's name.
          why: Why that is a mistake, as a clause.
          alternative: The preferred fix as the beginning of the help text, if there is one.
        """
        shards = self._body.shards.get(name)
        if shards is None:
            return False
        shown = self._report.written(path, name)
        message = f"`{shown}` has {len(shards)} shards, {why}"
        help_ = f"name one of them, `{shards[0]}` to `{shards[-1]}`" if shown == name else "name one of them"
        self._report.add(path, "ambiguous-queue", message, alternative + help_)
        return True

    def in_doubt(self, name: str) -> bool:
        """Whether a declared queue has mistakes, so that its shards are unknown."""
        if name not in self.declared or name in self._body.shards:
            return False
        path = (*self._base, "queues", name)
        return (
            name not in self._body.queues
            or self._report.is_wrong(path)
            or self._report.is_wrong(("defaults", "queue"))
        )


def _parent_of(name: str) -> str | None:
    """The queue whose shard would have this name; None if it does not end in a number."""
    queue, _, number = name.rpartition(".")
    return queue if number.isdecimal() else None
