"""References to undeclared exchanges, queues and upstreams, and bindings that cannot work."""

from __future__ import annotations

import base64

from ...base.finding import ValuePath, did_you_mean
from ...base.resources import BUILT_IN_EXCHANGES
from ...base.secret import HASH_SIZES
from ...model import Binding, Body, DeadLetter, Exchange, Policy, Queue, Topology, User
from ..context import Reporter
from ..names import DeclaredNames, QueueNames
from .bindings import check_binding

_RESERVED = "names that begin with `amq.` are reserved by RabbitMQ"
_EXTERNAL = "rename it, or add `external: true` if a plugin declares it; built in are " + ", ".join(
    name for name in BUILT_IN_EXCHANGES if name
)


class References:
    """The references within one vhost."""

    def __init__(self, base: ValuePath, names: DeclaredNames, body: Body, report: Reporter) -> None:
        self._base = base
        self._declared_exchanges = names.exchanges.get(base, frozenset())
        self._exchanges = self._declared_exchanges | BUILT_IN_EXCHANGES.keys()
        self._declared_queues = names.queues.get(base, frozenset())
        self._queues = QueueNames(base, body, names, report)
        self._upstreams = names.upstreams.get(base, frozenset())
        self._upstream_sets = names.upstream_sets.get(base, frozenset())
        self._body = body
        self._report = report

    def exchange(self, path: ValuePath, exchange: Exchange) -> None:
        """The name, the bindings and the alternate exchange of an exchange."""
        self._reserved_name(path, exchange)
        self._bindings(path, exchange)
        if exchange.alternate_exchange is not None:
            self._known_exchange((*path, "alternate_exchange"), exchange.alternate_exchange)

    def _reserved_name(self, path: ValuePath, exchange: Exchange) -> None:
        """RabbitMQ declares the exchanges whose names begin with `amq.`: nobody else can."""
        name = str(path[-1])
        kind = BUILT_IN_EXCHANGES.get(name)
        if not name.startswith("amq."):
            return
        if not exchange.external:
            help_ = _EXTERNAL if kind is None else "remove `external: false`"
            self._report.add(path, "reserved-name", _RESERVED, help_, of_key=True)
            return
        for field in sorted(exchange.model_fields_set - {"type", "bindings", "external"}):
            message = f"RabbitMQ declares `{name}` itself: `{field}` has no effect"
            self._report.add((*path, field), "reserved-name", message, "remove it", of_key=True)
        if kind not in (None, exchange.type):
            message = f"`{name}` is a {kind} exchange"
            self._report.add((*path, "type"), "reserved-name", message, "remove `type:`")

    def queue(self, path: ValuePath, queue: Queue) -> None:
        """The name, the bindings and the dead-letter exchange of a queue."""
        if str(path[-1]).startswith("amq.") and not queue.external:
            help_ = "rename it, or add `external: true` if RabbitMQ named it"
            self._report.add(path, "reserved-name", _RESERVED, help_, of_key=True)
        self._former_names(path, queue)
        self._bindings(path, queue)
        dead_letter = queue.dead_letter
        if dead_letter is not None:
            self._dead_letter_exchange((*path, "dead_letter"), dead_letter)
            place = (*path, "dead_letter", "routing_key")
            if dead_letter.exchange == "" and dead_letter.routing_key is not None:
                self._queues.known(place, dead_letter.routing_key)
            self._single_queue(place, dead_letter)

    def _former_names(self, path: ValuePath, queue: Queue) -> None:
        """A former name must not be in use, and belongs to one queue."""
        name, place = str(path[-1]), (*path, "renamed_from")
        for old in queue.renamed_from:
            others = [
                other
                for other, item in self._body.queues.items()
                if old in item.renamed_from and other not in (name, *self._body.shards.get(name, ()))
            ]
            if old in self._declared_queues:
                message = f"`renamed_from` names queue `{old}`, which is in the file"
                self._report.add(place, "bad-rename", message, "remove that queue, or `renamed_from`")
            elif queue.external:
                message = "an external queue is never changed: `renamed_from` has no effect"
                self._report.add(place, "bad-rename", message, "remove it")
            elif others:
                message = f"`renamed_from` of queue `{others[0]}` names `{old}`, too: its messages can go to one queue"
                self._report.add(place, "bad-rename", message, "keep one of them")

    def _dead_letter_exchange(self, path: ValuePath, dead_letter: DeadLetter) -> None:
        if dead_letter.exchange is not None:
            self._known_exchange((*path, "exchange"), dead_letter.exchange)

    def _single_queue(self, path: ValuePath, dead_letter: DeadLetter) -> None:
        """The default exchange delivers to each shard, but not to their parent queue."""
        if dead_letter.exchange == "" and dead_letter.routing_key is not None:
            self._queues.refuse_sharded(path, dead_letter.routing_key, "but dead letters need one queue")

    def _bindings(self, path: ValuePath, destination: Exchange | Queue) -> None:
        for index, binding in enumerate(destination.bindings):
            self._binding((*path, "bindings", index), binding)
        if destination.bindings:
            self._exists((*path, "bindings"), str(path[-1]), destination)

    def _binding(self, path: ValuePath, binding: Binding) -> None:
        name = binding.exchange
        if name == "":
            message = "the default exchange cannot be bound: every queue is bound to it by its name"
            self._report.add((*path, "exchange"), "bad-binding", message, "remove this binding")
            return
        self._known_exchange((*path, "exchange"), name)
        source = self._body.exchanges.get(name)
        self._exists((*path, "exchange"), name, source)
        kind = source.type if source else BUILT_IN_EXCHANGES.get(name)
        if self._report.is_wrong((*self._base, "exchanges", name)):
            kind = None
        if kind is not None:
            shown = self._report.written((*path, "exchange"), name)
            check_binding(path, binding, _routed_as(source, kind), shown, self._report)

    def _exists(self, path: ValuePath, name: str, end: Exchange | Queue | None) -> None:
        """Both ends of a binding must exist."""
        if end is not None and end.external == "later":
            message = (
                f"`{self._report.written(path, name)}` may not exist yet, and RabbitMQ only binds what exists"
            )
            help_ = "use `external: true`, or bind it where it is declared"
            self._report.add(path, "bad-binding", message, help_)

    def upstream_sets(self) -> None:
        """The upstreams in upstream sets."""
        for name, members in self._body.federation.upstream_sets.items():
            for index, member in enumerate(members):
                path = (*self._base, "federation", "upstream_sets", name, index, "upstream")
                self._known_upstream(path, member.upstream)

    def policy(self, path: ValuePath, policy: Policy) -> None:
        """The upstreams and exchanges that a policy refers to."""
        path, definition = (*path, "definition"), policy.definition
        if definition.federation_upstream is not None:
            self._known_upstream((*path, "federation_upstream"), definition.federation_upstream)
        wanted, sets = definition.federation_upstream_set, self._upstream_sets
        if wanted is not None and wanted not in (*sets, "all"):
            self._report.missing((*path, "federation_upstream_set"), "upstream set", wanted, sets)
        if definition.alternate_exchange is not None:
            self._known_exchange((*path, "alternate_exchange"), definition.alternate_exchange)
        dead_letter = definition.dead_letter
        if dead_letter is not None:
            self._dead_letter_exchange((*path, "dead_letter"), dead_letter)
            self._single_queue((*path, "dead_letter", "routing_key"), dead_letter)

    def _known_upstream(self, path: ValuePath, name: str) -> None:
        if name not in self._upstreams:
            self._report.missing(path, "upstream", name, self._upstreams)

    def _known_exchange(self, path: ValuePath, name: str) -> None:
        if name not in self._exchanges:
            self._report.missing(path, "exchange", name, self._exchanges)


