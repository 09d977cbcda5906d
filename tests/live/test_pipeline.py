"""Pipelined declarations on a real broker: all are done, and each failure has its object and reason."""

from __future__ import annotations

import random
import threading
import time
from typing import Any
from urllib.parse import quote

import pytest

from routectl.topology.base.resources import Kind, Resource, State, binding_key, exchange_key, queue_key
from routectl.topology.broker.address import Address
from routectl.topology.broker.amqp import pipeline
from routectl.topology.broker.amqp.pipeline import declare_all
from routectl.topology.broker.bulk import create_all, delete_bindings
from routectl.topology.broker.management.client import Management
from routectl.topology.broker.writes import guarded
from routectl.topology.errors import AccessRefused, NotFound, Rejected, Unreachable
from tests.brokers import Broker
from tests.brokers import Management as Raw

KINDS = [Kind.EXCHANGE, Kind.QUEUE, Kind.BINDING]


def exchange(vhost: str, name: str, **fields: Any) -> Resource:
    plain = {"type": "topic", "durable": True, "auto_delete": False, "internal": False, "arguments": {}}
    return Resource(exchange_key(vhost, name), plain | fields)


def queue(vhost: str, name: str, **fields: Any) -> Resource:
    plain = {"type": "classic", "durable": True, "auto_delete": False, "arguments": {}}
    return Resource(queue_key(vhost, name), plain | fields)


def topology(vhost: str, queues: int) -> list[Resource]:
    """Objects in the reverse order of their dependencies."""
    found = [exchange(vhost, "a"), exchange(vhost, "b", type="headers")]
    found.append(Resource(binding_key(vhost, "a", "b", "x.#", to_exchange=True)))
    for number in range(queues):
        name = f"q {number}/é"
        found.append(queue(vhost, name, arguments={"x-max-length": number}))
        found.append(Resource(binding_key(vhost, "a", name, f"k.{number}")))
        found.append(Resource(binding_key(vhost, "b", name, "", {"n": number, "x-match": "all"})))
    random.Random(1).shuffle(found)
    return found


@pytest.fixture
def address(broker: Broker) -> Address:
    return Address.parse(broker.url, management=broker.management)


def live(address: Address, vhost: str) -> State:
    with Management(address) as api:
        return api.read([vhost], KINDS)


def held(address: Address, vhost: str, resources: list[Resource]) -> list[Resource]:
    """The resources that are on the broker with the same properties."""
    state = live(address, vhost)
    return [item for item in resources if item.key in state and state[item.key].properties == item.properties]


@pytest.mark.parametrize("connections", [1, 4, 16])
def test_everything_is_declared_and_a_second_time_unchanged(
    address: Address, vhost: str, connections: int
) -> None:
    wanted = topology(vhost, 100)
    steps: list[tuple[int, int]] = []
    for _ in range(2):
        progress = lambda *step: steps.append(step)  # noqa: E731
        assert declare_all(address, vhost, wanted, connections=connections, progress=progress) == []
        assert steps[-1] == (len(wanted), len(wanted))
    assert held(address, vhost, wanted) == wanted
    assert len(live(address, vhost)) == len(wanted)


def test_nothing(address: Address, vhost: str) -> None:
    assert declare_all(address, vhost, []) == []


def test_one_406_among_100(address: Address, vhost: str) -> None:
    wanted = [queue(vhost, f"q{number}") for number in range(100)]
    assert declare_all(address, vhost, [queue(vhost, "q57", arguments={"x-max-length": 1})]) == []
    (failure,) = declare_all(address, vhost, wanted)
    assert failure.resource == wanted[57]
    assert isinstance(failure.error, Rejected)
    assert "inequivalent arg 'x-max-length' for queue 'q57'" in failure.error.reason
    assert len(held(address, vhost, wanted)) == 99


def test_every_kind_of_failure_among_many(address: Address, vhost: str) -> None:
    good = topology(vhost, 200)
    bad = {
        exchange(vhost, "no such type", type="x-none").key: NotFound,
        queue(vhost, "expires").key: Rejected,
        queue(vhost, "x" * 300).key: Rejected,
        queue(vhost, "amq.mine").key: AccessRefused,
        binding_key(vhost, "none", "q 1/é"): NotFound,
        binding_key(vhost, "a", "none"): NotFound,
        binding_key(vhost, "b", "q 1/é", "", {"x-match": "wat"}): Rejected,
    }
    wanted = [*good, *(_bad(key) for key in bad)]
    random.Random(2).shuffle(wanted)
    failures = declare_all(address, vhost, wanted)
    assert {failure.resource.key: type(failure.error) for failure in failures} == bad
    assert held(address, vhost, good) == good


def _bad(key: Any) -> Resource:
    if key.kind is Kind.BINDING:
        return Resource(key)
    if key.kind is Kind.EXCHANGE:
        return exchange(key.vhost, key.name[0], type="x-none")
    return queue(key.vhost, key.name[0], arguments={"x-expires": 0} if key.name[0] == "expires" else {})


