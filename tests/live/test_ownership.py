"""What a stack created and its file no longer names: it is pruned, and nothing else is."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from routectl.topology.broker import writes
from tests.brokers import Management
from tests.conftest import delete_vhost

from .conftest import Command

ALL = {"configure": ".*", "write": ".*", "read": ".*"}
#: The distance between the writes after which an apply dies; `make proof` tries each.
STEP = 1 if int(os.environ.get("ROUTECTL_TEST_ROUNDS", "1")) > 1 else 5

PRUNE = ("apply", "--yes", "--prune", "--allow", "destructive")


@pytest.fixture
def other(management: Management, vhost: str) -> Iterator[str]:
    """The name of another vhost, which the test may create; deleted after the test."""
    name = f"{vhost} @/%"
    yield name
    delete_vhost(management, name)


def queues(management: Management, vhost: str) -> list[str]:
    return sorted(item["name"] for item in management.get(f"queues/{quote(vhost, safe='')}"))


def record_path(vhost: str, stack: str = "default") -> str:
    return f"global-parameters/{quote(f'routectl.stack.{stack}@{vhost}', safe='')}"


def record(management: Management, vhost: str, stack: str = "default") -> dict[str, Any]:
    """The record of a stack."""
    found: dict[str, Any] = management.get(record_path(vhost, stack))["value"]
    return found


def created(record: dict[str, Any], vhost: str, kind: str) -> list[Any]:
    """The objects of a kind that a record says the stack created."""
    marks = record.get("created", {}).get(vhost, {}).get(kind, {})
    return sorted(name for names in marks.values() for name in names)


def test_what_left_the_file_is_pruned_and_what_others_made_is_not(
    routectl: Command, management: Management, vhost: str
) -> None:
    management.put(f"queues/{vhost}/before", {"durable": True})
    management.put(f"queues/{vhost}/theirs", {"durable": True})
    routectl.write("""
exchanges: {tasks: {type: topic}}
queues:
  high: {bindings: [{exchange: tasks, key: high}]}
  low: {bindings: [{exchange: tasks, key: low}]}
  before: {}
""")
    assert routectl("apply", "--yes").code == 0
    found = record(management, vhost)
    assert created(found, vhost, "queue") == ["high", "low"]
    assert found["uses"] == {vhost: {"queue": ["before"]}}
    assert "binding" not in found["created"][vhost]
    routectl.write("""
exchanges: {tasks: {type: topic}}
queues: {high: {bindings: [{exchange: tasks, key: high}]}}
""")
    shown = routectl("plan").out
    assert "note: 2 objects not in" in shown
    assert (
        "created by this stack (`--prune` deletes):\n  queue    low (0 messages, 0 consumers)\n  binding  tasks -> low"
        in shown
    )
    assert "left unchanged:\n  queue  before (0 messages, 0 consumers), theirs" in shown
    leftovers = {
        item["name"][0]: item["stack"]
        for item in routectl("plan", "--format", "json").json["leftovers"]
        if item["vhost"] == vhost
    }
    assert leftovers == {"low": "default", "tasks": "default", "before": None, "theirs": None}
    refused = routectl("apply", "--yes", "--prune")
    assert (refused.code, "queue low would be deleted" in refused.err) == (1, True), refused.err
    shown = routectl(*PRUNE).out
    assert (
        "destructive: it is no longer in the file, and this stack created it (0 messages, 0 consumers)"
        in shown
    )
    assert "Applied: 1 deleted. Broker matches" in shown
    assert queues(management, vhost) == ["before", "high", "theirs"]
    assert created(record(management, vhost), vhost, "queue") == ["high"]
    assert "No changes." in routectl("plan", "--prune").out


EVERYTHING = """
name: all
queues: {{keep: {{}}}}
vhosts:
  "{other}":
    exchanges: {{tasks: {{type: topic}}}}
    queues:
      q:
        bindings:
          - {{exchange: tasks, key: k}}
          - {{exchange: amq.topic, key: k}}
          - {{exchange: amq.headers, match: all, headers: {{account: a-1}}}}
    policies: {{limits: {{pattern: ^x, apply_to: queues, definition: {{max_length: 5}}}}}}
    operator_policies: {{limits: {{pattern: ^x, apply_to: queues, definition: {{max_length: 5}}}}}}
    limits: {{max_queues: 50}}
    shovels: {{move: {{src_uri: "amqp://", src_queue: q, dest_uri: "amqp://", dest_queue: q}}}}
    federation:
      upstreams: {{site: {{uri: "amqp://u:${{PASSWORD}}@localhost:1"}}}}
      upstream_sets: {{sites: [{{upstream: site}}]}}
