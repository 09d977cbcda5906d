"""Dead letters and unroutable messages that reach no queue: RabbitMQ discards them silently."""

from __future__ import annotations

from collections import defaultdict

from ....base.finding import ValuePath
from ....base.resources import BUILT_IN_EXCHANGES
from ....delivery.dead_letters import DeadLetterTarget, dead_letter_targets
from ....delivery.network import PREDICTABLE, Network, is_wildcard, links
from ....model import Body
from ....policies.of_file import policy_set, targets
from ...context import Reporter

#: Exchange types that deliver by key; with any other, a binding suffices.
_BY_KEY = frozenset({"direct", "topic"})


def check_dead_ends(base: ValuePath, body: Body, report: Reporter) -> None:
    """Checks dead letter exchanges and alternate exchanges, as far as the file knows all of their bindings.

    Parameters:
      base: The path of the vhost's body.
      body: The vhost's body, whose exchanges, queues and bindings have no other mistakes.
      report: Collects the findings.
    """
    onward = dead_letter_targets(body)
    if not onward and all(exchange.alternate_exchange is None for exchange in body.exchanges.values()):
        return
    ways = _Ways(body)
    reported = set()
    for queue, target in onward.items():
        name = body.shard_parents.get(queue, queue)
        if name in reported or (why := ways.lost(queue, target)) is None:
            continue
        reported.add(name)
        message, field, help_ = why
        path: ValuePath = (*base, "queues", name)
        own = body.queues[queue].dead_letter
        if own is not None:
            place = (*path, "dead_letter", field if field in own.model_fields_set else "exchange")
            report.add(place, "dead-end", message, help_)
        else:  # by a policy
            report.add(path, "dead-end", message, help_, of_key=True)
    for name, exchange in body.exchanges.items():
        other = exchange.alternate_exchange
        if other is not None and ways.is_unbound(other):
            message = f"nothing is bound to `{other}`: what `{name}` cannot route is discarded"
            help_ = f"bind a queue to `{other}`"
            report.add((*base, "exchanges", name, "alternate_exchange"), "dead-end", message, help_)


class _Ways:
    """Where messages go in a vhost, and where that is unknown."""

    def __init__(self, body: Body) -> None:
        self._body = body
        self._network = Network.of(body)
        self._onward: dict[str, set[str]] = defaultdict(set)
        self._bindings: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for link in links(body):
            self._onward[link.source].add("" if link.to_queue else link.destination)
            if link.to_queue:
                self._bindings[link.destination].append((link.source, link.key))
        for name, exchange in body.exchanges.items():
            if exchange.alternate_exchange is not None:
                self._onward[name].add(exchange.alternate_exchange)
        policies = policy_set(body.policies)
        self._certain = policies.is_certain
        self._by_policy: set[str] = set()
        for target in targets(body) if body.policies else ():
            applied = policies.match(target).applied
            if target.queue_type is None and applied and "alternate-exchange" in applied.definition:
                self._onward[target.name].add(str(applied.definition["alternate-exchange"]))
                self._by_policy.add(target.name)  # the network does not know it

    def is_unbound(self, exchange: str) -> bool:
        """Whether it is certain that nothing is bound to an exchange."""
        return self._is_known(exchange) and not self._onward[exchange]

    def lost(self, queue: str, target: DeadLetterTarget) -> tuple[str, str, str] | None:
        """Why dead letters of a queue reach no queue: message, field and help; None if they do or may."""
        exchange, key = target
        if not self._is_known(exchange):
            return None
        if self.is_unbound(exchange):
            message = f"nothing is bound to `{exchange}`: dead letters of `{queue}` are discarded"
            return message, "exchange", f"bind a queue to `{exchange}`"
        if not self._all_known(exchange):
            return None
        if key is not None:
            if self._network.deliver(exchange, key):
                return None
            message = (
                f"no binding of `{exchange}` takes the key `{key}`: dead letters of `{queue}` are discarded"
            )
            return message, "routing_key", f"bind a queue to `{exchange}` with this key"
        keys = self._own_keys(queue)
        if not keys or any(self._network.deliver(exchange, own) for own in keys):
            return None
        shown = ", ".join(f"`{own}`" for own in sorted(keys)[:3])
        message = (
            f"dead letters of `{queue}` keep their key, such as {shown}: no binding of `{exchange}` takes it"
        )
        return message, "exchange", f"add a `routing_key` that a binding of `{exchange}` takes"

    def _own_keys(self, queue: str) -> set[str]:
        """The keys with which messages reach a queue; empty if they may be any."""
        keys = {queue}
        for source, key in self._bindings[queue]:
            kind = self._network.exchanges.get(source)
            if kind not in _BY_KEY or (kind == "topic" and is_wildcard(key)):
                return set()
            keys.add(key)
        return keys

    def _all_known(self, exchange: str) -> bool:
        """Whether all exchanges behind this one deliver by key alone, and all of their bindings are known."""
        seen = {exchange}
        pending = [exchange]
        while pending:
            name = pending.pop()
            if name == "":
                continue
            if name in self._by_policy or not self._is_known(name):
                return False
            if self._network.exchanges.get(name) not in PREDICTABLE - {"headers"}:
                return False
            fresh = self._onward[name] - seen
            seen |= fresh
            pending += fresh
        return True

    def _is_known(self, exchange: str) -> bool:
        """Whether the file has all bindings of an exchange: it declares it, and no policy may change it."""
        declared = self._body.exchanges.get(exchange)
        if declared is None or declared.external or exchange in BUILT_IN_EXCHANGES:
            return False
        return self._certain and declared.type in (*PREDICTABLE, "x-consistent-hash", "x-random")
