"""Cross-field checks: unresolved references and incompatible settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from ..base.finding import Finding, Position, ValuePath
from ..model import Body, Policy, Topology
from ..model.support import Version
from .context import Locations, Reporter
from .names import DeclaredNames, declared_queues
from .registry import make_finding
from .rules.arguments import AddFinding, ArgumentCheck
from .rules.delivery.addresses import check_addresses
from .rules.delivery.dead_ends import check_dead_ends
from .rules.delivery.dead_letters import check_dead_letters
from .rules.delivery.queue_limit import check_queue_limit
from .rules.links import LinkCheck
from .rules.policies.effects import check_effective_policies
from .rules.policies.keys import PolicyCheck
from .rules.references import References, check_users
from .rules.routes import check_routes
from .rules.shards import check_shards
from .rules.storable import check_storable
from .rules.workers.profiles import check_workers


class Locate(Protocol):
    """Returns the position of a path in the file."""

    def __call__(self, path: ValuePath, *, of_key: bool = False) -> Position:
        """The position of the value at `path`, or of its key."""
        ...


class _Checks(NamedTuple):
    """The checks of single objects, with and without a broker."""

    arguments: ArgumentCheck
    policies: PolicyCheck
    links: LinkCheck

    @classmethod
    def of(cls, add: AddFinding, versions: Sequence[Version], origin: str) -> _Checks:
        """The checks, all with the same parameters as `VersionCheck`."""
        return cls(
            ArgumentCheck(add, versions, origin),
            PolicyCheck(add, versions, origin),
            LinkCheck(add, versions, origin),
        )


def check_topology(
    topology: Topology,
    places: Locations,
    names: DeclaredNames,
    is_wrong: Callable[[ValuePath], bool] = lambda _path: False,
) -> list[Finding]:
    """All findings in a valid topology.

    Parameters:
      topology: The file's content.
      places: The positions of its values.
      names: The names that can be referenced.
      is_wrong: Whether the object at a path has other mistakes, of which a finding may be a consequence.
    """
    report = Reporter(places, is_wrong)
    versions = topology.target_versions
    checks = _Checks.of(report.add, versions, "`targets`")
    _check_body((), topology, names, report, checks, versions)
    for name, body in topology.vhosts.items():
        _check_body(("vhosts", name), body, names, report, checks, versions)
    if topology.vhost is not None and topology.vhost in topology.vhosts:
        message = f"`{topology.vhost}` is also the vhost of the top level"
        report.add(("vhosts", topology.vhost), "conflict", message, of_key=True)
    check_users(topology, report)
    return list(report.found)


def check_versions(topology: Topology, locate: Locate, versions: tuple[Version, ...]) -> list[Finding]:
    """Settings of the file that these versions of RabbitMQ do not support.

    Parameters:
      topology: The file's content.
      locate: Returns the position of a value.
      versions: The versions, such as that of the broker.
    """
    found: list[Finding] = []

    def report(
        path: ValuePath, code: str, message: str, help_: str | None = None, *, of_key: bool = False
    ) -> None:
        if code == "wrong-version":
            position = locate(path, of_key=of_key)
            found.append(make_finding(code, message, position, "remove it, or upgrade the broker"))

    checks = _Checks.of(report, versions, "the broker")
    for base, body in [((), topology), *((("vhosts", name), body) for name, body in topology.vhosts.items())]:
        _check_arguments(base, body, checks)
    return found


def _check_arguments(base: ValuePath, body: Body, checks: _Checks) -> None:
    checks.arguments.vhost(base, body)
    for name, exchange in body.exchanges.items():
        checks.arguments.exchange((*base, "exchanges", name), exchange)
    for name, queue in declared_queues(body):
        checks.arguments.queue((*base, "queues", name), queue)
    checks.arguments.bindings(base, body)
    for path, policy in _policies(base, body):
        checks.policies.policy(path, policy, operator="operator_policies" in path[-2:-1])
    checks.links.federation((*base, "federation"), body.federation)
    for name, shovel in body.shovels.items():
        checks.links.shovel((*base, "shovels", name), shovel)


def _policies(base: ValuePath, body: Body) -> Iterator[tuple[ValuePath, Policy]]:
    for section, policies in (("policies", body.policies), ("operator_policies", body.operator_policies)):
        for name, policy in policies.items():
            yield (*base, section, name), policy


def _check_body(
    base: ValuePath,
    body: Body,
    names: DeclaredNames,
    report: Reporter,
    checks: _Checks,
    versions: Sequence[Version],
) -> None:
    scope = References(base, names, body, report)
    errors = report.errors
    _check_arguments(base, body, checks)
    for name, exchange in body.exchanges.items():
        scope.exchange((*base, "exchanges", name), exchange)
    for name, queue in declared_queues(body):
        scope.queue((*base, "queues", name), queue)
    check_storable(base, body, report.add)
    check_shards(base, body, names, report)
    sound = report.errors == errors
    scope.upstream_sets()
    for path, policy in _policies(base, body):
        scope.policy(path, policy)
    check_routes(base, body, names, report, versions)
    check_workers(base, body, names, report)
    check_effective_policies(base, body, versions, report)
    if sound:
        check_addresses(base, body, names, report)
        check_dead_letters(base, body, report, versions)
        check_dead_ends(base, body, report)
        check_queue_limit(base, body, report)
