"""What the broker has and the file does not name: it is listed, and deleted by what the list calls it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.brokers import Management
from tests.conftest import delete_vhost

from .conftest import Command

FILE = "queues: {keep: {}}\n"
ALL = {"configure": ".*", "write": ".*", "read": ".*"}
ALLOW = tuple(f"--allow={risk}" for risk in ("destructive", "disruptive", "data-loss"))
DELETE = ("apply", "--yes", *ALLOW)


@pytest.fixture
def other(management: Management, vhost: str) -> Iterator[str]:
    """Another vhost, with an odd name; deleted after the test."""
    name = f"{vhost} @/%"
    management.put(f"vhosts/{quote(name, safe='')}")
    management.put(f"permissions/{quote(name, safe='')}/guest", ALL)
    yield name
    delete_vhost(management, name)


@pytest.fixture
def them(management: Management, vhost: str) -> Iterator[str]:
    """A user who is not in the file, with permissions in the vhost; deleted after the test."""
    name = f"them-{vhost}"
    management.put(f"users/{name}", {"password": name, "tags": "management"})
    management.put(f"permissions/{vhost}/{name}", ALL)
    yield name
    management.remove(f"users/{name}")


def populate(management: Management, vhost: str, user: str) -> None:
    """Creates an object of every kind in a vhost."""
    where = quote(vhost, safe="")
    policy = {"pattern": "^nothing$", "definition": {"max-length": 5}}
    management.put(f"policies/{where}/limits", policy)
    management.put(f"operator-policies/{where}/limits", policy)
    management.put(f"exchanges/{where}/old", {"type": "headers"})
    management.put(f"queues/{where}/old", {"durable": True})
    for target in ("q/old", "e/amq.fanout"):
        management.request(
            "POST", f"bindings/{where}/e/old/{target}", {"routing_key": "k", "arguments": {"x-match": "any"}}
        )
    management.put(f"vhost-limits/{where}/max-queues", {"value": 50})
    management.put(f"user-limits/{user}/max-connections", {"value": 50})
    management.put(f"global-parameters/{user}", {"value": {"any": 1}})
    management.put(f"permissions/{where}/{user}", ALL)
    management.put(f"topic-permissions/{where}/{user}", {"exchange": "old", "write": ".*", "read": ".*"})
    for component, name, value in (
        (
            "shovel",
            "move",
            {"src-uri": "amqp://", "src-queue": "old", "dest-uri": "amqp://", "dest-queue": "old"},
        ),
        ("federation-upstream", "site", {"uri": "amqp://user:s3cret@localhost:1"}),
        ("federation-upstream-set", "sites", [{"upstream": "site"}]),
    ):
        management.put(f"parameters/{component}/{where}/{name}", {"value": value})


def test_every_kind_is_listed_and_deleted_as_listed(
    routectl: Command, management: Management, vhost: str, them: str
) -> None:
    routectl.write(FILE)
    routectl("apply", "--yes")
    populate(management, vhost, them)
    shown = routectl("plan", "--verbose").out
    ours = [
        f"--delete 'user-limit:{them} max-connections'",
        f"--delete global-parameter:{them}",
        f"--delete user:{them}",
    ]
    listed = [line.strip() for line in shown.splitlines() if line.startswith("  --delete")]
    of_cluster = re.compile(r"--delete '?(vhost|user|user-limit|global-parameter):")
    options = [line.partition(" (")[0] for line in listed if not of_cluster.match(line)] + ours
    assert len(options) == 15
    assert "s3cret" not in shown
    words = [word for option in options for word in shlex.split(option)]
    assert "Applied: 15 deleted. Broker matches" in routectl(*DELETE, *words).out
    assert routectl("plan").out.splitlines()[2:] == [f"No changes. Broker matches {routectl.path}."]
    assert them not in [user["name"] for user in management.get("users")]
    again = routectl(*DELETE, "--delete", "policy:limits")
    assert again.code == 0
    assert "note: nothing to delete: policy limits does not exist" in again.out


def test_objects_of_other_vhosts_and_whole_vhosts_are_deleted_by_name(
    routectl: Command, management: Management, vhost: str, other: str, them: str
) -> None:
    populate(management, other, them)
    management.put(f"queues/{quote(other, safe='')}/kept", {"durable": True})
    routectl.write(FILE)
    words = [
        f"queue:old@{other}",
        f"policy:limits@{other}",
        f"shovel:move@{other}",
        f"vhost-limit:max-queues@{other}",
    ]
    options = [word for name in words for word in ("--delete", name)]
    assert "1 created, 4 deleted" in routectl(*DELETE, *options).out
    assert [queue["name"] for queue in management.get(f"queues/{quote(other, safe='')}")] == ["kept"]
    assert "Applied: 1 deleted" in routectl(*DELETE, "--delete", f"vhost:{other}").out
    assert other not in [item["name"] for item in management.get("vhosts")]


def test_what_a_file_declares_or_the_command_uses_cannot_be_deleted(routectl: Command, vhost: str) -> None:
    routectl.write(FILE)
    for name, reason in (
        ("queue:keep", "the file declares it"),
        (f"vhost:{vhost}", "this command uses it"),
        ("user:guest", "this command uses it"),
        ("exchange:amq.topic", "built into RabbitMQ"),
    ):
        result = routectl(*DELETE, "--delete", name)
        assert (result.code, reason in result.err) == (2, True)


def test_what_a_user_may_not_read_is_said(
    routectl: Command, management: Management, vhost: str, them: str
) -> None:
    management.put(f"policies/{vhost}/theirs", {"pattern": "x", "definition": {"max-length": 5}})
    routectl.write(FILE)
    host = routectl.broker.management.rpartition("@")[2]
    where = {
        "url": routectl.broker.url_for(vhost, them, them),
        "management": f"http://{them}:{them}@{host}",
    }
    result = routectl("plan", **where)
    assert result.code == 0
    assert "policy  theirs" in result.out
    assert (
        "read them: global parameters, shovels and federation upstreams (needs the tag `policymaker`)"
        in result.out
    )
    assert "permissions, topic permissions, users (needs the tag `administrator`)" in result.out
    refused = routectl("plan", "--delete", "shovel:s", **where)
    assert (refused.code, "may not read" in refused.err) == (2, True)


def test_leftovers_are_in_the_json_with_their_counts(
    routectl: Command, management: Management, vhost: str, tmp_path: Path
) -> None:
    management.put(f"queues/{vhost}/theirs", {"durable": True})
    routectl.write(FILE)
    leftovers = routectl("plan", "--format", "json", "--out", str(tmp_path / "plan.json")).json["leftovers"]
    assert {
        "kind": "queue",
        "vhost": vhost,
        "name": ["theirs"],
        "messages": 0,
        "consumers": 0,
        "harm": None,
        "stack": None,
        "protected": False,
        "delete": "queue:theirs",
    } in leftovers
    assert routectl("apply", str(tmp_path / "plan.json"), "--yes").code == 0


def test_what_harms_tasks_is_explained_and_deleted_as_listed(
    routectl: Command, management: Management, vhost: str
) -> None:
    routectl.write("""
