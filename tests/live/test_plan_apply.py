"""Plan and apply on a real broker: output, changes and refusals."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import quote

import pika
import pytest

from tests.brokers import Broker, Management

from .conftest import Command

SHOP = """
exchanges:
  tasks: {type: topic}
  dead: {type: fanout}
queues:
  high: {type: quorum, delivery_limit: 5, bindings: [{exchange: tasks, key: high}]}
  low: {message_ttl: 7d, dead_letter: {exchange: dead}, bindings: [{exchange: tasks, key: low}]}
  lost: {bindings: [{exchange: dead}]}
policies:
  length: {pattern: "^low$", apply_to: queues, definition: {max_length: 1000}}
"""


def test_a_plan_after_an_apply_is_empty(routectl: Command) -> None:
    routectl.write(SHOP)
    before = routectl("plan", "--exit-code")
    assert before.code == 1
    assert "Plan: 9 to create" in before.out
    applied = routectl("apply", "--yes")
    assert applied.code == 0
    assert applied.out.endswith(f"Applied: 9 created. Broker matches {routectl.path}.\n")
    after = routectl("plan", "--exit-code")
    assert (after.code, after.out.splitlines()[-1]) == (0, f"No changes. Broker matches {routectl.path}.")


def test_a_plan_changes_nothing(routectl: Command, management: Management, vhost: str) -> None:
    routectl.write(SHOP)
    routectl("plan")
    assert management.get(f"queues/{vhost}") == []


def test_without_a_terminal_apply_needs_yes(routectl: Command, management: Management, vhost: str) -> None:
    routectl.write(SHOP)
    result = routectl("apply")
    assert result.code == 2
    assert "--yes" in result.err
    assert management.get(f"queues/{vhost}") == []


def test_a_policy_is_changed_in_place(routectl: Command) -> None:
    routectl.write(SHOP)
    routectl("apply", "--yes")
    routectl.write(SHOP.replace("max_length: 1000", "max_length: 50, message_ttl: 1h"))
    assert "max-length: 1000 -> 50, message-ttl: unset -> 1h" in routectl("plan").out
    assert "Applied: 1 changed" in routectl("apply", "--yes").out
    assert routectl.matches()


def test_an_immutable_argument_is_shown_with_its_traffic_and_the_whole_apply_refused(
    routectl: Command,
    management: Management,
    vhost: str,
    channel: pika.adapters.blocking_connection.BlockingChannel,
) -> None:
    routectl.write(SHOP)
    routectl("apply", "--yes")
    for _ in range(3):
        channel.basic_publish("tasks", "low", b"x")
    channel.confirm_delivery()
    channel.basic_publish("tasks", "low", b"x", mandatory=True)
    channel.basic_qos(prefetch_count=1)
    channel.basic_consume("low", lambda *_: None)
    routectl.write(SHOP.replace("7d", "1d") + "  more: {pattern: x, definition: {max_length: 1}}\n")
    plan = routectl("plan", "--format", "json").json
    moved = next(change for change in plan["changes"] if change["action"] == "move")
    assert moved["name"] == ["low"]
    assert moved["before"]["arguments"]["x-message-ttl"] == 604_800_000
    assert moved["after"]["arguments"]["x-message-ttl"] == 86_400_000
    assert moved["risks"] == ["disruptive"]
    assert moved["messages"] >= 3  # the broker counts unacknowledged messages a few seconds later
    assert moved["consumers"] == 1
    result = routectl("apply", "--yes")
    assert result.code == 1
    assert re.search(
        r"queue low must be moved to change x-message-ttl \([34] messages, 1 consumer\)\n", result.err
    )
    assert [policy["name"] for policy in management.get(f"policies/{vhost}")] == ["length"]


def test_drift_that_rabbitmq_ignores_is_found(routectl: Command, management: Management, vhost: str) -> None:
    management.put(
        f"exchanges/{vhost}/tasks", {"type": "topic", "durable": True, "arguments": {"x-note": "old"}}
    )
    management.put(f"queues/{vhost}/plain", {"durable": True, "arguments": {"x-note": "old"}})
    routectl.write("""
exchanges: {tasks: {arguments: {x-note: new}}}
queues: {plain: {arguments: {x-note: new}}}
""")
    text = routectl("plan").out
    assert "-/+ exchange  tasks  x-note: *** -> new" in text
    assert "-/+ queue     plain  x-note: *** -> new" in text


def test_what_is_external_must_exist_and_is_never_changed(
    routectl: Command, management: Management, vhost: str
) -> None:
    routectl.write("""
