"""The management API of a real broker: round trips of every kind, odd names, and permissions."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from routectl.topology.base.resources import Key, Kind, Resource, State, binding_key, exchange_key, queue_key
from routectl.topology.base.secret import Secret, password_matches
from routectl.topology.broker.address import Address
from routectl.topology.broker.amqp.connection import Amqp
from routectl.topology.broker.bulk import put_all
from routectl.topology.broker.management.client import Management
from routectl.topology.errors import AccessRefused, NotFound, Refused, Rejected
from tests.brokers import Broker
from tests.brokers import Management as Raw

ODD = [
    "a/b",
    "100%",
    "%2F",
    "two words",
    "dots.in.it",
    "né",
    "😀",
    "q?x=1#y",
    "..",
    "+",
    "a\\b",
    "'\"",
    "é" * 127,
]

SHOVEL = {
    "src-protocol": "amqp091",
    "src-uri": [Secret("amqp://u:p@no-such-host"), Secret("amqp://u:p@nowhere")],
    "src-queue": "a",
    "dest-protocol": "amqp091",
    "dest-uri": Secret("amqp://u:p@no-such-host"),
    "dest-queue": "b",
}


def exchange(vhost: str, name: str, **fields: Any) -> Resource:
    plain = {"type": "topic", "durable": True, "auto_delete": False, "internal": False, "arguments": {}}
    return Resource(exchange_key(vhost, name), plain | fields)


def queue(vhost: str, name: str, **fields: Any) -> Resource:
    plain = {"type": "classic", "durable": True, "auto_delete": False, "arguments": {}}
    return Resource(queue_key(vhost, name), plain | fields)


def policy(vhost: str, name: str, kind: Kind = Kind.POLICY, **fields: Any) -> Resource:
    plain = {"pattern": "^x", "apply_to": "queues", "priority": 1, "definition": {"max-length": 5}}
    return Resource(Key(kind, vhost, (name,)), plain | fields)


def parameter(vhost: str, component: str, name: str, value: Any) -> Resource:
    return Resource(Key(Kind.PARAMETER, vhost, (component, name)), {"value": value})


@pytest.fixture
def api(broker: Broker) -> Iterator[Management]:
    with Management(Address.parse(broker.url, management=broker.management)) as api:
        yield api


@pytest.fixture
def user(management: Raw) -> Iterator[str]:
    name = f"user-{uuid.uuid4().hex[:8]}"
    yield name
    management.remove(f"users/{name}")


def login(
    broker: Broker, management: Raw, vhost: str, user: str, tags: str, **permissions: str
) -> Management:
    """The management API as a user with these tags."""
    management.put(f"users/{user}", {"password": "pw", "tags": tags})
    full = {"configure": ".*", "write": ".*", "read": ".*"}
    management.put(f"permissions/{quote(vhost, safe='')}/{user}", full | permissions)
    host = Address.parse(broker.url, management=broker.management).management
    address = Address.parse(broker.url_for(vhost, user, "pw"), management=f"http://{host.hosts[0]}")
    return Management(address)


def test_server(api: Management, broker: Broker) -> None:
    server = api.server()
    assert server.version == broker.version
    assert server.product_version.startswith(".".join(map(str, broker.version)))
    assert server.cluster_name
    assert "administrator" in server.tags
    assert server.khepri == (broker.version >= (4, 3))


def every_kind(vhost: str, user: str) -> list[Resource]:
    everything = {"configure": ".*", "write": "^a", "read": ""}
    return [
        Resource(Key(Kind.VHOST_LIMIT, vhost, ("max-queues",)), {"value": 100}),
        Resource(Key(Kind.USER, "", (user,)), {"tags": ["management", "monitoring"], "password": Secret("pä:s")}),
        Resource(Key(Kind.USER_LIMIT, "", (user, "max-channels")), {"value": 100}),
        Resource(Key(Kind.PERMISSION, vhost, (user,)), everything),
        exchange(vhost, "e", arguments={"alternate-exchange": "f"}),
        exchange(vhost, "f", type="headers", internal=True),
        Resource(Key(Kind.TOPIC_PERMISSION, vhost, (user, "e")), {"write": "^a", "read": "b"}),
        queue(vhost, "q", arguments={"x-message-ttl": 1000, "x-unknown": [1, {"a": True}]}),
        queue(vhost, "r", type="quorum", arguments={"x-delivery-limit": 5}),
        Resource(binding_key(vhost, "e", "q", "k")),
        Resource(binding_key(vhost, "e", "q", "")),
        Resource(binding_key(vhost, "amq.topic", "r", "#")),
        Resource(binding_key(vhost, "e", "f", "x.*", to_exchange=True)),
        Resource(binding_key(vhost, "f", "q", "", {"x-match": "any", "n": 5, "b": True, "s": "é"})),
        parameter(vhost, "shovel", "s", SHOVEL),
        parameter(vhost, "federation-upstream", "u", {"uri": Secret("amqp://u:p@no-such-host"), "expires": 1000}),
        parameter(vhost, "federation-upstream-set", "set", [{"upstream": "u"}]),
        policy(vhost, "p"),
        policy(vhost, "o", Kind.OPERATOR_POLICY),
    ]  # fmt: skip


def live(api: Management, vhost: str, user: str | None = None) -> State:
    """A vhost with everything in it, and one user: other tests create and delete others at the same time."""
    found = api.read([vhost], list(Kind))
    return {key: item for key, item in found.items() if key.vhost or key.name[0] in (vhost, user)}


def same(found: Resource, wanted: Resource) -> bool:
    if "password" not in wanted.properties:
        return found.properties == wanted.properties
    stored = found.properties["password_hash"], found.properties["hashing_algorithm"]
    matches = password_matches(wanted.properties["password"], *stored)
    return matches and found.properties["tags"] == wanted.properties["tags"]


def test_every_kind_is_written_and_read_back(api: Management, vhost: str, user: str) -> None:
    before = live(api, vhost, user)
    wanted = every_kind(vhost, user)
    for resource in wanted:
        api.put(resource)
        api.put(resource)
    after = live(api, vhost, user)
    assert after.keys() - before.keys() == {resource.key for resource in wanted}
    assert [resource for resource in wanted if not same(after[resource.key], resource)] == []
    for resource in reversed(wanted):
        api.delete(after[resource.key])
        api.delete(resource)
    assert live(api, vhost, user) == before


def test_only_the_requested_kinds_are_read(api: Management, vhost: str) -> None:
    put_all(api, [queue(vhost, "q"), exchange(vhost, "e"), policy(vhost, "p")])
    found = api.read([vhost], [Kind.QUEUE, Kind.POLICY])
    assert {key.kind for key in found} == {Kind.QUEUE, Kind.POLICY}


@pytest.mark.parametrize("name", ODD)
def test_odd_names(api: Management, vhost: str, name: str) -> None:
    if name == "..":
        with Amqp(api.address, vhost) as amqp:
            amqp.declare(queue(vhost, name))
        assert queue_key(vhost, name) in api.read([vhost], [Kind.QUEUE])
        with pytest.raises(Rejected, match="is a relative path segment"):
            api.delete(queue(vhost, name))
        return
    wanted = [
        exchange(vhost, name),
        queue(vhost, name),
        Resource(binding_key(vhost, name, name, name, {name: name})),
        Resource(binding_key(vhost, name, name, name)),
        policy(vhost, name),
        parameter(vhost, "federation-upstream", name, {"uri": Secret("amqp://no-such-host")}),
    ]
    assert put_all(api, wanted) == []
    found = live(api, vhost)
    for resource in reversed(wanted):
        assert found[resource.key].properties == resource.properties
        api.delete(found[resource.key])
    assert not {resource.key for resource in wanted} & live(api, vhost).keys()


@pytest.mark.parametrize("name", ["a/b %é.😀", "v?x#y%2F"])
def test_odd_vhosts_and_users(api: Management, name: str) -> None:
    name = f"{name}-{uuid.uuid4().hex[:6]}"
    vhost = Resource(Key(Kind.VHOST, "", (name,)), {"description": "hi", "tags": ["a"]})
    user = Resource(Key(Kind.USER, "", (name,)), {"tags": [], "password": Secret("x")})
    try:
        api.put(vhost)
        api.put(user)
        api.put(Resource(Key(Kind.PERMISSION, name, (name,)), {"configure": "", "write": "", "read": ""}))
        api.put(Resource(Key(Kind.VHOST_LIMIT, name, ("max-queues",)), {"value": 7}))
        found = live(api, name, name)
        assert {Kind.VHOST, Kind.USER, Kind.PERMISSION, Kind.VHOST_LIMIT} <= {key.kind for key in found}
        assert vhost.properties.items() <= found[vhost.key].properties.items()
    finally:
        api.delete(user)
        api.delete(vhost)
    assert live(api, name, name).keys().isdisjoint({user.key, vhost.key})


def test_user_properties_that_are_not_set_are_kept(api: Management, user: str) -> None:
    key = Key(Kind.USER, "", (user,))
    api.put(Resource(key, {"tags": ["management"], "password": Secret("x")}))
    api.put(Resource(key, {"tags": ["monitoring"]}))
    found = api.read([], [Kind.USER])[key].properties
    assert found["tags"] == ["monitoring"]
    assert password_matches(Secret("x"), found["password_hash"], found["hashing_algorithm"])
    api.put(Resource(key, {"password": Secret("y")}))
    found = api.read([], [Kind.USER])[key].properties
    assert found["tags"] == ["monitoring"]
    assert password_matches(Secret("y"), found["password_hash"], found["hashing_algorithm"])
    api.put(Resource(key, {"password_hash": found["password_hash"], "tags": []}))
    found = api.read([], [Kind.USER])[key].properties
    assert found["tags"] == []
    assert password_matches(Secret("y"), found["password_hash"], found["hashing_algorithm"])


def test_vhost_properties_that_are_not_set_are_kept(api: Management, broker: Broker) -> None:
    key = Key(Kind.VHOST, "", (f"v-{uuid.uuid4().hex[:8]}",))
    full = {"description": "d", "tags": ["a", "b"], "default_queue_type": "quorum"}
    if broker.version < (3, 11):
        del full["default_queue_type"]
    try:
        api.put(Resource(key, full))
        api.put(Resource(key, {"description": "e"}))
        unprotected = {"description": "e", "protected_from_deletion": False}
        assert api.read([key.name[0]], [Kind.VHOST])[key].properties == full | unprotected
    finally:
        api.delete(Resource(key))


def test_a_missing_vhost_has_no_objects(api: Management) -> None:
    assert not [key for key in api.read(["no such vhost"], list(Kind)) if key.vhost]
    with pytest.raises(NotFound, match="vhost does not exist"):
        api.put(queue("no such vhost", "q"))
    api.delete(queue("no such vhost", "q"))


def test_the_brokers_own_objects_are_left_out(api: Management, vhost: str) -> None:
    api.put(queue(vhost, "q"))
    with Amqp(api.address, vhost) as amqp:
        channel = amqp._opened()
        channel.queue_declare("mine", exclusive=True)
        assert set(api.read([vhost], [Kind.EXCHANGE, Kind.QUEUE, Kind.BINDING])) == {queue_key(vhost, "q")}


def test_bindings_of_many_exchanges(api: Management, vhost: str) -> None:
    wanted = [queue(vhost, "q")]
    for number in range(60):
        wanted += [exchange(vhost, f"e{number}"), Resource(binding_key(vhost, f"e{number}", "q", "k"))]
    assert put_all(api, wanted) == []
    assert api.read([vhost], [Kind.EXCHANGE, Kind.QUEUE, Kind.BINDING]).keys() == {
        item.key for item in wanted
    }


def test_bindings_that_differ_in_the_width_of_an_integer(api: Management, vhost: str) -> None:
    api.put(queue(vhost, "q"))
    binding = Resource(binding_key(vhost, "amq.headers", "q", "", {"n": 5}))
    api.put(binding)
    with Amqp(api.address, vhost) as amqp:
        amqp.declare(binding)
        assert len(api._http.get(f"/bindings/{quote(vhost, safe='')}")) == 2
        amqp._opened().queue_bind("q", "amq.headers", "", {"n": 5})
    assert len(api._http.get(f"/bindings/{quote(vhost, safe='')}")) == 3
    found = api.read([vhost], [Kind.BINDING])
    assert list(found) == [binding.key]
    api.delete(found[binding.key])
    assert api.read([vhost], [Kind.BINDING]) == {}


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_a_queue_with_messages_is_kept(api: Management, vhost: str, queue_type: str) -> None:
    wanted = queue(vhost, "q", type=queue_type)
    api.put(wanted)
    with Amqp(api.address, vhost) as amqp:
        channel = amqp._opened()
        channel.confirm_delivery()
        channel.basic_publish("", "q", b"precious")
        (counted,) = api.counted([wanted])
        assert (counted.messages, counted.consumers) == (1, 0)
        with pytest.raises(Refused, match="holds messages"):
            api.delete(wanted, if_empty=True)
        channel.queue_purge("q")
    api.delete(wanted, if_empty=True)
    assert api.read([vhost], [Kind.QUEUE]) == {}
    (gone,) = api.counted([wanted])
    assert (gone.messages, gone.consumers) == (0, 0)


REJECTED = [
    (lambda v: queue(v, "q", arguments={"x-message-ttl": -1}), "x-message-ttl"),
    (lambda v: queue(v, "q", type="quorum", auto_delete=True), "auto.delete"),
    (lambda v: queue(v, "x" * 256), "255"),
    (lambda v: policy(v, "p", definition={"messag-ttl": 1}), "not recognised policy settings"),
    (lambda v: policy(v, "p", pattern="("), "regular expression"),
    (lambda v: Resource(Key(Kind.VHOST_LIMIT, v, ("max-cats",)), {"value": 1}), "max-cats"),
    (lambda v: parameter(v, "federation-upstream-set", "s", [{"upstream": 7}]), "binary"),
]


@pytest.mark.parametrize(("make", "reason"), REJECTED)
def test_a_rejection_has_the_brokers_reason(api: Management, vhost: str, make: Any, reason: str) -> None:
    with pytest.raises(Rejected, match=reason) as caught:
        api.put(make(vhost))
    assert str(make(vhost).key.kind) in caught.value.message
    assert "<<" not in caught.value.reason
    assert "\n" not in caught.value.message


def test_an_immutable_argument(api: Management, vhost: str) -> None:
    api.put(queue(vhost, "q"))
    with pytest.raises(Rejected, match="inequivalent arg 'x-max-length'"):
        api.put(queue(vhost, "q", arguments={"x-max-length": 5}))


def test_a_queue_whose_name_is_a_relative_path_is_counted(api: Management, vhost: str) -> None:
    resource = queue(vhost, ".")
    with Amqp(api.address, vhost) as amqp:
        amqp.declare(resource)
    found = api.counted([resource])[0]
    assert (found.messages, found.consumers) == (0, 0)
    with pytest.raises(Rejected, match="is a relative path segment"):
        api.delete(resource, if_empty=True)


def test_what_is_missing(api: Management, vhost: str) -> None:
    with pytest.raises(NotFound, match="no exchange 'none'"):
        api.put(Resource(binding_key(vhost, "none", "q")))
    with pytest.raises(NotFound, match="exchange type `x-none`") as caught:
        api.put(exchange(vhost, "e", type="x-none"))
    assert "plugin" in (caught.value.hint or "")
    with pytest.raises(NotFound, match="component no-such not found") as caught:
        api.put(parameter(vhost, "no-such", "s", {}))
    assert caught.value.hint == "enable the plugin that defines it"
    with pytest.raises(NotFound, match="the vhost or the user does not exist"):
        api.put(
            Resource(Key(Kind.PERMISSION, vhost, ("nobody",)), {"configure": "", "write": "", "read": ""})
        )


def test_put_all_names_each_failure(api: Management, vhost: str) -> None:
    steps: list[tuple[int, int]] = []
    wanted = [Resource(binding_key(vhost, "e", f"q{number}")) for number in range(20)]
    wanted += [queue(vhost, f"q{number}") for number in range(20)] + [exchange(vhost, "e")]
    bad = queue(vhost, "bad", arguments={"x-expires": 0})
    failures = put_all(api, [*wanted, bad], lambda *step: steps.append(step))
    assert [failure.resource for failure in failures] == [bad]
    assert "x-expires" in str(failures[0].error)
    assert steps[-1] == (42, 42)
    assert len(api.read([vhost], [Kind.BINDING])) == 20


def test_tags(broker: Broker, management: Raw, vhost: str, user: str) -> None:
    objects = [Kind.EXCHANGE, Kind.QUEUE, Kind.BINDING, Kind.POLICY, Kind.OPERATOR_POLICY, Kind.VHOST_LIMIT]
    for tag in ("management", "monitoring", "policymaker"):
        with login(broker, management, vhost, user, tag) as api:
            assert api.server().tags == {tag}
            assert "administrator" not in api.server().tags
            api.put(queue(vhost, "q"))
            assert queue_key(vhost, "q") in api.read([vhost], objects)
            with pytest.raises(AccessRefused, match="lacks the tag `administrator`"):
                api.read([vhost], [Kind.USER])
            with pytest.raises(AccessRefused, match="lacks the tag `administrator`"):
                api.put(policy(vhost, "p", Kind.OPERATOR_POLICY))
            if tag == "policymaker":
                api.put(policy(vhost, "p"))
                assert api.read([vhost], [Kind.PARAMETER]) == {}
                continue
            with pytest.raises(AccessRefused, match="lacks the tag `policymaker`"):
                api.put(policy(vhost, "p"))
            with pytest.raises(AccessRefused, match="lacks the tag `policymaker`"):
                api.read([vhost], [Kind.PARAMETER])
    with login(broker, management, vhost, user, "") as api, pytest.raises(AccessRefused) as caught:
        api.server()
    assert f"user `{user}` may not use the management API" in caught.value.message
    assert "set_user_tags" in (caught.value.hint or "")


def test_permissions(broker: Broker, management: Raw, vhost: str, user: str) -> None:
    with login(broker, management, vhost, user, "management", configure="^mine", read="^$") as api:
        api.put(queue(vhost, "mine"))
        with pytest.raises(AccessRefused, match=r"cannot create queue yours: .* lacks a permission"):
            api.put(queue(vhost, "yours"))
        with pytest.raises(AccessRefused, match="lacks a permission"):
            api.put(Resource(binding_key(vhost, "amq.topic", "mine", "k")))
        management.delete(f"permissions/{quote(vhost, safe='')}/{user}")
        with pytest.raises(AccessRefused, match="has no permissions in the vhost"):
            api.read([vhost], [Kind.QUEUE])
        with pytest.raises(AccessRefused, match="has no permissions in the vhost"):
            api.put(queue(vhost, "mine"))
        management.put(f"users/{user}", {"password": "other", "tags": "management"})
        with pytest.raises(AccessRefused, match="wrong user name or password") as caught:
            api.server()
    assert "pw" not in str(caught.value)
