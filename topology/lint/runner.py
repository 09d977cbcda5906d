"""Mistakes that no single value shows: names that lead nowhere, what cannot work together. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ..base.finding import Finding, Position, did_you_mean
from ..base.resources import BUILT_IN_EXCHANGES
from ..file.reader.source import Path_
from ..model import Binding, Body, DeadLetter, Exchange, Queue, Topology
from ..model.support import Version
from .context import Names, Places, Report
from .rules.addresses import check_addresses
from .rules.arguments import ArgumentCheck
from .rules.routes import check_routes
from .rules.shards import QueueNames, check_shards, declared_queues
from .rules.workers import check_workers


class Locate(Protocol):
    """Gives the place of a path in the file."""

    def __call__(self, path: Path_, *, of_key: bool = False) -> Position:
        """The position of the value at `path`, or of its key."""
        ...


def check(
    topology: Topology,
    places: Places,
    names: Names,
    is_wrong: Callable[[Path_], bool] = lambda _path: False,
) -> list[Finding]:
    """Every mistake of meaning in a well-formed topology.

    Parameters:
      topology: What the file says.
      places: Where it says it.
      names: The names that may be referred to.
      is_wrong: Whether the object at a path is already known to be wrong: what looks odd in it may be a consequence.
    """
    report = Report(places, is_wrong)
    versions = topology.target_versions
    arguments = ArgumentCheck(report, versions, "`targets`")
    _check_body((), topology, names, report, arguments, versions)
    for name, body in topology.vhosts.items():
        _check_body(("vhosts", name), body, names, report, arguments, versions)
    if topology.vhost is not None and topology.vhost in topology.vhosts:
        report(
            ("vhosts", topology.vhost),
            "conflict",
            f"`{topology.vhost}` is also the vhost of the top level",
            of_key=True,
        )
    _check_users(topology, report)
    return list(report.found)


def check_versions(topology: Topology, locate: Locate, versions: tuple[Version, ...]) -> list[Finding]:
    """What these versions of RabbitMQ do not know of what the file asks for.

    Parameters:
      topology: What the file says.
      locate: Where it says it.
      versions: The versions, such as that of the broker at hand.
    """
    found: list[Finding] = []

    def report(
        path: Path_, code: str, message: str, help_: str | None = None, *, of_key: bool = False
    ) -> None:
        if code == "wrong-version":
            found.append(
                Finding(code, message, locate(path, of_key=of_key), "remove it, or upgrade the broker")
            )

    arguments = ArgumentCheck(report, versions, "the broker")
    for base, body in [((), topology), *((("vhosts", name), body) for name, body in topology.vhosts.items())]:
        _check_arguments(base, body, arguments)
    return found


def _check_arguments(base: Path_, body: Body, arguments: ArgumentCheck) -> None:
    for name, exchange in body.exchanges.items():
        arguments.exchange((*base, "exchanges", name), exchange)
    for name, queue in declared_queues(body):
        arguments.queue((*base, "queues", name), queue)
    for section, policies in (("policies", body.policies), ("operator_policies", body.operator_policies)):
        for name, policy in policies.items():
            arguments.policy((*base, section, name), policy)


def _check_body(
    base: Path_,
    body: Body,
    names: Names,
    report: Report,
    arguments: ArgumentCheck,
    versions: Sequence[Version],
) -> None:
    scope = _Scope(base, names, body, report)
    errors = report.errors
    _check_arguments(base, body, arguments)
    for name, exchange in body.exchanges.items():
        scope.exchange((*base, "exchanges", name), exchange)
    for name, queue in declared_queues(body):
        scope.queue((*base, "queues", name), queue)
    check_shards(base, body, names, report)
    sound = report.errors == errors
    scope.federation()
    check_routes(base, body, names, report, versions)
    check_workers(base, body, names, report)
    if sound:
        check_addresses(base, body, names, report)


class _Scope:
    """The references within one vhost."""

    def __init__(self, base: Path_, names: Names, body: Body, report: Report) -> None:
        self._base = base
        self._declared_exchanges = names.exchanges.get(base, frozenset())
        self._exchanges = self._declared_exchanges | BUILT_IN_EXCHANGES.keys()
        self._queues = QueueNames(base, body, names, report)
        self._upstreams = names.upstreams.get(base, frozenset())
        self._upstream_sets = names.upstream_sets.get(base, frozenset())
        self._body = body
        self._report = report

    def exchange(self, path: Path_, exchange: Exchange) -> None:
        for index, binding in enumerate(exchange.bindings):
            self._binding((*path, "bindings", index), binding)
        if exchange.alternate_exchange is not None:
            self._known_exchange((*path, "alternate_exchange"), exchange.alternate_exchange)

    def queue(self, path: Path_, queue: Queue) -> None:
        for index, binding in enumerate(queue.bindings):
            self._binding((*path, "bindings", index), binding)
        letter = queue.dead_letter
        if letter is not None:
            self._known_exchange((*path, "dead_letter", "exchange"), letter.exchange)
            place = (*path, "dead_letter", "routing_key")
            if letter.exchange == "" and letter.routing_key is not None:
                self._queues.known(place, letter.routing_key)
            self._no_whole(place, letter)

    def _no_whole(self, path: Path_, letter: DeadLetter) -> None:
        """The default exchange knows each shard, but not the queue that they stand for."""
        if letter.exchange == "" and letter.routing_key is not None:
            self._queues.refuse_whole(path, letter.routing_key, "and dead letters need one queue")

    def _binding(self, path: Path_, binding: Binding) -> None:
        name = binding.exchange
        if name == "":
            message = "the default exchange cannot be bound: every queue is bound to it by its name"
            self._report((*path, "exchange"), "bad-binding", message, "remove this binding")
            return
        self._known_exchange((*path, "exchange"), name)
        source = self._body.exchanges.get(name)
        kind = source.type if source else BUILT_IN_EXCHANGES.get(name)
        if self._report.is_wrong((*self._base, "exchanges", name)):
            kind = None
        if kind == "x-consistent-hash" and not (binding.key.isdecimal() and 1 <= int(binding.key) <= 10_000):
            message = "the key of a binding to an x-consistent-hash exchange is a weight from 1 to 10000"
            self._report((*path, "key"), "bad-binding", message)
        if kind == "x-local-random" and binding.key:
            self._report((*path, "key"), "bad-binding", "a binding to an x-local-random exchange has no key")
        if (
            kind is not None
            and kind not in ("headers", "x-delayed-message")
            and (binding.headers or binding.match)
        ):
            shown = self._report.written((*path, "exchange"), name)
            message = f"`{shown}` is a {kind} exchange: it does not look at headers"
            self._report(
                (*path, "headers"),
                "bad-binding",
                message,
                "declare it with `type: headers`, or bind with `key:`",
            )

    def federation(self) -> None:
        upstreams = self._upstreams
        for name, members in self._body.federation.upstream_sets.items():
            for index, member in enumerate(members):
                if member.upstream not in upstreams:
                    path = (*self._base, "federation", "upstream_sets", name, index, "upstream")
                    self._report.missing(path, "upstream", member.upstream, upstreams)
        for section, policies in (
            ("policies", self._body.policies),
            ("operator_policies", self._body.operator_policies),
        ):
            for name, policy in policies.items():
                path = (*self._base, section, name, "definition")
                definition = policy.definition
                if (
                    definition.federation_upstream is not None
                    and definition.federation_upstream not in upstreams
                ):
                    self._report.missing(
                        (*path, "federation_upstream"), "upstream", definition.federation_upstream, upstreams
                    )
                wanted, sets = definition.federation_upstream_set, self._upstream_sets
                if wanted not in (None, "all") and wanted not in sets:
                    self._report.missing(
                        (*path, "federation_upstream_set"), "upstream set", str(wanted), sets
                    )
                if definition.alternate_exchange is not None:
                    self._known_exchange((*path, "alternate_exchange"), definition.alternate_exchange)
                letter = definition.dead_letter
                if letter is not None:
                    self._known_exchange((*path, "dead_letter", "exchange"), letter.exchange)
                    self._no_whole((*path, "dead_letter", "routing_key"), letter)

    def _known_exchange(self, path: Path_, name: str) -> None:
        if name not in self._exchanges:
            self._report.missing(path, "exchange", name, self._declared_exchanges)


def _check_users(topology: Topology, report: Report) -> None:
    for name, user in topology.users.items():
        if user.password is not None and user.password_hash is not None:
            report(
                ("users", name, "password_hash"),
                "conflict",
                "a password is given in more than one way",
                "keep one",
            )
        for vhost, exchanges in user.topic_permissions.items():
            body = topology if vhost == (topology.vhost or "/") else topology.vhosts.get(vhost)
            known = {} if body is None else body.exchanges
            for exchange in exchanges if body is not None else ():
                if exchange and exchange not in known and exchange not in BUILT_IN_EXCHANGES:
                    path = ("users", name, "topic_permissions", vhost, exchange)
                    help_ = did_you_mean(exchange, known)
                    report(
                        path,
                        "unknown-name",
                        f"there is no exchange `{exchange}` in this file",
                        help_,
                        of_key=True,
                    )