users:
  "{user}":
    password: ${{PASSWORD}}
    tags: [management]
    limits: {{max_connections: 5}}
    permissions: {{"{other}": {{configure: .*, write: .*, read: .*}}}}
    topic_permissions: {{"{other}": {{tasks: {{write: .*, read: .*}}}}}}
global_parameters: {{"{user}": {{any: 1, none: [], more: {{}}}}}}
"""


def test_every_kind_in_two_vhosts_is_pruned_and_a_vhost_with_other_objects_is_kept(
    routectl: Command, management: Management, vhost: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", "s3cret-of-mine")
    user, there = f"user-{vhost}", quote(other, safe="")
    routectl.write(EVERYTHING.format(other=other, user=user))
    assert routectl("apply", "--yes").code == 0
    written = record(management, vhost, "all")
    assert "s3cret-of-mine" not in json.dumps(written)
    assert "a-1" not in json.dumps(written)
    assert set(written["created"][other]) == {
        "binding",
        "exchange",
        "operator policy",
        "parameter",
        "permission",
        "policy",
        "queue",
        "topic permission",
        "vhost limit",
    }
    assert set(written["created"][""]) == {"global parameter", "user", "user limit", "vhost"}
    management.put(f"queues/{there}/theirs", {"durable": True})
    routectl.write("name: all\nqueues: {keep: {}}\n")
    assert "created by this stack (`--prune` deletes):" in routectl("plan").out
    result = routectl(*PRUNE, "--allow", "mass-change")
    assert result.code == 0, result.err
    assert f"not pruned: vhost {other} (it contains queue theirs, which is kept)" in result.out
    assert queues(management, other) == ["theirs"]
    names = [item["name"] for item in management.get(f"exchanges/{there}")]
    assert "tasks" not in names
    assert user not in [item["name"] for item in management.get("users")]
    assert created(record(management, vhost, "all"), "", "vhost") == [other]
    management.delete(f"queues/{there}/theirs")
    assert "Applied: 1 deleted" in routectl(*PRUNE).out
    assert other not in [item["name"] for item in management.get("vhosts")]
    assert "No changes." in routectl("plan", "--prune").out
    assert set(record(management, vhost, "all")["created"]) == {vhost}


def test_what_somebody_else_bound_keeps_an_object_of_the_stack(
    routectl: Command, management: Management, vhost: str
) -> None:
    routectl.write("exchanges: {tasks: {type: topic}, other: {}}\nqueues: {keep: {}}\n")
    routectl("apply", "--yes")
    management.put(f"queues/{vhost}/theirs", {"durable": True})
    management.request("POST", f"bindings/{vhost}/e/tasks/q/theirs", {"routing_key": "k", "arguments": {}})
    routectl.write("queues: {keep: {}}\n")
    shown = routectl(*PRUNE).out
    assert 'not pruned: exchange tasks (binding tasks -> theirs "k" is not of this stack)' in shown
    assert "Applied: 1 deleted" in shown
    assert management.request("GET", f"exchanges/{vhost}/tasks")[0] == 200


def test_a_lost_an_older_and_a_newer_record_delete_nothing(
    routectl: Command, management: Management, vhost: str
) -> None:
    routectl.write("queues: {keep: {}, q: {}}\n")
    routectl("apply", "--yes")
    older = record(management, vhost)
    routectl.write("queues: {keep: {}}\n")
    assert "Applied: 1 deleted" in routectl(*PRUNE).out
    # Somebody makes the same queue, and an older backup is restored.
    management.put(f"queues/{vhost}/q", {"durable": True, "arguments": {"x-queue-type": "classic"}})
    management.put(record_path(vhost), {"value": older})
    shown = routectl("plan", "--prune").out
    assert "the record of stack `default` is older than its last apply" in shown
    assert "No changes." in shown
    # The next apply writes a new record, in which nothing is the stack's but what it creates from now on.
    routectl.write("queues: {keep: {}, new: {}}\n")
    routectl(*PRUNE)
    assert created(record(management, vhost), vhost, "queue") == ["new"]
    routectl.write("queues: {keep: {}}\n")
    assert "Applied: 1 deleted" in routectl(*PRUNE).out
    assert queues(management, vhost) == ["keep", "q"]

    management.put(record_path(vhost), {"value": {**older, "version": 2}})
    newer = routectl("plan", "--prune")
    assert (newer.code, "it has format 2, which a newer routectl wrote" in newer.err) == (1, True)
    routectl.write("queues: {keep: {}, more: {}}\n")
    assert "is not recorded for `--prune`" in routectl("apply", "--yes").out
    assert record(management, vhost)["version"] == 2
    management.put(record_path(vhost), {"value": ["damaged"]})
    assert "it is damaged" in routectl("plan", "--prune").err

    management.delete(record_path(vhost))
    routectl.write("queues: {keep: {}}\n")
    assert "nothing to prune: the broker has no record" in routectl("plan", "--prune").out
    assert "No changes." in routectl(*PRUNE).out


def test_what_was_made_anew_with_other_properties_or_in_a_new_vhost_is_not_the_stacks(
    routectl: Command, management: Management, vhost: str
) -> None:
    routectl.write("queues: {keep: {}, q: {}, r: {}}\n")
    routectl("apply", "--yes")
    management.delete(f"queues/{vhost}/q")
    management.put(f"queues/{vhost}/q", {"durable": True, "arguments": {"x-max-length": 5}})
    routectl.write("queues: {keep: {}}\n")
    assert "Applied: 1 deleted" in routectl(*PRUNE).out
    assert queues(management, vhost) == ["keep", "q"]
    management.remove(f"vhosts/{vhost}")
    management.put(f"vhosts/{vhost}")
    management.put(f"permissions/{vhost}/guest", ALL)
    management.put(f"queues/{vhost}/keep", {"durable": True, "arguments": {"x-queue-type": "classic"}})
    routectl.write("exchanges: {}\n")
    shown = routectl("plan", "--prune").out
    assert "No changes." in shown
    assert f"nothing is pruned in vhost `{vhost}`" in shown


def test_an_object_of_another_stack_is_used_as_external_or_taken_over(
    routectl: Command, management: Management, vhost: str
) -> None:
    ours = "name: ours\nexchanges: {tasks: {type: topic}, more: {}}\nqueues: {q: {}}\n"
    routectl.write(ours)
    routectl("apply", "--yes")
    routectl.write("name: theirs\nexchanges: {tasks: {type: topic}}\nqueues: {high: {}}\n")
    refused = routectl("apply", "--yes")
    assert refused.code == 1
    assert "exchange tasks belongs to stack `ours`" in refused.err
    assert (
        "mark it `external: true` in this file, or take it over with `--take-over exchange:tasks`"
        in refused.err
    )
    assert "high" not in queues(management, vhost)
    routectl.write(
        "name: theirs\nexchanges: {tasks: {external: true}}\n"
        "queues: {high: {bindings: [{exchange: tasks, key: k}]}}\n"
    )
    assert routectl("apply", "--yes").code == 0
    # The exchange is kept for the file that uses it.
    routectl.write("name: ours\nqueues: {q: {}}\n")
    kept = routectl(*PRUNE).out
    assert "not pruned: exchange tasks (the file of stack `theirs` declares it, too)" in kept
    assert "Applied: 1 deleted" in kept
    routectl.write(
        "name: theirs\nexchanges: {tasks: {type: topic}}\n"
        "queues: {high: {bindings: [{exchange: tasks, key: k}]}}\n"
    )
    shown = routectl("apply", "--yes", "--take-over", "exchange:tasks").out
    assert "Plan: 1 to take over" in shown
    assert "1 taken over" in shown
    assert created(record(management, vhost, "theirs"), vhost, "exchange") == ["tasks"]
    assert created(record(management, vhost, "ours"), vhost, "exchange") == []
    assert routectl("plan", "--exit-code").code == 0
    # All of a stack, such as after a new name; what left the file is pruned at once.
    routectl.write("name: new\nqueues: {high: {}}\n")
    assert "2 objects belong to stack" not in routectl("plan").err
    result = routectl(*PRUNE, "--take-over", "stack:theirs", "--allow", "data-loss")
    assert result.code == 0, result.err
    assert queues(management, vhost) == ["high", "q"]
    assert management.request("GET", f"exchanges/{vhost}/tasks")[0] == 404
    assert created(record(management, vhost, "new"), vhost, "queue") == ["high"]
    for words, reason in (
        ("queue:gone", "nothing to take over"),
        ("stack:gone", "no other stack has this name"),
        ("table:q", "does not name an object"),
    ):
        wrong = routectl("plan", "--take-over", words)
        assert (wrong.code, reason in wrong.err) == (2, True)


def test_two_vhosts_are_two_stacks_and_a_queue_that_was_there_before_can_be_taken_over(
    routectl: Command, management: Management, vhost: str, other: str
) -> None:
    there = quote(other, safe="")
    management.put(f"vhosts/{there}")
    management.put(f"permissions/{there}/guest", ALL)
    routectl.write("queues: {a: {}, b: {}}\n")
    routectl("apply", "--yes")
    routectl("apply", "--yes", url=routectl.broker.url_for(other))
    routectl.write("queues: {a: {}}\n")
    assert "Applied: 1 deleted" in routectl(*PRUNE).out
    assert queues(management, other) == ["a", "b"]
    management.put(f"queues/{vhost}/before", {"durable": True})
    routectl("apply", "--yes", "--take-over", "queue:before")
    assert created(record(management, vhost), vhost, "queue") == ["a", "before"]
    assert "Applied: 1 deleted" in routectl(*PRUNE).out


def test_without_the_tag_everything_but_pruning_works_and_says_so(
    routectl: Command, vhost: str, user: Any, management: Management
) -> None:
    name = user("management")
    host = routectl.broker.management.rpartition("@")[2]
    where = {"url": routectl.broker.url_for(vhost, name, name), "management": f"http://{name}:{name}@{host}"}
    routectl.write("queues: {q: {}}\n")
    done = routectl("apply", "--yes", **where)
    assert done.code == 0
    assert "what this file creates is not recorded for `--prune`" in done.out
    assert management.request("GET", record_path(vhost))[0] == 404
    for option in (["--prune"], ["--take-over", "queue:q"]):
        refused = routectl("plan", *option, **where)
        assert (refused.code, "which this user may not read" in refused.err) == (1, True)
    over_amqp = routectl("apply", "--via", "amqp", "--prune", "--yes")
    assert (over_amqp.code, "`--prune` needs the management API" in over_amqp.err) == (2, True)


def test_a_saved_plan_prunes_what_it_showed(routectl: Command, vhost: str, tmp_path: Path) -> None:
    routectl.write("queues: {keep: {}, q: {}}\n")
    routectl("apply", "--yes")
    routectl.write("queues: {keep: {}}\n")
    saved = str(tmp_path / "plan.json")
    assert "--prune" not in routectl("plan", "--prune", "--out", saved).err
    plan = json.loads(Path(saved).read_text())
    assert [key["name"] for key in plan["ownership"]["pruned"]] == [["q"]]
    assert "Applied: 1 deleted" in routectl("apply", saved, "--yes", "--allow", "destructive").out


class Killed(BaseException):
    """Stands for a signal that ends the process at once."""


class Fuse:
    """Ends the process before one of its writes.

    Parameters:
      left: The number of the write, counted from 1.
    """

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise Killed


def test_after_a_crash_at_any_write_a_rerun_owns_and_prunes_what_was_created(
    routectl: Command, management: Management, vhost: str
) -> None:
    first = """
exchanges: {tasks: {type: topic}}
queues: {keep: {bindings: [{exchange: amq.topic, key: a}]}, q: {}}
"""
    second = """
queues: {r: {}}
policies: {p: {pattern: ^x, apply_to: queues, definition: {max_length: 5}}}
"""
    allow = ("--allow", "destructive")
    steps = 0
    for fatal in range(1, 80, STEP):
        management.remove(f"vhosts/{vhost}")
        management.put(f"vhosts/{vhost}")
        management.put(f"permissions/{vhost}/guest", ALL)
        management.remove(record_path(vhost))
        fuse = Fuse(fatal)
        for text in (first, second):
            routectl.write(text)
            with contextlib.suppress(Killed), writes.guarded(fuse):
                routectl("apply", "--yes", "--prune", *allow)
            result = routectl("apply", "--yes", "--prune", *allow)
            assert result.code == 0, (fatal, result.err)
        assert queues(management, vhost) == ["r"], fatal
        assert created(record(management, vhost), vhost, "queue") == ["r"], fatal
        if fuse.left > 0:
            break
        steps = fatal
    assert steps >= 15
