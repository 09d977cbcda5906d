"""What is on the broker and not in the file: which objects count, and their data."""

from __future__ import annotations

import json

import pytest

from routectl.topology.base.resources import Key, Kind, Resource, binding_key
from routectl.topology.change.leftovers.objects import Leftover, is_internal, leftover_keys
from tests.fakes import exchange, policy, queue, state, user, vhost_key

HIGH = queue("high")


def names(*live: Resource, vhosts: tuple[str, ...] = ("/",), used: tuple[Key, ...] = ()) -> list[str]:
    """The leftovers beside a file with the queue `high`."""
    return [str(key) for key in leftover_keys(state(HIGH), state(*live), vhosts=vhosts, used=used)]


def test_objects_of_every_kind_that_the_file_does_not_name_are_left() -> None:
    shovel = Resource(Key(Kind.PARAMETER, "/", ("shovel", "s")))
    permission = Resource(Key(Kind.PERMISSION, "/", ("them",)))
    assert names(HIGH, queue("low"), exchange("old"), policy("p"), user("them"), permission, shovel) == [
        "queue low",
        "exchange old",
        "policy p",
        "user them",
        "permission them",
        "parameter shovel s",
    ]


def test_what_the_plan_deletes_or_needs_is_not_left() -> None:
    assert names(queue("low"), user("me"), used=(queue("low").key, user("me").key)) == []


def test_only_vhosts_that_the_file_does_not_cover_are_left() -> None:
    vhosts = [Resource(vhost_key(name)) for name in ("/", "reports", "theirs")]
    assert names(*vhosts, vhosts=("/", "reports")) == ["vhost theirs"]
    assert names(queue("low", "reports"), queue("low", "theirs"), vhosts=("/", "reports")) == ["queue low"]


@pytest.mark.parametrize(
    "name",
    [
        "celery.pidbox",
        "reply.celery.pidbox",
        "celeryev",
        "celeryev.worker@host",
        "worker@host.celery.pidbox",
        "celery_delayed_27",
        "celery_delayed_delivery",
        "amq.gen-JzTY",
        "federation: tasks -> rabbit@here",
    ],
)
def test_internal_objects_are_not_left(name: str) -> None:
    made = [queue(name), exchange(name), Resource(binding_key("/", name, "tasks", "k"))]
    assert all(is_internal(item.key) for item in made)
    assert names(*made) == []


@pytest.mark.parametrize("name", ["celery", "celery_delayed_", "celeryevents", "my.celery_delayed_3"])
def test_a_queue_with_a_similar_name_is_left(name: str) -> None:
    assert names(queue(name)) == [f"queue {name}"]


def test_built_in_exchanges_are_not_left() -> None:
    assert names(exchange("amq.topic"), exchange("amq.rabbitmq.log")) == []


def test_global_parameters_of_rabbitmq_itself_are_not_left() -> None:
    found = ("cluster_name", "internal_cluster_id", "mine")
    live = [Resource(Key(Kind.GLOBAL_PARAMETER, "", (name,)), {"value": 1}) for name in found]
    assert names(*live) == ["global parameter mine"]


def test_a_binding_from_a_built_in_exchange_is_left() -> None:
    assert names(Resource(binding_key("/", "amq.topic", "high", "k"))) == ['binding amq.topic -> high "k"']


def test_a_user_whose_name_looks_internal_is_left() -> None:
    assert names(user("celeryev")) == ["user celeryev"]


def test_a_leftover_survives_json_with_the_text_that_deletes_it() -> None:
    leftover = Leftover(queue("old", "reports").key, 3, 0, "nothing consumes it", "shop", True)
    document = json.loads(json.dumps(leftover.as_dict("/")))
    assert document["delete"] == "queue:old@reports"
    assert Leftover.from_dict(document) == leftover