def test_everything_fails(address: Address, vhost: str) -> None:
    wanted = [queue(vhost, f"q{number}", arguments={"x-expires": 0}) for number in range(60)]
    failures = declare_all(address, vhost, wanted)
    assert [failure.resource for failure in failures] == wanted or len(failures) == 60
    assert all("x-expires" in str(failure.error) for failure in failures)


def test_connections_that_are_cut_half_way(
    address: Address, management: Raw, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = topology(vhost, 500)
    cut = threading.Event()
    batches = []

    def progress(done: int, total: int) -> None:
        batches.append(done)
        if done > total // 4 and not cut.is_set():
            cut.set()
            assert _cut_all(management, vhost) > 0

    assert declare_all(address, vhost, wanted, connections=4, progress=progress) == []
    assert cut.is_set()
    assert batches[-1] == len(wanted)
    assert held(address, vhost, wanted) == wanted


def _cut_all(management: Raw, vhost: str) -> int:
    """Closes every connection to a vhost; the broker lists new ones with a delay."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = management.get(f"vhosts/{quote(vhost, safe='')}/connections")
        for connection in found:
            management.request("DELETE", f"connections/{quote(connection['name'], safe='')}")
        if found:
            return len(found)
        time.sleep(0.2)
    return 0


def test_no_vhost(address: Address) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        declare_all(address, "no such vhost", [queue("no such vhost", "q")])


def test_a_limit_on_connections(address: Address, management: Raw, vhost: str) -> None:
    management.put(f"vhost-limits/{quote(vhost, safe='')}/max-connections", {"value": 3})
    wanted = topology(vhost, 200)
    assert declare_all(address, vhost, wanted) == []
    assert held(address, vhost, wanted) == wanted


def test_create_all(address: Address, vhost: str) -> None:
    wanted = topology(vhost, 50)
    fraction = queue(vhost, "fraction", arguments={"x-unknown": 1.5})
    with Management(address) as api:
        server = api.server()
        assert create_all(api, address, vhost, [*wanted, fraction], server) == []
        assert held(address, vhost, [*wanted, fraction]) == [*wanted, fraction]
        (failure,) = create_all(None, address, vhost, [queue(vhost, "new", arguments={"x-odd": 1.5})], server)
        assert isinstance(failure.error, Rejected)


def test_create_all_without_an_amqp_port(broker: Broker, vhost: str) -> None:
    closed = Address.parse("amqp://guest:guest@127.0.0.1:1", management=broker.management)
    wanted = topology(vhost, 20)
    bad = queue(vhost, "bad", arguments={"x-expires": 0})
    with Management(closed) as api:
        server = api.server()
        (failure,) = create_all(api, closed, vhost, [*wanted, bad], server)
        assert failure.resource == bad
        with pytest.raises(Unreachable, match=r"cannot connect to amqp://127\.0\.0\.1:1"):
            create_all(None, closed, vhost, wanted, server)
    assert held(closed, vhost, wanted) == wanted


@pytest.mark.parametrize("url", ["broker", "amqp://guest:guest@127.0.0.1:1"])
def test_bindings_are_deleted_with_and_without_an_amqp_port(
    address: Address, broker: Broker, vhost: str, url: str
) -> None:
    wanted = topology(vhost, 60)
    assert declare_all(address, vhost, wanted) == []
    way = address if url == "broker" else Address.parse(url, management=broker.management)
    bindings = [item for item in wanted if item.key.kind is Kind.BINDING]
    gone = [*bindings[::2], Resource(binding_key(vhost, "a", "q 0/é", "never was"))]
    # Both ends are gone, too.
    gone.append(Resource(binding_key(vhost, "no exchange", "no queue", "k")))
    steps: list[tuple[int, int]] = []
    with Management(way) as api:
        progress = lambda *step: steps.append(step)  # noqa: E731
        assert delete_bindings(api, way, vhost, gone, api.server(), progress) == []
    assert steps[-1] == (len(gone), len(gone))
    kept = [item for item in wanted if item not in gone]
    assert held(address, vhost, kept) == kept
    assert len(live(address, vhost)) == len(kept)


def test_batches_keep_a_queue_and_its_bindings_together() -> None:
    wanted = [Resource(binding_key("v", "e", "q", str(number))) for number in range(120)]
    stages = pipeline._stages([*wanted, queue("v", "q"), exchange("v", "e")], 4)
    keys = [[[item.key.kind for item in batch] for batch in stage] for stage in stages]
    assert keys[0] == [[Kind.EXCHANGE]]
    assert keys[1][0][0] is Kind.QUEUE
    assert len(keys[1]) == 1
    assert sum(len(batch) for stage in stages for batch in stage) == 122


def test_a_stopped_apply_declares_nothing_more(address: Address, vhost: str) -> None:
    resources, allowed = topology(vhost, 200), iter(range(100))

    def guard() -> None:
        if next(allowed, None) is None:
            raise Unreachable("stopped")

    with guarded(guard), pytest.raises(Unreachable, match="stopped"):
        declare_all(address, vhost, resources, connections=4)
    assert len(live(address, vhost)) == 100
    assert declare_all(address, vhost, resources) == []
