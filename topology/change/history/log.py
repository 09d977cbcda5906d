"""Where the entries of a stack are on the broker, and which are kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ...base.resources import Key, Kind, Resource, own_name
from .entry import Entry

#: The number of entries of a stack that are kept.
KEPT = 10

#: RabbitMQ's limit on names, with room for a number.
_LONGEST = 235


@dataclass(frozen=True, slots=True)
class Log:
    """The history of a stack.

    Parameters:
      stack: The file's `name`.
      vhost: The vhost of the file's top level: a file that is applied to two vhosts is two stacks.
    """

    stack: str
    vhost: str

    def key(self, number: int) -> Key:
        """The identity of the global parameter that has an entry."""
        return Key(Kind.GLOBAL_PARAMETER, "", (f"{self._prefix}{number}",))

    @property
    def _prefix(self) -> str:
        name = own_name("history", f"{self.stack}@{self.vhost}")
        if len(name.encode()) > _LONGEST:
            name = own_name("history", f"{self.stack}@{sha256(self.vhost.encode()).hexdigest()[:32]}")
        return f"{name}."

    def numbers(self, keys: Iterable[Key]) -> tuple[int, ...]:
        """The numbers of the stack's entries among the objects of a broker, in order."""
        prefix, found = self._prefix, []
        for key in keys:
            if key.kind is Kind.GLOBAL_PARAMETER and key.name[0].startswith(prefix):
                number = key.name[0][len(prefix) :]
                if number.isascii() and number.isdigit():
                    found.append(int(number))
        return tuple(sorted(found))

    def entries(self, parameters: Iterable[tuple[str, Any]]) -> list[Entry]:
        """The stack's entries among the names and values of global parameters, the newest first.

        Those that another version of routectl wrote, or that somebody changed, are left out.
        """
        values = {Key(Kind.GLOBAL_PARAMETER, "", (name,)): value for name, value in parameters}
        read = (Entry.from_value(values[self.key(number)]) for number in self.numbers(values))
        return [entry for entry in read if entry is not None][::-1]

    def outdated(self, numbers: Collection[int]) -> Iterator[Resource]:
        """The entries to delete, so that the last ones are kept."""
        for number in sorted(numbers)[:-KEPT]:
            yield Resource(self.key(number))
