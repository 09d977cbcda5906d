"""What the removal of bindings does: whether each message that they carry still reaches a queue. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import product
from typing import Any, Literal, NamedTuple

from ...base.listing import listed
from ...base.resources import Key, State, binding_arguments, exchange_key
from ...delivery.network import Network, is_wildcard, words
from ...model import Body
from .carried import carried, copies_text

_SHOWN = 3

#: A word or value that no binding names, so that only wildcards match it.
_ANY = "\uffff"

#: The most routing keys by which a binding with several `#` is compared with others.
_MOST_SAMPLES = 4096

#: Exchange types that choose one of their bindings, whatever its key.
_CHOOSE_ONE = frozenset({"x-consistent-hash", "x-modulus-hash", "x-random"})


class Removal(NamedTuple):
    """What the removal of a binding does.

    Parameters:
      risk: `safe` if each message that the binding carries still reaches a queue, else `destructive`.
      reason: Why it is removed, and what becomes of these messages.
    """

    risk: Literal["safe", "destructive"]
    reason: str


class _Sample(NamedTuple):
    """A message that stands for others: whatever routes it routes those, too."""

    key: str
    headers: Mapping[str, Any] = {}


def removals(
    bodies: Mapping[str, Body], desired: State, live: State, removed: Collection[Key]
) -> dict[Key, Removal]:
    """What the removal of each binding does, once the plan is applied.

    Only queues count that the file's own bindings lead to, without alternate exchanges: what others bind may be a copy
    for an audit, and an alternate exchange usually collects errors.

    Parameters:
      bodies: The vhosts of the file.
      desired: The state declared in the file.
      live: The state of the broker.
      removed: The bindings, whose ends the file declares.
    """
    found: dict[Key, Removal] = {}
    for vhost, body in bodies.items():
        keys = {key for key in removed if key.vhost == vhost}
        if keys:
            copies = carried(vhost, body, desired, live, keys)
            networks = _Networks(vhost, desired, live)
            found |= {key: networks.removal(key, copies_text(copies.get(key, {}))) for key in keys}
    return found


class _Networks:
    """A vhost before and after a plan."""

    def __init__(self, vhost: str, desired: State, live: State) -> None:
        self._desired = desired
        self._before = Network.of_state(live, vhost)
        self._after = Network.of_state(desired, vhost, alternates=False)
        # A wildcard can take more words than the longest key has, but then it takes any number of them.
        self._longest = max((len(words(key)) for key in self._after.wildcards()), default=0) + 1

    def removal(self, binding: Key, copies: str) -> Removal:
        """What the removal of a binding does, and why it is removed."""
        source = binding.name[0]
        samples = self._samples(binding)
        if samples is None:
            is_safe, effect = (
                self._chooses_among_queues(source),
                "the exchange chooses one of the others instead",
            )
        else:
            delivered = [self._after.deliver(source, *sample) for sample in samples]
            is_safe, effect = all(delivered), copies or _still(frozenset().union(*delivered))
        if not is_safe:
            effect = self._lost(binding, samples or ())
        return Removal("safe" if is_safe else "destructive", f"not in the file; {effect}")

    def _samples(self, binding: Key) -> list[_Sample] | None:
        """Messages that stand for all that a binding carries; None if it depends on more than their key and headers."""
        source, _, _, key, _ = binding.name
        match self._before.exchanges.get(source):
            case "direct":
                return [_Sample(key)]
            case "topic":
                return _topic_samples(key, self._longest)
            case "fanout":
                return [_Sample(_ANY)]
            case "headers":
                return _header_samples(binding_arguments(binding))
        return None

    def _chooses_among_queues(self, source: str) -> bool:
        """Whether an exchange chooses one of its remaining bindings, each of which leads to a queue."""
        links = [link for link in self._after.flow(source, _ANY) if link.source == source]
        kinds = {self._before.exchanges.get(source), self._after.exchanges[source]}
        return (
            bool(links)
            and kinds <= _CHOOSE_ONE
            and all(link.to_queue or self._after.deliver(link.destination, _ANY) for link in links)
        )

    def _lost(self, binding: Key, samples: Iterable[_Sample]) -> str:
        """What becomes of the messages that the binding alone carries."""
        source, to, destination, key, _ = binding.name
        reached = {queue for sample in samples for queue in self._before.deliver(destination, *sample)}
        where = f"exchange {destination}"
        if to == "queue" or reached:
            where = _queues([destination] if to == "queue" else sorted(reached))
        exchange = self._desired[exchange_key(binding.vhost, source)]
        alternate = exchange.properties["arguments"].get("alternate-exchange")
        lost = f"only go to the alternate exchange {alternate}" if alternate else "reach no queue"
        kind = self._before.exchanges.get(source, "")
        form = _WILDCARDS if kind == "topic" and is_wildcard(key) else _LOST.get(kind, _UNKNOWN)
        return form.format(key=key, where=where, lost=lost)


_LOST = {
    "direct": 'messages with the key "{key}" go to {where}, and would {lost}',
    "topic": 'messages with the key "{key}" go to {where}, and would {lost}',
    "fanout": "all messages of the exchange go to {where}, and would {lost}",
    "headers": "messages with its headers go to {where}, and some may {lost}",
}
_WILDCARDS = 'messages with keys like "{key}" go to {where}, and some would {lost}'
_UNKNOWN = "messages go to {where}, and it is not known whether they would {lost}"


def _topic_samples(key: str, longest: int) -> list[_Sample] | None:
    """The key with words that only wildcards match, and each number of them for `#`."""
    parts = words(key)
    if (longest + 1) ** parts.count("#") > _MOST_SAMPLES:
        return None
    choices = [
        [[_ANY] * count for count in range(longest + 1)] if part == "#" else [[_ANY if part == "*" else part]]
        for part in parts
    ]
    return [_Sample(".".join(word for chosen in choice for word in chosen)) for choice in product(*choices)]


def _header_samples(arguments: Mapping[str, Any]) -> list[_Sample]:
    """Messages with no more headers than a headers exchange requires.

    A number only matches one of the same width, which the management API does not show.
    """
    mode = str(arguments.get("x-match", "all"))
    headers = {
        name: value if isinstance(value, str | bool) else _ANY
        for name, value in arguments.items()
        if name != "x-match" and (mode.endswith("-with-x") or not name.startswith("x-"))
    }
    if mode.startswith("any"):
        return [_Sample(_ANY, {name: value}) for name, value in headers.items()]
    return [_Sample(_ANY, headers)]


def _still(queues: Collection[str]) -> str:
    return f"what it carries also reaches {_queues(sorted(queues))}" if queues else "it carries nothing"


def _queues(names: Collection[str]) -> str:
    return f"{'queues' if len(names) > 1 else 'queue'} {listed(names, _SHOWN)}"
