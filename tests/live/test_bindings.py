"""A binding between objects of the file that leaves it leaves the broker; those that others made stay."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pika

from tests.brokers import Broker, Management

from .conftest import Command

SHOP = """
exchanges: {tasks: {type: topic}, tasks.dead: {type: fanout}}
queues:
  high: {type: quorum, bindings: [KEYS]}
  dead: {bindings: [{exchange: tasks.dead}]}
routes: [{tasks: "*", queue: high}]
"""


def shop(*keys: str) -> str:
    """The file with a queue that is bound with these keys."""
    return SHOP.replace("KEYS", ", ".join(f'{{exchange: tasks, key: "{key}"}}' for key in keys))


def bind(
    management: Management, vhost: str, source: str, destination: str, key: str, **arguments: Any
) -> None:
    """Makes a binding as somebody else; the destination is `q/NAME` or `e/NAME`."""
    body = {"routing_key": key, "arguments": arguments}
    management.post(f"bindings/{vhost}/e/{source}/{destination}", body)


def bound(management: Management, vhost: str) -> list[tuple[str, str, str]]:
    """The bindings of the vhost, without those of delayed tasks and of the default exchange."""
    return sorted(
        (item["source"], item["destination"], item["routing_key"])
        for item in management.get(f"bindings/{vhost}")
        if item["source"] and not item["source"].startswith("celery_delayed")
    )


def test_a_binding_that_leaves_the_file_leaves_the_broker(
    routectl: Command, management: Management, vhost: str, tmp_path: Path
) -> None:
    routectl.write(shop("high", "urgent"))
    routectl("apply", "--yes")
    bind(management, vhost, "tasks", "q/dead", "high")
    theirs = [("amq.topic", "high", "x"), ("tasks", "theirs", "high")]
    management.put(f"queues/{vhost}/theirs", {"durable": True})
    for source, destination, key in theirs:
        bind(management, vhost, source, f"q/{destination}", key)

    shown = routectl("plan", "--exit-code")
    assert shown.code == 1
    assert (
        '  - binding  tasks -> dead "high"\n'
        "      safe: not in the file; tasks for queue high also go to queue dead\n"
    ) in shown.out
    assert "harmful: tasks for queue high also go to queue theirs\n" in shown.out
    assert "Plan: 1 to delete" in shown.out
    assert "AMQP shows neither settings, nor bindings" in routectl("plan", "--via", "amqp").out
    # A task reached two queues and still reaches one: nothing is asked.
    assert "Applied: 1 deleted. Broker matches" in routectl("apply", "--yes").out

    routectl.write(shop("high", "soon"))
    saved = tmp_path / "plan.json"
    changes = routectl("plan", "--format", "json", "--out", str(saved)).json["changes"]
    lost = {tuple(change["name"]): change for change in changes if change["action"] == "delete"}
    urgent = lost["tasks", "queue", "high", "urgent", "{}"]
    assert urgent["risks"] == ["destructive"]
    assert urgent["reason"] == (
        'not in the file; messages with the key "urgent" go to queue high, and would reach no queue'
    )
    assert set(lost) - {("tasks", "queue", "high", "urgent", "{}")} == {
        ("tasks", "queue", "high", "#.urgent", "{}")
    }
    refused = routectl("apply", str(saved), "--yes")
    assert refused.code == 1
    assert (
        'keep it with `{"exchange": "tasks", "key": "urgent"}` in `bindings` of queue high, or '
        in refused.err
    )
    assert ("tasks", "high", "urgent") in bound(management, vhost)

    # Back in the file, it is not deleted, although the saved plan does.
    routectl.write(shop("high", "soon", "urgent"))
    assert "1 created" not in routectl("apply", str(saved), "--yes").out
    assert ("tasks", "high", "urgent") in bound(management, vhost)

    routectl.write(shop("high", "soon"))
    assert routectl("apply", str(saved), "--yes", "--allow", "destructive").code == 0
    assert bound(management, vhost) == sorted(
        [
            *theirs,
            *(("tasks", "high", key) for key in ("#.high", "#.soon", "high", "soon")),
            ("tasks.dead", "dead", ""),
        ]
    )
    assert routectl.matches()


def test_delayed_tasks_on_the_way_to_a_binding_are_counted(
    routectl: Command, management: Management, vhost: str
) -> None:
    routectl.write(shop("high"))
    routectl("apply", "--yes")
    delayed = {
        "properties": {},
        "routing_key": "1." + "0." * 27 + "high",  # due in more than four years
        "payload": "x",
        "payload_encoding": "string",
    }
    assert management.post(f"exchanges/{vhost}/celery_delayed_27/publish", delayed)["routed"]
    routectl.write(shop("urgent"))
    refused = routectl("apply", "--yes", "--allow", "destructive")
    assert refused.code == 1
    assert (
        'binding tasks -> high "#.high" would be deleted: not in the file; messages with keys like '
        '"#.high" go to queue high, and some would reach no queue (up to 1 delayed task on the way to it)'
    ) in refused.err
    assert "or allow it with `--allow data-loss`" in refused.err
    # With the entry that the message names, the task arrives, and nothing is lost.
    routectl.write(shop("urgent", "#.high"))
    assert routectl("apply", "--yes", "--allow", "destructive").code == 0
    assert ("tasks", "high", "#.high") in bound(management, vhost)
    assert routectl.matches()


def test_header_bindings_and_their_twins_leave_together(
    routectl: Command, broker: Broker, management: Management, vhost: str
) -> None:
    file = """
exchanges: {docs: {type: headers}, own: {type: fanout, auto_delete: true}}
queues:
  pdf: {bindings: [{exchange: docs, match: any, headers: {pages: 1, kind: pdf}}, {exchange: docs, headers: {pages: 2}}]}
  other: {bindings: [{exchange: own}]}
"""
    routectl.write(file)
    routectl("apply", "--yes")
    with pika.BlockingConnection(pika.URLParameters(broker.url_for(vhost))) as connection:
        channel = connection.channel()
        # The same numbers, but 32 bits wide.
        channel.queue_bind("pdf", "docs", "", {"x-match": "any", "pages": 1, "kind": "pdf"})
        channel.queue_bind("pdf", "docs", "", {"pages": 2})
    assert len(bound(management, vhost)) == 5
    assert routectl.matches()
    routectl.write(file.replace(", {exchange: docs, headers: {pages: 2}}", ""))
    refused = routectl("apply", "--yes")
    assert "messages with its headers go to queue pdf, and some may reach no queue" in refused.err
    assert routectl("apply", "--yes", "--allow", "destructive").code == 0
    assert bound(management, vhost) == [("docs", "pdf", ""), ("docs", "pdf", ""), ("own", "other", "")]
    assert routectl.matches()

    routectl.write(
        file.replace(", {exchange: docs, headers: {pages: 2}}", "").replace("[{exchange: own}]", "[]")
    )
    refused = routectl("apply", "--yes", "--allow", "destructive")
    assert "exchange own is `auto_delete` and would be deleted with its last binding" in refused.err
