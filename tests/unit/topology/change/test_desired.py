"""The broker objects of each part of a file."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.topology.base.resources import Key, Kind, Resource, State, binding_key, exchange_key, queue_key
from routectl.topology.base.scalar import Interpolated
from routectl.topology.base.secret import Secret
from routectl.topology.change.desired import desired_state
from routectl.topology.model import Topology
from tests.fakes import exchange, vhost_key

ROUTED: dict[str, Any] = {
    "exchanges": {"tasks": {"type": "topic"}},
    "queues": {"high": {"type": "quorum", "bindings": [{"exchange": "tasks", "key": "high"}]}},
    "routes": [{"tasks": "*", "queue": "high"}],
}


def wanted(here: str = "/", /, **sections: Any) -> State:
    return desired_state(Topology.model_validate({"version": 1, **sections}), here)


def listed(found: State) -> list[str]:
    return [str(key) for key in found]


def delayed(found: State) -> list[Key]:
    return [key for key in found if any(name.startswith("celery_delayed_") for name in key.name)]


def classic(**sections: Any) -> dict[str, Any]:
    queues = {"high": ROUTED["queues"]["high"] | {"type": "classic"}}
    return {**ROUTED, "queues": queues, **sections}


def test_an_empty_file_declares_nothing() -> None:
    assert wanted() == {}


def test_a_named_vhost_is_created_and_an_unnamed_one_must_exist() -> None:
    assert listed(wanted("shop", vhost="shop")) == ["vhost shop"]
    assert listed(wanted("shop")) == []


def test_a_vhost_with_settings_is_created() -> None:
    found = wanted("shop", description="All orders", tags=["b", "a"], default_queue_type="quorum")
    properties = {"description": "All orders", "tags": ["a", "b"], "default_queue_type": "quorum"}
    assert found == {vhost_key("shop"): Resource(vhost_key("shop"), properties)}


def test_settings_of_workers_are_not_declared() -> None:
    plain, waiting = (wanted(queues={"low": queue}) for queue in ({}, {"max_wait": "30s"}))
    assert plain == waiting != {}


def test_limits_of_users_and_global_parameters_are_objects_of_their_own() -> None:
    token = Interpolated("x", plain=False, written="${TOKEN}")
    found = wanted(
        users={"app": {"limits": {"max_channels": 5}}}, global_parameters={"g": {"token": token}, "n": None}
    )
    values = {key: item.properties["value"] for key, item in found.items() if "value" in item.properties}
    assert values == {
        Key(Kind.USER_LIMIT, "", ("app", "max-channels")): 5,
        Key(Kind.GLOBAL_PARAMETER, "", ("g",)): {"token": Secret("x")},
        Key(Kind.GLOBAL_PARAMETER, "", ("n",)): None,
    }


def test_external_objects_must_exist_unless_they_appear_later() -> None:
    found = wanted(
        exchanges={"e": {"external": True}, "f": {"external": "later"}},
        queues={"q": {"external": True}, "r": {"external": "later"}, "s": {}},
    )
    assert {str(key): (item.external, item.may_be_missing) for key, item in found.items()} == {
        "exchange e": (True, False),
        "exchange f": (True, True),
        "queue q": (True, False),
        "queue r": (True, True),
        "queue s": (False, False),
    }


def test_additional_vhosts_are_created_with_their_objects() -> None:
    assert listed(wanted(vhosts={"shop": {"queues": {"high": {}}}})) == ["vhost shop", "queue high"]


def test_the_same_name_in_two_vhosts_is_two_queues() -> None:
    found = wanted(queues={"q": {}}, vhosts={"shop": {"queues": {"q": {}}}})
    assert [key.vhost for key in found if key.kind is Kind.QUEUE] == ["/", "shop"]


def test_limits_have_the_brokers_names() -> None:
    found = wanted(limits={"max_connections": 5, "max_queues": -1})
    assert {key.name[0]: item.properties["value"] for key, item in found.items()} == {
        "max-connections": 5,
        "max-queues": -1,
    }


def test_an_exchange_is_durable_and_of_type_topic_by_default() -> None:
    assert wanted(exchanges={"tasks": {}})[exchange_key("/", "tasks")] == exchange("tasks", type="topic")


def test_an_exchange_with_everything() -> None:
    section = {"type": "fanout", "durable": False, "auto_delete": True, "internal": True}
    found = wanted(exchanges={"x": section | {"alternate_exchange": "amq.fanout"}})
    assert found[exchange_key("/", "x")].properties == {
        **section,
        "arguments": {"alternate-exchange": "amq.fanout"},
    }


def test_a_queue_has_its_type_as_a_property_and_the_rest_as_arguments() -> None:
    found = wanted(queues={"q": {"type": "quorum", "delivery_limit": 5, "arguments": {"x-note": "n"}}})
    assert found[queue_key("/", "q")].properties == {
        "type": "quorum",
        "durable": True,
        "auto_delete": False,
        "arguments": {"x-delivery-limit": 5, "x-note": "n"},
    }


@pytest.mark.parametrize(
    ("version", "limit"), [((3, 13), {}), ((4, 0), {"x-delivery-limit": -1}), (None, {})]
)
def test_no_delivery_limit_is_an_argument_since_rabbitmq_4(
    version: tuple[int, int] | None, limit: dict[str, int]
) -> None:
    data = {"version": 1, "queues": {"q": {"type": "quorum", "delivery_limit": "none"}}}
    found = desired_state(Topology.model_validate(data), "/", version)
    assert found[queue_key("/", "q")].properties["arguments"] == limit


@pytest.mark.parametrize(("version", "definitions"), [((3, 13), []), ((4, 0), [{"delivery-limit": -1}])])
def test_a_policy_without_keys_is_left_out(
    version: tuple[int, int], definitions: list[dict[str, int]]
) -> None:
    policy = {"pattern": "^q$", "definition": {"delivery_limit": "none"}}
    found = desired_state(Topology.model_validate({"version": 1, "policies": {"p": policy}}), "/", version)
    assert [item.properties["definition"] for item in found.values()] == definitions


def test_external_objects_are_marked_and_their_bindings_are_managed() -> None:
    found = wanted(
        exchanges={"theirs": {"type": "fanout", "external": True}},
        queues={"q": {"bindings": [{"exchange": "theirs"}]}},
    )
    assert {str(key): item.external for key, item in found.items()} == {
        "exchange theirs": True,
        "queue q": False,
        'binding theirs -> q ""': False,
    }


def test_bindings_are_identified_by_source_destination_key_and_arguments() -> None:
    found = wanted(
        exchanges={
            "in": {"type": "headers"},
            "out": {"bindings": [{"exchange": "in", "headers": {"a": 1}, "match": "any"}]},
        },
        queues={"q": {"bindings": [{"exchange": "out", "key": "one"}, {"exchange": "out", "key": "two"}]}},
    )
    assert [key for key in found if key.kind is Kind.BINDING] == [
        binding_key("/", "in", "out", "", {"x-match": "any", "a": 1}, to_exchange=True),
        binding_key("/", "out", "q", "one"),
        binding_key("/", "out", "q", "two"),
    ]


@pytest.mark.parametrize(
    ("section", "kind"), [("policies", Kind.POLICY), ("operator_policies", Kind.OPERATOR_POLICY)]
)
def test_policies(section: str, kind: Kind) -> None:
    policy = {"pattern": "^a", "apply_to": "queues", "priority": 3, "definition": {"max_length": 10}}
    found = wanted(**{section: {"p": policy}})
    assert found[Key(kind, "/", ("p",))].properties == policy | {"definition": {"max-length": 10}}


def test_federation_and_shovels_are_parameters_whose_uris_are_secret() -> None:
    found = wanted(
        federation={
            "upstreams": {"far": {"uri": "amqp://far", "max_hops": 1}},
            "upstream_sets": {"all-of-them": [{"upstream": "far", "queue": "q"}]},
        },
        shovels={"s": {"src_uri": "amqp://a", "src_queue": "q", "dest_uri": ["amqp://b", "amqp://c"]}},
    )
    assert {key.name: item.properties["value"] for key, item in found.items()} == {
        ("federation-upstream", "far"): {"uri": Secret("amqp://far"), "max-hops": 1},
        ("federation-upstream-set", "all-of-them"): [{"upstream": "far", "queue": "q"}],
        ("shovel", "s"): {
            "src-uri": Secret("amqp://a"),
            "src-queue": "q",
            "dest-uri": [Secret("amqp://b"), Secret("amqp://c")],
        },
    }


def test_a_user_has_permissions() -> None:
    found = wanted(
        users={
            "app": {
                "tags": ["monitoring", "administrator"],
                "password_hash": "A3wzwHYVMG4PH/2RDGFxmYJgxSQhe4u4YxQ1FBDUQjVTEcUr",
                "permissions": {"/": {"read": ".*"}},
                "topic_permissions": {"/": {"tasks": {"write": "^app"}}},
            }
        }
    )
    assert {str(key): dict(item.properties) for key, item in found.items()} == {
        "user app": {
            "tags": ["administrator", "monitoring"],
            "password_hash": Secret("A3wzwHYVMG4PH/2RDGFxmYJgxSQhe4u4YxQ1FBDUQjVTEcUr"),
        },
        "permission app": {"configure": "^$", "write": "^$", "read": ".*"},
        "topic permission app tasks": {"write": "^app", "read": ".*"},
    }


def test_a_user_keeps_what_the_file_does_not_say() -> None:
    key = Key(Kind.USER, "", ("app",))
    assert wanted(users={"app": {}})[key].properties == {}
    assert wanted(users={"app": {"tags": []}})[key].properties == {"tags": []}


def test_quorum_queues_with_tasks_require_delayed_delivery() -> None:
    kinds = [key.kind for key in delayed(wanted(**ROUTED))]
    assert [kinds.count(kind) for kind in (Kind.EXCHANGE, Kind.QUEUE, Kind.BINDING)] == [29, 28, 57]


def test_delayed_tasks_are_routed_to_their_queue() -> None:
    found = wanted(**ROUTED)
    assert binding_key("/", "celery_delayed_delivery", "tasks", "#.high", to_exchange=True) in found
    assert binding_key("/", "tasks", "high", "#.high") in found


@pytest.mark.parametrize(
    ("file", "mode", "has_it"),
    [
        (ROUTED, "auto", True),
        (ROUTED, "always", True),
        (ROUTED, "never", False),
        (classic(), "auto", False),
        (classic(), "always", True),
        (classic(), "never", False),
    ],
)
def test_when_delayed_delivery_is_part_of_the_plan(file: dict[str, Any], mode: str, has_it: bool) -> None:
    assert bool(delayed(wanted(**file, delayed_delivery=mode))) is has_it


def test_a_quorum_queue_without_tasks_requires_no_delayed_delivery() -> None:
    assert not delayed(wanted(**(ROUTED | {"routes": []})))
    other = {"queues": classic()["queues"] | {"other": {"type": "quorum"}}}
    assert not delayed(wanted(**(ROUTED | other)))


@pytest.mark.parametrize(
    "section", [{"workers": {"w": {"queues": ["high"]}}}, {"unmatched": "high"}], ids=["worker", "unmatched"]
)
def test_queues_of_workers_and_unmatched_have_tasks(section: dict[str, Any]) -> None:
    assert delayed(wanted(**(ROUTED | {"routes": []} | section)))


def test_delayed_delivery_belongs_to_the_vhost_whose_tasks_need_it() -> None:
    found = wanted(vhosts={"shop": ROUTED})
    assert {key.vhost for key in delayed(found)} == {"shop"}


def test_direct_exchanges_have_no_delayed_delivery() -> None:
    assert not delayed(wanted(**(ROUTED | {"exchanges": {"tasks": {"type": "direct"}}})))


@given(st.sets(st.sampled_from("abcdef")), st.sampled_from(["/", "shop"]))
def test_each_object_has_its_own_key(names: set[str], vhost: str) -> None:
    found = wanted(vhost, queues={name: {"bindings": [{"exchange": "amq.topic"}]} for name in names})
    assert all(key == item.key and key.vhost == vhost for key, item in found.items())
    assert len(found) == 2 * len(names)