exchanges: {tasks: {type: topic}, tasks.dead: {type: fanout}}
queues:
  normal: {type: quorum, bindings: [{exchange: tasks, key: normal}]}
  dead: {bindings: [{exchange: tasks.dead}]}
routes: [{tasks: "*", queue: normal}]
""")
    routectl("apply", "--yes")
    # What a worker that declares its own queues leaves behind.
    management.request(
        "POST",
        f"bindings/{vhost}/e/celery_delayed_delivery/q/dead",
        {"routing_key": "#.normal", "arguments": {}},
    )
    management.put(f"queues/{vhost}/forgotten", {"durable": True})
    message = {"properties": {}, "routing_key": "forgotten", "payload": "x", "payload_encoding": "string"}
    management.request("POST", f"exchanges/{vhost}/amq.default/publish", message)
    shown = routectl("plan").out
    assert "harmful: delayed tasks for queue normal also go to queue dead\n" in shown
    assert "harmful: 1 message waits here, and nothing consumes the queue\n" in shown
    assert f"Broker matches {routectl.path}, apart from 2 harmful leftovers." in shown
    option = next(
        line for line in shown.splitlines() if "celery_delayed_delivery" in line and "--delete" in line
    )
    words = shlex.split(option.partition("to delete it: ")[2])
    assert "apart from 1 harmful leftover." in routectl(*DELETE, *words).out
    copy = {"routing_key": "normal", "arguments": {}}
    management.request("POST", f"bindings/{vhost}/e/tasks/q/forgotten", copy)
    assert "apart from 2 harmful leftovers." in routectl("plan").out
    # What a deletion takes with it is not left over.
    assert "harmful" not in routectl("plan", "--delete", "queue:forgotten").out
    assert "harmful" not in routectl(*DELETE, "--delete", "queue:forgotten").out


def test_tasks_that_a_deletion_would_lose_are_counted(
    routectl: Command, management: Management, vhost: str, other: str
) -> None:
    routectl.write("""
exchanges: {tasks: {type: topic}}
queues:
  high: {type: quorum, bindings: [{exchange: tasks, key: high}]}
  old: {type: quorum, bindings: [{exchange: tasks, key: old}]}
routes: [{tasks: "a.*", queue: old}, {tasks: "*", queue: high}]
""")
    routectl("apply", "--yes")
    routectl.write("""
exchanges: {tasks: {type: topic}}
queues: {high: {type: quorum, bindings: [{exchange: tasks, key: high}]}}
routes: [{tasks: "*", queue: high}]
""")
    # A task that is due in more than four years.
    delayed = {
        "properties": {},
        "routing_key": "1." + "0." * 27 + "old",
        "payload": "x",
        "payload_encoding": "string",
    }
    assert management.request("POST", f"exchanges/{vhost}/celery_delayed_27/publish", delayed)[1]["routed"]
    words = ("apply", "--yes", "--delete", "queue:old", "--allow", "destructive")
    refused = routectl(*words)
    assert refused.code == 1
    assert (
        "queue old would be deleted (0 messages, 0 consumers, up to 1 delayed task on the way to it)"
        in refused.err
    )
    assert "--allow data-loss" in refused.err
    assert "1 deleted" in routectl(*words, "--allow", "data-loss").out

    there = quote(other, safe="")
    management.put(f"queues/{there}/q", {"durable": True})
    message = {"properties": {}, "routing_key": "q", "payload": "x", "payload_encoding": "string"}
    management.request("POST", f"exchanges/{there}/amq.default/publish", message)
    refused = routectl("apply", "--yes", "--delete", f"vhost:{other}", "--allow", "destructive")
    assert refused.code == 1
    assert "would be deleted, with everything in it (1 message, 0 consumers)" in refused.err
    management.request("DELETE", f"permissions/{there}/guest")
    plan = routectl("plan", "--delete", f"vhost:{other}").out
    assert (
        "destructive, disruptive, data-loss: its deletion was requested (messages and consumers unknown)"
        in plan
    )
