"""What plan and apply rely on, tested on a real broker and on the fake in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from routectl.topology.base.resources import Kind, Resource, State, binding_key
from routectl.topology.broker.address import Address
from routectl.topology.broker.session import ManagementSession, Session
from routectl.topology.change.diff import diff
from routectl.topology.errors import BrokerError, NotFound
from tests.brokers import Broker
from tests.fakes import MemoryBroker, exchange, policy, queue, state, vhost_key


@dataclass(frozen=True)
class Place:
    """A vhost of a broker."""

    session: Session
    vhost: str

    def create(self, *resources: Resource) -> dict[str, BrokerError]:
        failures = self.session.create_all(self.vhost, resources, lambda _done, _total: None)
        return {str(failure.resource.key): failure.error for failure in failures}

    def read(self, *wanted: Resource) -> State:
        """The live state: exchanges, queues, bindings, and the wanted kinds."""
        live = self.session.read(state(*wanted), [self.vhost])
        return {key: item for key, item in live.items() if key.kind is not Kind.VHOST}

    def differs(self, *wanted: Resource) -> list[str]:
        return [
            f"{change.action} {change.key}" for change in diff(state(*wanted), self.read(*wanted)).changes
        ]


@pytest.fixture(params=["memory", "rabbitmq"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "memory":
        yield Place(MemoryBroker(vhosts=["shop"]), "shop")
        return
    broker: Broker = request.getfixturevalue("broker")
    vhost: str = request.getfixturevalue("vhost")
    with ManagementSession(Address.parse(broker.url_for(vhost), management=broker.management)) as session:
        yield Place(session, vhost)


def shop(vhost: str) -> list[Resource]:
    """Objects of all kinds that are created in bulk, in the reverse order of their dependencies."""
    return [
        Resource(binding_key(vhost, "tasks", "high", "high")),
        Resource(binding_key(vhost, "amq.topic", "tasks", "a.#", {"x-note": 1}, to_exchange=True)),
        queue("high", vhost, type="quorum", arguments={"x-delivery-limit": 5}),
        queue("low", vhost, arguments={"x-max-length": 10}),
        exchange("tasks", vhost, type="topic", arguments={"alternate-exchange": "amq.fanout"}),
    ]


def test_created_objects_are_read_as_declared(place: Place) -> None:
    wanted = shop(place.vhost)
    assert place.create(*wanted) == {}
    live = place.read(*wanted)
    assert {key: item.properties for key, item in live.items()} == {
        item.key: item.properties for item in wanted
    }
    assert place.differs(*wanted) == []


def test_creating_what_exists_changes_nothing(place: Place) -> None:
    wanted = shop(place.vhost)
    assert [place.create(*wanted), place.create(*wanted)] == [{}, {}]
    assert place.differs(*wanted) == []


def test_objects_with_other_properties_are_rejected_and_the_rest_is_created(place: Place) -> None:
    place.create(queue("high", place.vhost, arguments={"x-max-length": 1}))
    assert set(place.create(queue("high", place.vhost), queue("low", place.vhost))) == {"queue high"}
    assert place.differs(queue("high", place.vhost), queue("low", place.vhost)) == ["replace queue high"]


def test_a_binding_requires_its_source_and_destination(place: Place) -> None:
    orphans = [
        Resource(binding_key(place.vhost, "amq.topic", "nowhere", "k")),
        Resource(binding_key(place.vhost, "nothing", "here", "k")),
    ]
    failures = place.create(*orphans, queue("here", place.vhost))
    assert set(failures) == {str(orphan.key) for orphan in orphans}
    assert all(isinstance(error, NotFound) for error in failures.values())


def test_put_creates_and_then_updates(place: Place) -> None:
    for length in (1, 2):
        wanted = policy("length", place.vhost, **{"max-length": length})
        place.session.put(wanted)
        assert place.read(wanted)[wanted.key].properties == wanted.properties


def test_put_also_creates_queues_and_bindings(place: Place) -> None:
    bound = Resource(binding_key(place.vhost, "amq.topic", "high", "k"))
    for resource in (queue("high", place.vhost), bound):
        place.session.put(resource)
    assert place.differs(queue("high", place.vhost), bound) == []


def test_a_deletion_also_deletes_bindings(place: Place) -> None:
    wanted = shop(place.vhost)
    place.create(*wanted)
    place.session.delete(exchange("tasks", place.vhost))
    assert {str(key) for key in place.read()} == {"queue high", "queue low"}
    place.session.delete(queue("low", place.vhost), if_empty=True)
    assert {str(key) for key in place.read()} == {"queue high"}


def test_a_binding_is_deleted_alone(place: Place) -> None:
    wanted = shop(place.vhost)
    place.create(*wanted)
    place.session.delete(wanted[1])
    assert place.differs(*wanted) == [f"create {wanted[1].key}"]


def test_deleting_a_missing_object_is_not_an_error(place: Place) -> None:
    for resource in (queue("high", place.vhost), policy("p", place.vhost)):
        place.session.delete(resource)


def test_other_kinds_are_read_only_if_they_are_desired(place: Place) -> None:
    length = policy("length", place.vhost, **{"max-length": 1})
    place.session.put(length)
    assert place.read() == {}
    assert set(place.read(policy("other", place.vhost))) == {length.key}


def test_a_missing_vhost_is_empty_and_rejects_writes(place: Place) -> None:
    nowhere = f"{place.vhost}-not-there"
    wanted = [queue("high", nowhere), policy("p", nowhere, **{"max-length": 1}), Resource(vhost_key(nowhere))]
    assert place.session.read(state(*wanted), [nowhere]).keys() & state(*wanted).keys() == set()
    with pytest.raises(BrokerError):
        place.session.create_all(nowhere, [wanted[0]], lambda _done, _total: None)
    with pytest.raises(NotFound):
        place.session.put(wanted[1])
