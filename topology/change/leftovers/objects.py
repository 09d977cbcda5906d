"""What is on the broker and not in the file. Nothing of it is deleted unless it is named on the command line."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...base.resources import BUILT_IN_EXCHANGES, Key, Kind, State, is_for_delays, is_own
from ...base.selectors import selector


@dataclass(frozen=True, slots=True)
class Leftover:
    """An object that the file does not name.

    Parameters:
      key: The object.
      messages: The number of messages in the queue; None if it is unknown, or not a queue.
      consumers: The number of consumers of the queue; None if it is unknown, or not a queue.
      harm: What it does to the file's tasks or queues; None if it does nothing.
      stack: The stack that created it; None if no record says so.
      protected: Whether a stack protects it, so that no plan deletes it.
    """

    key: Key
    messages: int | None = None
    consumers: int | None = None
    harm: str | None = None
    stack: str | None = None
    protected: bool = False

    def of(self, stack: str | None, *, protected: bool = False) -> Leftover:
        """The object as one that a stack created or protects."""
        return replace(self, stack=stack, protected=protected) if stack is not None or protected else self

    def as_dict(self, vhost: str) -> dict[str, Any]:
        """The object as plain data.

        Parameters:
          vhost: The vhost of the file's top level, which `delete` need not name.
        """
        return {
            **self.key.as_dict(),
            "messages": self.messages,
            "consumers": self.consumers,
            "harm": self.harm,
            "stack": self.stack,
            "protected": self.protected,
            "delete": selector(self.key, vhost),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Leftover:
        """The object from the result of `as_dict`.

        Raises:
          KeyError, TypeError, ValueError: the data is not valid.
        """
        key = Key(Kind(data["kind"]), data["vhost"], tuple(data["name"]))
        numbers = data["messages"], data["consumers"]
        leftover = cls(key, *numbers, data["harm"], data["stack"], data["protected"] is True)
        texts = (key.vhost, *key.name, leftover.harm or "", leftover.stack or "")
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("not texts")
        return leftover


def leftover_keys(
    desired: State, live: State, vhosts: Collection[str], used: Collection[Key] = ()
) -> Iterator[Key]:
    """The live objects that the file does not name, without those that Celery and RabbitMQ create for themselves.

    Parameters:
      desired: The state declared in the file.
      live: The state of the broker.
      vhosts: The vhosts that the file covers.
      used: Other objects that are in use, such as the user who is logged in.
    """
    covered = {"", *vhosts}
    for key in live:
        if key in desired or key in used or key.vhost not in covered or is_internal(key):
            continue
        if key.kind is not Kind.VHOST or key.name[0] not in covered:
            yield key


_INTERNAL = re.compile(
    r"celery\.pidbox|reply\.celery\.pidbox|celeryev(\..*)?|.*\.celery\.pidbox|amq\..*|federation: .*"
    r"|routectl\.stack\..*",
    re.DOTALL,
)


#: Global parameters that RabbitMQ sets itself.
_INTERNAL_PARAMETER = re.compile(r"internal_.*|cluster_(name|tags)")


def is_internal(key: Key) -> bool:
    """Whether Celery, RabbitMQ or routectl created the object for internal use."""
    if key.kind in (Kind.QUEUE, Kind.GLOBAL_PARAMETER) and is_own(key.name[0]):
        return True
    if key.kind is Kind.GLOBAL_PARAMETER:
        return _INTERNAL_PARAMETER.fullmatch(key.name[0]) is not None
    if key.kind not in (Kind.EXCHANGE, Kind.QUEUE, Kind.BINDING):
        return False
    names = (key.name[0], key.name[2]) if key.kind is Kind.BINDING else key.name[:1]
    if key.kind is Kind.EXCHANGE and names[0] in BUILT_IN_EXCHANGES:
        return True
    return any(
        is_for_delays(name) or _INTERNAL.fullmatch(name) for name in names if name not in BUILT_IN_EXCHANGES
    )
