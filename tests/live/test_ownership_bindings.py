"""Bindings of several stacks, of `auto_delete` exchanges, and of queues with a new name."""

from __future__ import annotations

from tests.brokers import Management

from .conftest import Command
from .test_ownership import PRUNE, created, queues, record


def test_bindings_that_another_stack_declares_are_left_alone(
    routectl: Command, management: Management, vhost: str
) -> None:
    shop = """
exchanges: {tasks: {type: topic}, heads: {type: headers}}
queues: {high: {bindings: [{exchange: tasks, key: high}%s]}}
"""
    by_hand = f"bindings/{vhost}/e/tasks/q/high"
    audit = """
name: audit
exchanges: {tasks: {external: true}, heads: {type: headers, external: true}}
queues:
  high:
    external: true
    bindings:
      - {exchange: tasks, key: a}
      - {exchange: tasks, key: b}
      - {exchange: heads, match: all, headers: {account: a-1}}
"""
    routectl.write(shop % ", {exchange: tasks, key: b}")
    assert routectl("apply", "--yes").code == 0
    routectl.write(audit)
    assert "Applied: 2 created" in routectl("apply", "--yes").out
    assert created(record(management, vhost, "audit"), vhost, "binding")[1:] == [
        ["tasks", "queue", "high", "a", "{}"]
    ]

    routectl.write(shop % "")
    management.post(by_hand, {"routing_key": "by-hand", "arguments": {}})
    done = routectl("apply", "--yes", "--allow", "destructive").out
    assert "left unchanged: of stack audit:" in done
    assert 'tasks -> high "a", tasks -> high "b"' in done, done
    keys = {item["routing_key"] for item in management.get(by_hand)}
    assert keys == {"high", "a", "b"}, "what nobody's file has is removed"
    routectl.write(audit)
    assert routectl.matches()

    routectl.write(shop % "")
    taken = routectl("apply", "--yes", "--allow", "destructive", "--take-over", "stack:audit")
    assert taken.code == 0, taken.err
    assert {item["routing_key"] for item in management.get(by_hand)} == {"high", "b"}


def test_the_last_binding_of_an_exchange_that_goes_with_it_is_kept(
    routectl: Command, management: Management, vhost: str
) -> None:
    passing = {"type": "topic", "auto_delete": True, "durable": True}
    management.put(f"exchanges/{vhost}/theirs", passing)
    theirs = "exchanges: {theirs: {type: topic, external: true}}\nqueues:\n  keep: {}\n"
    routectl.write(theirs + "  one: {bindings: [{exchange: theirs, key: k}]}\n  two: {}\n")
    assert routectl("apply", "--yes").code == 0
    routectl.write("queues: {keep: {}}\n")
    shown = routectl(*PRUNE).out
    why = "(exchange theirs is `auto_delete`, and would be deleted with its last binding)"
    assert f'not pruned: binding theirs -> one "k" {why}, queue one {why}' in shown, shown
    assert queues(management, vhost) == ["keep", "one"]
    for option in ("queue:one", 'binding:theirs -> one "k"'):
        refused = routectl("apply", "--yes", "--delete", option, "--allow", "destructive")
        assert (refused.code, "exchange theirs is `auto_delete` and would" in refused.err) == (1, True)
    management.put(f"queues/{vhost}/other", {"durable": True})
    management.post(f"bindings/{vhost}/e/theirs/q/other", {"routing_key": "k", "arguments": {}})
    assert routectl(*PRUNE).code == 0
    assert queues(management, vhost) == ["keep", "other"]
    assert management.request("GET", f"exchanges/{vhost}/theirs")[0] == 200


def test_the_record_has_the_new_name_of_a_queue_and_of_its_bindings_at_once(
    routectl: Command, management: Management, vhost: str
) -> None:
    file = "queues: {%s: {%sbindings: [{exchange: amq.topic, key: k}]}}\n"
    routectl.write(file % ("high", ""))
    assert routectl("apply", "--yes").code == 0
    routectl.write(file % ("urgent", "renamed_from: high, "))
    assert routectl("apply", "--yes", "--allow", "disruptive").code == 0
    found = record(management, vhost)
    assert created(found, vhost, "queue") == ["urgent"]
    assert created(found, vhost, "binding") == [["amq.topic", "queue", "urgent", "k", "{}"]]
    assert "creating" not in found
    routectl.write("exchanges: {tasks: {}}\n")
    assert routectl(*PRUNE).code == 0
    assert queues(management, vhost) == []
