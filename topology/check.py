"""Mistakes that no single value shows: names that lead nowhere, rules that cannot work. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from . import pattern
from .check_arguments import ArgumentCheck
from .finding import Finding, Position, Severity, did_you_mean
from .model import Binding, Body, Exchange, Queue, Route, Topology
from .model.support import Version
from .model.topology import REFUSE
from .source import Path_
from .state import BUILT_IN_EXCHANGES

#: A file with one mistake that repeats is read no better for a thousand findings.
MAX_FINDINGS = 200

#: What may be but a consequence, where another mistake in the same object is known.
_CONSEQUENCES = frozenset({"wrong-argument", "wrong-version", "missing-key"})


class Locate(Protocol):
    """Gives the place of a path in the file."""

    def __call__(self, path: Path_, *, of_key: bool = False) -> Position:
        """The position of the value at `path`, or of its key."""
        ...


class Places(Protocol):
    """What the file says, and where."""

    def position(self, path: Path_, *, of_key: bool = False) -> Position:
        """The position of the value at `path`, or of its key."""
        ...

    def raw(self, path: Path_) -> str | None:
        """The scalar at `path` as it is written."""
        ...


@dataclass(frozen=True, slots=True)
class Names:
    """The names that each vhost's body declares, the ill-formed ones among them, by the body's path."""

    exchanges: Mapping[Path_, frozenset[str]]
    queues: Mapping[Path_, frozenset[str]]
    upstreams: Mapping[Path_, frozenset[str]]
    upstream_sets: Mapping[Path_, frozenset[str]]

    @classmethod
    def of(cls, data: Any) -> Names:
        """The names in the file's data, whatever else is wrong with it."""
        found: dict[Path_, dict[str, Any]] = {}
        if isinstance(data, dict):
            found[()] = data
            vhosts = data.get("vhosts")
            for name, body in vhosts.items() if isinstance(vhosts, dict) else ():
                found["vhosts", name] = body if isinstance(body, dict) else {}
        return cls(
            *(_section(found, section) for section in ("exchanges", "queues")),
            *(_section(found, "federation", section) for section in ("upstreams", "upstream_sets")),
        )


def _section(bodies: Mapping[Path_, dict[str, Any]], *sections: str) -> dict[Path_, frozenset[str]]:
    found = {}
    for path, body in bodies.items():
        value: Any = body
        for section in sections:
            value = value.get(section) if isinstance(value, dict) else None
        found[path] = frozenset(value) if isinstance(value, dict) else frozenset[str]()
    return found


class Report:
    """Collects findings, up to a number that nobody reads.

    Parameters:
      places: Where things are written.
      is_wrong: Whether the object at a path is known to be wrong: what looks odd in it may be a consequence.
    """

    def __init__(self, places: Places, is_wrong: Callable[[Path_], bool]) -> None:
        self._places = places
        self.is_wrong = is_wrong
        self.found: dict[Finding, None] = {}

    @property
    def full(self) -> bool:
        """Whether there are so many findings that no more are taken."""
        return len(self.found) > MAX_FINDINGS

    def __call__(
        self,
        path: Path_,
        code: str,
        message: str,
        help_: str | None = None,
        *,
        of_key: bool = False,
        warning: bool = False,
    ) -> None:
        """Takes a finding about the value at a path; the same one is taken once."""
        if self.full or (code in _CONSEQUENCES and self.is_wrong(path)):
            return
        severity = Severity.WARNING if warning else Severity.ERROR
        self.found[Finding(code, message, self._places.position(path, of_key=of_key), help_, severity)] = None

    def written(self, path: Path_, value: str) -> str:
        """A value as it may be shown: what came from the environment is shown as it is written."""
        raw = self._places.raw(path)
        return value if raw is None or "${" not in raw else raw

    def is_from_outside(self, path: Path_) -> bool:
        """Whether a value came from the environment."""
        return "${" in (self._places.raw(path) or "")


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
    _check_body((), topology, names, report, arguments)
    for name, body in topology.vhosts.items():
        _check_body(("vhosts", name), body, names, report, arguments)
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
    for name, queue in body.queues.items():
        arguments.queue((*base, "queues", name), queue)
    for section, policies in (("policies", body.policies), ("operator_policies", body.operator_policies)):
        for name, policy in policies.items():
            arguments.policy((*base, section, name), policy)


def _check_body(base: Path_, body: Body, names: Names, report: Report, arguments: ArgumentCheck) -> None:
    scope = _Scope(base, names, body, report)
    _check_arguments(base, body, arguments)
    for name, exchange in body.exchanges.items():
        scope.exchange((*base, "exchanges", name), exchange)
    for name, queue in body.queues.items():
        scope.queue((*base, "queues", name), queue)
    scope.federation()
    scope.routes()
    scope.workers()