exchanges: {theirs: {type: fanout, external: true}}
queues: {ours: {bindings: [{exchange: theirs}]}}
""")
    missing = routectl("apply", "--yes")
    assert missing.code == 1
    assert "exchange theirs is `external` but does not exist" in missing.err
    management.put(f"exchanges/{vhost}/theirs", {"type": "direct", "durable": False})
    assert routectl("apply", "--yes").code == 0
    assert management.get(f"exchanges/{vhost}/theirs")["type"] == "direct"


def test_what_the_file_does_not_name_stays_and_is_listed(
    routectl: Command, management: Management, vhost: str
) -> None:
    management.put(f"queues/{vhost}/theirs", {"durable": True})
    routectl.write(SHOP)
    assert "left unchanged:\n  queue  theirs (0 messages, 0 consumers)\n" in routectl("apply", "--yes").out
    assert routectl.matches()
    assert len(management.get(f"queues/{vhost}")) == 4


def test_a_queue_is_deleted_only_by_name_and_if_allowed(
    routectl: Command,
    management: Management,
    vhost: str,
    channel: pika.adapters.blocking_connection.BlockingChannel,
) -> None:
    management.put(f"queues/{vhost}/legacy", {"durable": True})
    channel.confirm_delivery()
    channel.basic_publish("", "legacy", b"x", mandatory=True)
    routectl.write(SHOP)
    routectl("apply", "--yes")
    words = ("apply", "--yes", "--delete", "queue:legacy")
    assert "--allow destructive" in routectl(*words).err
    result = routectl(*words, "--allow", "destructive")
    assert result.code != 0
    assert "legacy" in [queue["name"] for queue in management.get(f"queues/{vhost}")]
    assert routectl(*words, "--allow", "destructive", "--allow", "data-loss").code == 0
    assert "legacy" not in [queue["name"] for queue in management.get(f"queues/{vhost}")]


def test_an_object_that_is_already_deleted_is_noted(
    routectl: Command, management: Management, vhost: str
) -> None:
    management.put(f"queues/{vhost}/legacy", {"durable": True})
    routectl.write(SHOP)
    words = (
        "apply",
        "--yes",
        "--delete",
        "queue:legacy",
        "--delete",
        "queue:legacy",
        "--allow",
        "destructive",
    )
    assert "Applied: 9 created, 1 deleted." in routectl(*words).out
    again = routectl(*words)
    assert again.code == 0
    assert again.out.endswith(
        "note: nothing to delete: queue legacy does not exist\n\n"
        f"No changes. Broker matches {routectl.path}.\n"
    )


def test_a_saved_plan_deletes_what_it_shows(
    routectl: Command, management: Management, vhost: str, tmp_path: Path
) -> None:
    management.put(f"queues/{vhost}/legacy", {"durable": True})
    routectl.write(SHOP)
    plan = str(tmp_path / "plan.json")
    routectl("plan", "--delete", "queue:legacy", "--out", plan)
    assert "--allow destructive" in routectl("apply", plan, "--yes").err
    assert "1 deleted" in routectl("apply", plan, "--yes", "--allow", "destructive").out
    again = routectl("apply", plan, "--yes", "--allow", "destructive")
    assert again.code == 0
    assert "No changes. Broker matches" in again.out


def test_a_saved_plan_is_applied_or_refused_if_the_broker_has_changed(
    routectl: Command, management: Management, vhost: str, tmp_path: Path
) -> None:
    routectl.write(SHOP)
    plan = tmp_path / "plan.json"
    assert routectl("plan", "--out", str(plan)).code == 0
    assert plan.stat().st_mode & 0o777 == 0o600
    management.put(f"exchanges/{vhost}/dead", {"type": "direct"})
    refused = routectl("apply", str(plan), "--yes")
    assert refused.code == 1
    assert "exchange dead: the difference has changed since the plan was made" in refused.err
    assert management.get(f"queues/{vhost}") == []
    management.delete(f"exchanges/{vhost}/dead")
    assert routectl("apply", str(plan), "--yes").code == 0
    assert routectl.matches()


def test_json_is_one_document_on_success_and_on_failure(routectl: Command) -> None:
    routectl.write(SHOP)
    plan = routectl("plan", "--format", "json").json
    assert plan["version"] == 1
    assert plan["summary"] == {
        "create": 9,
        "update": 0,
        "replace": 0,
        "move": 0,
        "delete": 0,
        "verify": 0,
    }
    applied = routectl("apply", "--yes", "--format", "json").json
    assert {outcome["status"] for outcome in applied["outcomes"]} == {"done"}
    routectl.write(SHOP.replace("7d", "1d"))
    refused = routectl("apply", "--yes", "--format", "json").json
    assert "must be replaced" in refused["error"]
    (refusal,) = refused["refusals"]
    assert (refusal["kind"], refusal["name"], refusal["allow"]) == ("queue", ["low"], ["destructive"])
    assert "allow it with `--allow destructive`" in refusal["hint"]
    nobody = routectl.broker.url_for(routectl.vhost, "nobody", "s3cret")
    assert "nobody" in routectl("plan", "--via", "amqp", "--format", "json", url=nobody).json["error"]
    routectl.write("queues: {high: {typ: quorum}}")
    assert routectl("plan", "--format", "json").json["findings"][0]["help"] == "did you mean `type`?"


def test_the_vhost_of_the_file_is_created(routectl: Command, management: Management, vhost: str) -> None:
    name = f"{vhost} /%é"
    routectl.write(f'vhost: "{name}"\n{SHOP}')
    refused = routectl("plan")
    assert refused.code == 2
    assert "specifies vhost" in refused.err
    url = routectl.broker.url
    try:
        assert routectl("apply", "--yes", url=url).code == 0
        assert "No changes" in routectl("plan", url=url).out
    finally:
        management.remove(f"vhosts/{quote(name, safe='')}")


def test_a_missing_vhost_that_is_not_declared_is_one_clear_sentence(routectl: Command) -> None:
    routectl.write(SHOP)
    result = routectl("plan", url=routectl.broker.url_for("nowhere"))
    assert result.code == 2
    assert "the vhost `nowhere` does not exist" in result.err
    assert "hint:" in result.err


def test_another_cluster_is_refused(routectl: Command) -> None:
    routectl.write("cluster: production\n" + SHOP)
    result = routectl("apply", "--yes")
    assert result.code == 1
    assert "not `production`" in result.err


def test_features_the_broker_does_not_support_are_mistakes_in_the_file(
    routectl: Command, broker: Broker
) -> None:
    routectl.write("queues:\n  q: {type: quorum, delayed_retry_type: all}\n")
    result = routectl("plan")
    if broker.version < (4, 3):
        assert result.code == 2
        assert f"{routectl.path}:3:" in result.err
        assert "does not support `delayed_retry_type`" in result.err
    else:
        assert result.code == 0


def test_no_secret_is_shown_or_saved(
    routectl: Command, management: Management, vhost: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = f"user-{vhost}"
    monkeypatch.setenv("APP_PASSWORD", "first-s3cret")
    routectl.write(f'users: {{"{user}": {{password: "${{APP_PASSWORD}}", tags: [monitoring]}}}}\n')
    plan = tmp_path / "plan.json"
    try:
        shown = [
            routectl("plan", "--out", str(plan)),
            routectl("apply", "--yes"),
            routectl("plan", "--exit-code"),
        ]
        assert shown[-1].code == 0
        monkeypatch.setenv("APP_PASSWORD", "second-s3cret")
        shown.append(routectl("plan", "--format", "json"))
        assert shown[-1].json["changes"][0]["action"] == "update"
        shown.append(routectl("apply", "--yes"))
        assert routectl.matches()
    finally:
        management.remove(f"users/{user}")
    assert "s3cret" not in "".join(result.out + result.err for result in shown) + plan.read_text()
    assert json.loads(plan.read_text())["changes"][0]["after"]["password"] == "***"


def test_a_change_of_most_objects_needs_a_permission_or_an_edit(routectl: Command) -> None:
    routectl.write("queues: {" + ", ".join(f"q{number}: " for number in range(10)) + "}\n")
    routectl("apply", "--yes")
    changed = "queues: {" + ", ".join(f"q{number}: {{message_ttl: 1h}}" for number in range(4)) + "}\n"
    others = changed.replace("}\n", ", " + ", ".join(f"q{number}: " for number in range(4, 10)) + "}\n")
    routectl.write(others)
    refused = routectl("apply", "--yes", "--allow", "destructive", "--allow", "disruptive")
    assert refused.code == 1
    assert "4 of the 10 existing objects (40%) would be changed or deleted" in refused.err
    assert "`--allow mass-change`" in refused.err
    routectl.write(others + "rails: {changed: 40%}\n")
    assert routectl("apply", "--yes", "--allow", "destructive", "--allow", "disruptive").code == 0
    routectl.write("queues: {" + ", ".join(f"q{number}: " for number in range(10)) + "}\n")
    options = ("--allow", "destructive", "--allow", "disruptive", "--allow", "mass-change")
    assert routectl("apply", "--yes", *options).code == 0
    assert routectl("plan", "--exit-code").code == 0
