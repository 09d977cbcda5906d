"""A rollback brings the broker back to what an earlier apply declared, under the same rails as an apply."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pika.adapters.blocking_connection import BlockingChannel

from tests.brokers import Management

from .conftest import Command, queues

FIRST = """
exchanges: {tasks: {}}
queues: {high: {bindings: [{exchange: tasks, key: a}]}}
policies: {p: {pattern: ^high$, definition: {max_length: 5}}}
"""
SECOND = """
exchanges: {tasks: {}}
queues: {high: {bindings: [{exchange: tasks, key: b}]}, low: {}}
policies: {p: {pattern: ^high$, definition: {max_length: 6}}}
"""


def keys(management: Management, vhost: str) -> list[str]:
    found = management.get(f"exchanges/{vhost}/tasks/bindings/source")
    return sorted(item["routing_key"] for item in found)


def limit(management: Management, vhost: str) -> int:
    policy: dict[str, Any] = management.get(f"policies/{vhost}/p")
    length: int = policy["definition"]["max-length"]
    return length


def test_a_rollback_undoes_the_last_apply_and_a_second_one_the_rollback(
    routectl: Command, management: Management, vhost: str
) -> None:
    routectl.write(FIRST)
    assert routectl("rollback", "--yes").code == 2
    assert routectl("apply", "--yes").code == 0
    routectl.write(SECOND)
    assert routectl("apply", "--yes", "--allow", "destructive").code == 0
    dry = routectl("rollback", "--dry-run")
    assert (dry.code, dry.out.endswith("Plan: 1 to create, 1 to change, 1 to delete\n")) == (0, True)
    refused = routectl("rollback", "--yes")
    assert (refused.code, "--allow destructive" in refused.err) == (1, True)
    assert routectl("rollback", "--allow", "destructive").code == 2, "it asks"
    assert (keys(management, vhost), limit(management, vhost)) == (["b"], 6)

    back = routectl("rollback", "--yes", "--allow", "destructive")
    assert back.code == 0
    assert back.out.endswith("Applied: 1 changed, 1 created, 1 deleted. Broker matches apply 1.\n")
    assert "or the next `routectl apply` undoes the rollback" in back.err
    assert (keys(management, vhost), limit(management, vhost)) == (["a"], 5)
    assert queues(management, vhost) == ["high", "low"], "what a later apply created needs --prune"

    assert routectl("rollback", "1", "--yes", "--prune", "--allow", "destructive").code == 0
    assert queues(management, vhost) == ["high"]
    forward = routectl("rollback", "--yes", "--allow", "destructive")
    assert forward.out.endswith("Broker matches apply 2.\n")
    assert (keys(management, vhost), limit(management, vhost)) == (["b"], 6)
    assert queues(management, vhost) == ["high", "low"]
    assert routectl.matches()


def test_a_saved_rollback_is_applied_as_it_was_reviewed_or_not_at_all(
    routectl: Command, management: Management, vhost: str, tmp_path: Path
) -> None:
    routectl.write(FIRST)
    assert routectl("apply", "--yes").code == 0
    routectl.write(SECOND)
    assert routectl("apply", "--yes", "--allow", "destructive").code == 0
    out = str(tmp_path / "plan.json")
    saved = routectl("rollback", "1", "--prune", "--out", out)
    assert (saved.code, saved.out.endswith("Plan: 1 to create, 1 to change, 2 to delete\n")) == (0, True)
    assert f"apply it with `routectl apply {out} --allow destructive`" in saved.err
    assert (keys(management, vhost), limit(management, vhost)) == (["b"], 6), "nothing was changed"

    management.post(f"bindings/{vhost}/e/tasks/q/high", {"routing_key": "c"})
    stale = routectl("apply", out, "--yes", "--allow", "destructive")
    assert (stale.code, 'binding tasks -> high "c"' in stale.err) == (1, True)
    management.delete(f"bindings/{vhost}/e/tasks/q/high/c")
    done = routectl("apply", out, "--yes", "--allow", "destructive")
    assert done.out.endswith("Broker matches apply 1.\n")
    assert "or the next `routectl apply` undoes the rollback" in done.err
    assert (keys(management, vhost), limit(management, vhost)) == (["a"], 5)
    assert queues(management, vhost) == ["high"]


def test_a_rollback_keeps_the_passwords_of_the_broker_and_refuses_to_make_up_one(
    routectl: Command, management: Management, vhost: str, tmp_path: Path
) -> None:
    name = f"rolled-{vhost[-40:]}"
    (tmp_path / "password").write_text("hunter2-hunter2")
    user = f"users: {{{name}: {{tags: [%s], password_file: password}}}}\n"
    routectl.write(user % "monitoring")
    try:
        assert routectl("apply", "--yes").code == 0
        routectl.write(user % "management")
        assert routectl("apply", "--yes").code == 0
        stored = management.get(f"users/{name}")["password_hash"]
        (tmp_path / "password").write_text("another-password")
        assert routectl("rollback", "--yes").code == 0
        after = management.get(f"users/{name}")
        assert (after["tags"] in (["monitoring"], "monitoring"), after["password_hash"]) == (True, stored)
        management.delete(f"users/{name}")
        refused = routectl("rollback", "1", "--yes")
        assert refused.code == 1
        assert f"user {name} needs a secret, which the history does not keep" in refused.err
        assert "apply the file of that time instead" in refused.err
        assert management.request("GET", f"users/{name}")[0] == 404
    finally:
        management.remove(f"users/{name}")


def test_what_is_not_recorded_or_cannot_be_read_is_one_sentence(routectl: Command) -> None:
    routectl.write(FIRST)
    assert routectl("rollback", "--via", "amqp").code == 2
    missing = routectl("rollback", "9", "--dry-run")
    assert (missing.code, missing.err.splitlines()[0]) == (2, "error: apply 9 is not recorded")


@pytest.mark.parametrize("number", ["0", "-1", "x"])
def test_the_number_of_an_apply_is_a_number(routectl: Command, number: str) -> None:
    routectl.write(FIRST)
    assert routectl("rollback", number).code == 2


def test_a_rollback_of_a_rename_gives_the_queue_its_name_back_with_its_messages(
    routectl: Command, management: Management, vhost: str, channel: BlockingChannel
) -> None:
    file = "exchanges: {tasks: {}}\nqueues: {mail: {bindings: [{exchange: tasks, key: mail}]}}\n"
    routectl.write(file)
    assert routectl("apply", "--yes").code == 0
    routectl.write(file.replace("mail: {", "post: {renamed_from: mail, "))
    assert routectl("apply", "--yes", "--allow", "disruptive").code == 0
    channel.confirm_delivery()
    for _ in range(3):
        channel.basic_publish("tasks", "mail", b"x", mandatory=True)
    planned = routectl("rollback", "--dry-run")
    assert planned.out.endswith("Plan: 1 to move\n")
    assert "queue  mail  from post" in planned.out
    assert "Applied: 1 moved." in routectl("rollback", "--yes", "--allow", "disruptive").out
    assert queues(management, vhost) == ["mail"]
    assert channel.queue_declare("mail", passive=True).method.message_count == 3
    assert "Applied: 1 moved." in routectl("rollback", "--yes", "--allow", "disruptive").out
    assert queues(management, vhost) == ["post"]
    assert routectl.matches()


def test_a_rollback_in_the_middle_of_a_move_brings_the_messages_back(
    routectl: Command, management: Management, vhost: str, channel: BlockingChannel
) -> None:
    routectl.write("queues: {mail: {}}\n")
    assert routectl("apply", "--yes").code == 0
    routectl.write("queues: {mail: {type: quorum}, more: {}}\n")
    assert routectl("apply", "--yes", "--allow", "destructive").code == 0
    channel.queue_declare("routectl.hold.mail", durable=True)
    channel.basic_publish("", "routectl.hold.mail", b"x")
    assert "Applied: 1 moved" in routectl("rollback", "--yes", "--allow", "disruptive").out
    assert channel.queue_declare("mail", passive=True, durable=True).method.message_count == 1
    assert management.get(f"queues/{vhost}/mail")["type"] == "classic"