class _Scope:
    """The references within one vhost."""

    def __init__(self, base: Path_, names: Names, body: Body, report: Report) -> None:
        self._base = base
        self._declared_exchanges = names.exchanges.get(base, frozenset())
        self._exchanges = self._declared_exchanges | BUILT_IN_EXCHANGES.keys()
        self._queues = names.queues.get(base, frozenset())
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
        if letter is None:
            return
        self._known_exchange((*path, "dead_letter", "exchange"), letter.exchange)
        if (
            letter.exchange == ""
            and letter.routing_key is not None
            and letter.routing_key not in self._queues
        ):
            self._missing((*path, "dead_letter", "routing_key"), "queue", letter.routing_key, self._queues)

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
                    self._missing(path, "upstream", member.upstream, upstreams)
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
                    self._missing(
                        (*path, "federation_upstream"), "upstream", definition.federation_upstream, upstreams
                    )
                wanted, sets = definition.federation_upstream_set, self._upstream_sets
                if wanted not in (None, "all") and wanted not in sets:
                    self._missing((*path, "federation_upstream_set"), "upstream set", str(wanted), sets)
                if definition.alternate_exchange is not None:
                    self._known_exchange((*path, "alternate_exchange"), definition.alternate_exchange)
                if definition.dead_letter is not None:
                    self._known_exchange((*path, "dead_letter", "exchange"), definition.dead_letter.exchange)

    def routes(self) -> None:
        for index, route in enumerate(self._body.routes):
            self._route((*self._base, "routes", index), route)
        unmatched = self._body.unmatched
        if unmatched != REFUSE and unmatched not in self._queues:
            self._missing((*self._base, "unmatched"), "queue", unmatched, self._queues)

    def _route(self, path: Path_, route: Route) -> None:
        wanted = {
            name: field
            for field in ("key", "queue")
            for name in pattern.placeholders(getattr(route, field) or "")
        }
        for position, text in enumerate(route.tasks):
            # A single pattern stands where a list would: its place is the value of `tasks` itself.
            place = (*path, "tasks", position)
            try:
                parsed = pattern.parse(text)
            except ValueError as error:
                outside = self._report.is_from_outside(place)
                message = "the pattern is wrong once its variables are filled in" if outside else str(error)
                self._report(place, "bad-pattern", message)
                continue
            for name, field in wanted.items():
                if name not in parsed.captures:
                    shown = self._report.written(place, text)
                    message = f"`{{{name}}}` in `{field}` is not captured by the pattern `{shown}`"
                    help_ = (
                        did_you_mean(name, parsed.captures)
                        or f"write `{{{name}}}` in the pattern, or name a queue"
                    )
                    self._report((*path, field), "bad-pattern", message, help_)
        if not pattern.placeholders(route.queue) and route.queue not in self._queues:
            self._missing((*path, "queue"), "queue", route.queue, self._queues)
        queue = self._body.queues.get(route.queue)
        if queue is not None and queue.type == "stream":
            shown = self._report.written((*path, "queue"), route.queue)
            message = f"`{shown}` is a stream: Celery's workers cannot consume one"
            self._report((*path, "queue"), "bad-route", message, "route tasks to a classic or quorum queue")

    def workers(self) -> None:
        for name, profile in self._body.workers.items():
            for index, queue in enumerate(profile.queues):
                path = (*self._base, "workers", name, "queues", index)
                if queue not in self._queues:
                    self._missing(path, "queue", queue, self._queues)
                elif queue in profile.queues[:index]:
                    message = f"`{self._report.written(path, queue)}` is named twice"
                    self._report(path, "conflict", message, "remove one of the two")

    def _known_exchange(self, path: Path_, name: str) -> None:
        if name not in self._exchanges:
            self._missing(path, "exchange", name, self._declared_exchanges)

    def _missing(self, path: Path_, kind: str, name: str, known: Iterable[str]) -> None:
        if self._report.full:
            return
        section = {"queue": "queues", "exchange": "exchanges"}.get(kind, "federation")
        shown = self._report.written(path, name)
        help_ = None if shown != name else did_you_mean(name, known)
        if help_ is None:
            help_ = f"declare it under `{section}:`"
            if kind in ("queue", "exchange"):
                help_ += "; if somebody else does, with `external: true`"
        self._report(path, "unknown-name", f"there is no {kind} `{shown}` in this file", help_)


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
