"""Which leftovers do harm: bindings that copy tasks to a second queue, shovels that take them, unconsumed queues."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from ...base.resources import Key, Kind, State, exchange_key, is_for_delays, queue_key
from ...base.secret import reveal
from ...model import Body
from .carried import carried, copies_text
from .objects import is_internal

_AMQP_PORT = 5672
_LOCAL = ("localhost", "127.0.0.1", "::1")


def copying_bindings(bodies: Mapping[str, Body], desired: State, live: State) -> dict[Key, str]:
    """The bindings that the file does not name and that give its tasks to a second queue, each with what it does.

    Whatever the file declares counts as applied.

    Parameters:
      bodies: The vhosts of the file.
      desired: The state declared in the file.
      live: The state of the broker, without what is to be deleted.
    """
    found: dict[Key, str] = {}
    for vhost, body in bodies.items():
        extra = {key for key in live if key.vhost == vhost and key not in desired and _may_copy(key)}
        if extra:
            passing = carried(vhost, body, desired, live, extra)
            found |= {key: text for key, tasks in passing.items() if (text := copies_text(tasks))}
    return found


def draining_shovels(desired: State, live: State, ports: Collection[int] = ()) -> dict[Key, str]:
    """The shovels that the file does not name and that take messages of its queues and exchanges, each with which.

    Parameters:
      desired: The state declared in the file.
      live: The state of the broker, without what is to be deleted.
      ports: The AMQP ports of the broker; a shovel may also reach it by `localhost`.
    """
    found = {}
    for key, item in live.items():
        if key in desired or key.kind is not Kind.PARAMETER or key.name[0] != "shovel":
            continue
        value = item.properties["value"]
        for source in _sources(value, {*ports, _AMQP_PORT}):
            queue, exchange = str(value.get("src-queue", "")), str(value.get("src-exchange", ""))
            if queue_key(source, queue) in desired:
                found[key] = f"takes messages from queue {queue}"
            elif exchange_key(source, exchange) in desired:
                found[key] = f"copies messages of exchange {exchange}"
    return found


def _sources(value: Mapping[str, Any], ports: Collection[int]) -> Iterator[str]:
    """The vhosts of this broker from which a shovel takes messages."""
    uris = reveal(value.get("src-uri", []))
    for uri in [uris] if isinstance(uris, str) else uris:
        try:
            parts = urlsplit(str(uri))
            host, port = parts.hostname, parts.port or _AMQP_PORT
        except ValueError:
            continue
        if not host or (host in _LOCAL and port in ports):
            yield unquote(parts.path[1:]) if parts.path else "/"


def unattended(messages: int | None, consumers: int | None) -> str | None:
    """What is wrong with a queue that the file does not name; None if it is empty or consumed."""
    if not messages or consumers != 0:
        return None
    waits = "message waits" if messages == 1 else "messages wait"
    return f"{messages} {waits} here, and nothing consumes the queue"


def _may_copy(key: Key) -> bool:
    """Whether it is a binding that someone made: not one to a queue that a program or RabbitMQ made for itself."""
    if key.kind is not Kind.BINDING:
        return False
    ends_in = Key(Kind.QUEUE, key.vhost, (key.name[2],))
    return not is_internal(ends_in) or is_for_delays(key.name[2])