def _routed_as(source: Exchange | None, kind: str) -> str:
    """The type by which an exchange routes: that of a delayed exchange is its `delayed_type`."""
    return (source.delayed_type if source and kind == "x-delayed-message" else None) or kind


def check_users(topology: Topology, report: Reporter) -> None:
    """Passwords given twice, and topic permissions for exchanges that are not declared."""
    for name, user in topology.users.items():
        if user.password is not None and user.password_hash is not None:
            message = "a password is given in more than one way"
            report.add(("users", name, "password_hash"), "conflict", message, "keep one")
        _check_hash(name, user, report)
        for vhost, exchanges in user.topic_permissions.items():
            body = topology.vhosts.get(vhost)
            if body is None and vhost == (topology.vhost or "/"):
                body = topology
            known = {} if body is None else body.exchanges
            for exchange in exchanges if body is not None else ():
                if exchange and exchange not in known and exchange not in BUILT_IN_EXCHANGES:
                    path = ("users", name, "topic_permissions", vhost, exchange)
                    message = f"there is no exchange `{exchange}` in this file"
                    report.add(path, "unknown-name", message, did_you_mean(exchange, known), of_key=True)


def _check_hash(name: str, user: User, report: Reporter) -> None:
    if (
        not user.password_hash
        or not user.password_hash.reveal()
        or "hashing_algorithm" not in user.model_fields_set
    ):
        return
    size = len(base64.b64decode(user.password_hash.reveal()))
    if size != HASH_SIZES[user.hashing_algorithm]:
        made_by = next(algorithm for algorithm, bytes_ in HASH_SIZES.items() if bytes_ == size)
        message = f"`password_hash` was not made by `{user.hashing_algorithm}`"
        report.add(
            ("users", name, "password_hash"), "bad-hash", message, f"add `hashing_algorithm: {made_by}`"
        )
