"""AMQP calls on a real broker: existing objects, rejected declarations and broken connections."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from routectl.topology.base.resources import Key, Kind, Resource, binding_key, exchange_key, queue_key
from routectl.topology.broker.address import Address
from routectl.topology.broker.amqp.connection import Amqp, declare
from routectl.topology.errors import AccessRefused, NotFound, Rejected
from tests.brokers import Broker, Management


def exchange(vhost: str, name: str, **fields: Any) -> Resource:
    plain = {"type": "topic", "durable": True, "auto_delete": False, "internal": False, "arguments": {}}
    return Resource(exchange_key(vhost, name), plain | fields)


def queue(vhost: str, name: str, **fields: Any) -> Resource:
    plain = {"type": "classic", "durable": True, "auto_delete": False, "arguments": {}}
    return Resource(queue_key(vhost, name), plain | fields)


@pytest.fixture
def amqp(broker: Broker, vhost: str) -> Iterator[Amqp]:
    with Amqp(Address.parse(broker.url), vhost) as amqp:
        yield amqp


def connections(management: Management, vhost: str) -> Any:
    return management.get(f"vhosts/{quote(vhost, safe='')}/connections")


def test_exists(amqp: Amqp, vhost: str) -> None:
    for resource in (queue(vhost, "a/b é😀"), exchange(vhost, "a/b é😀")):
        assert not amqp.exists(resource.key)
        amqp.declare(resource)
        assert amqp.exists(resource.key)
    with pytest.raises(ValueError, match="cannot check"):
        amqp.exists(Key(Kind.POLICY, vhost, ("p",)))


def test_counts(amqp: Amqp, vhost: str) -> None:
    key = queue_key(vhost, "q")
    assert amqp.counts(key) is None
    amqp.declare(queue(vhost, "q"))
    channel = amqp._opened()
    channel.confirm_delivery()
    channel.basic_publish("", "q", b"")
    assert amqp.counts(key) == (1, 0)
    assert amqp.counts(queue_key(vhost, "r")) is None
    assert amqp.counts(key) == (1, 0)


def test_an_exclusive_queue_of_another_exists(amqp: Amqp, broker: Broker, vhost: str) -> None:
    with Amqp(Address.parse(broker.url), vhost) as other:
        other._opened().queue_declare("theirs", exclusive=True)
        assert amqp.exists(queue_key(vhost, "theirs"))


def test_arguments_arrive_as_the_management_api_sends_them(
    amqp: Amqp, management: Management, vhost: str
) -> None:
    arguments = {"n": 5, "big": 2**40, "t": True, "s": "é", "l": [1, {"x": 2}], "d": {"y": "z"}}
    amqp.declare(queue(vhost, "q", type="quorum", arguments={"x-max-length": 7}))
    amqp.declare(exchange(vhost, "e", type="headers", arguments=arguments))
    binding = Resource(binding_key(vhost, "e", "q", "", {"n": 5, "s": "é"}))
    amqp.declare(binding)
    amqp.declare(Resource(binding_key(vhost, "e", "e", "k", to_exchange=True)))
    where = quote(vhost, safe="")
    assert management.get(f"exchanges/{where}/e")["arguments"] == arguments
    found = management.get(f"queues/{where}/q")["arguments"]
    assert found == {"x-queue-type": "quorum", "x-max-length": 7}
    management.post(f"bindings/{where}/e/e/q/q", {"routing_key": "", "arguments": {"s": "é", "n": 5}})
    assert len(management.get(f"bindings/{where}/e/e/q/q")) == 1


REJECTED = [
    (lambda v: queue(v, "q", arguments={"x-max-length": 5}), "inequivalent arg 'x-max-length'"),
    (lambda v: queue(v, "q", type="quorum"), "inequivalent arg 'x-queue-type'"),
    (lambda v: queue(v, "new", arguments={"x-expires": 0}), "x-expires"),
    (lambda v: queue(v, "new", type="quorum", auto_delete=True), "auto-delete"),
    (lambda v: queue(v, "x" * 256), "longer than 255 bytes"),
    (lambda v: queue(v, "new", arguments={"x-odd": object()}), "cannot be sent over AMQP"),
    (lambda v: queue(v, "new", arguments={"x-odd": 1.5}), "cannot be sent over AMQP"),
    (lambda v: queue(v, "new", arguments={"x-odd": 2**70}), "cannot be sent over AMQP"),
    (lambda v: Resource(binding_key(v, "amq.headers", "q", "", {"x-match": "none"})), "x-match"),
]


@pytest.mark.parametrize(("make", "reason"), REJECTED)
def test_a_rejection_closes_only_the_channel(amqp: Amqp, vhost: str, make: Any, reason: str) -> None:
    amqp.declare(queue(vhost, "q"))
    with pytest.raises(Rejected, match=reason):
        amqp.declare(make(vhost))
    amqp.declare(queue(vhost, "after"))


def test_a_refusal_that_closes_the_connection(amqp: Amqp, vhost: str) -> None:
    before = amqp._connection
    with pytest.raises(NotFound, match="exchange type `x-none`"):
        amqp.declare(exchange(vhost, "e", type="x-none"))
    amqp.declare(exchange(vhost, "e"))
    assert amqp._connection is not before or before is not None


def test_what_is_missing(amqp: Amqp, vhost: str) -> None:
    amqp.declare(queue(vhost, "q"))
    with pytest.raises(NotFound, match=r"cannot create binding none -> q .*no exchange 'none'"):
        amqp.declare(Resource(binding_key(vhost, "none", "q")))
    with pytest.raises(NotFound, match="no queue 'none'"):
        amqp.declare(Resource(binding_key(vhost, "amq.topic", "none")))


def test_permissions(broker: Broker, management: Management, vhost: str) -> None:
    user = f"user-{uuid.uuid4().hex[:8]}"
    management.put(f"users/{user}", {"password": "hush", "tags": ""})
    address = Address.parse(broker.url_for(vhost, user, "hush"))
    try:
        with pytest.raises(
            AccessRefused, match=f"denies user `{user}` access to vhost `{vhost}`: access to vhost"
        ) as caught:
            Amqp(address, vhost).__enter__()
        where = quote(vhost, safe="")
        management.put(f"permissions/{where}/{user}", {"configure": "^mine", "write": ".*", "read": "^$"})
        with Amqp(address, vhost) as amqp:
            amqp.declare(queue(vhost, "mine"))
            with pytest.raises(AccessRefused, match=r"cannot create queue yours: .*refused"):
                amqp.declare(queue(vhost, "yours"))
            with pytest.raises(AccessRefused, match="refused"):
                amqp.declare(Resource(binding_key(vhost, "amq.topic", "mine")))
        wrong = Address.parse(broker.url_for(vhost, user, "not it"))
        with pytest.raises(
            AccessRefused, match=f"authentication of user `{user}` failed at .*: wrong user name or password"
        ) as caught:
            Amqp(wrong, vhost).__enter__()
        assert "not it" not in f"{caught.value}{caught.value.hint}"
    finally:
        management.remove(f"users/{user}")


def test_a_missing_vhost(broker: Broker) -> None:
    with pytest.raises(NotFound, match="the vhost `no such é` does not exist"):
        Amqp(Address.parse(broker.url), "no such é").__enter__()


def test_a_lost_connection_is_reopened(amqp: Amqp, vhost: str) -> None:
    amqp.declare(queue(vhost, "q"))
    assert amqp._connection is not None
    amqp._connection._impl._transport._sock.shutdown(2)
    amqp.declare(queue(vhost, "r"))
    assert amqp.exists(queue_key(vhost, "r"))


def test_only_kinds_that_amqp_can_declare_are_declared(amqp: Amqp, vhost: str) -> None:
    with pytest.raises(ValueError, match="cannot be declared over AMQP"):
        declare(amqp._opened(), Resource(Key(Kind.POLICY, vhost, ("p",))))
