"""The last applies of a stack are on the broker: who changed what, and from which file."""

from __future__ import annotations

import getpass
import hashlib
import json
import signal
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.brokers import Management

from .conftest import Command, Fault

ME = f"{getpass.getuser()}@{socket.gethostname()}"


def entries(routectl: Command) -> list[dict[str, Any]]:
    result = routectl("history", "--format", "json")
    assert result.code == 0, result.err
    found: list[dict[str, Any]] = result.json["applies"]
    return found


def test_an_apply_that_changes_something_is_recorded_with_who_when_what_and_the_file(
    routectl: Command,
) -> None:
    routectl.write("queues: {high: {}}\n")
    assert routectl("history").out == "No apply of this stack is recorded.\n"
    assert routectl("apply", "--yes").code == 0
    path = routectl.write(
        "queues: {high: {}, low: {message_ttl: 5s}}\n"
        "policies: {p: {pattern: ^high$, definition: {max_length: 5}}}\n"
    )
    assert routectl("apply", "--yes").code == 0
    assert routectl("apply", "--yes").out.endswith(f"No changes. Broker matches {path}.\n")
    second, first = entries(routectl)
    assert (second["number"], first["number"]) == (2, 1)
    assert second["by"] == first["by"] == ME
    assert second["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest() != first["sha256"]
    assert (second["files"], second["result"]) == ([str(path)], "done")
    assert second["counts"] == {"create": 2}
    assert (
        abs(time.time() - time.mktime(time.strptime(second["at"], "%Y-%m-%d %H:%M:%S")) + time.timezone) < 600
    )
    table = routectl("history").out.splitlines()
    assert table[0].split() == ["when", "(UTC)", "who", "changes", "file"]
    assert table[1].startswith(f"2  {second['at']}  {ME}  2 created  {path} (sha256 {second['sha256'][:12]})")
    text = routectl("history", "2").out
    assert text.startswith(f"Apply 2 of {second['at']} UTC by {ME} with routectl ")
    assert "  + policy  p" in text
    assert "  + queue  low" in text
    declared = routectl("history", "2", "--format", "json").json["declared"]
    assert {item["name"][0]: item["properties"] for item in declared}["low"]["arguments"] == {
        "x-message-ttl": 5000
    }
    missing = routectl("history", "7")
    assert (missing.code, missing.err) == (2, "error: apply 7 is not recorded\nhint: recorded are 2, 1\n")


def test_the_first_apply_is_recorded_even_if_the_broker_matches(
    routectl: Command, management: Management, vhost: str
) -> None:
    management.put(f"queues/{vhost}/high", {"durable": True})
    routectl.write("queues: {high: {}}\n")
    for _ in range(2):
        assert routectl("apply").code == 0
    (entry,) = entries(routectl)
    assert (entry["result"], entry["counts"]) == ("done", {})
    assert "nothing" in routectl("history").out


def test_the_last_ten_are_kept_of_each_stack(routectl: Command) -> None:
    for number in range(12):
        routectl.write(f"policies: {{p: {{pattern: ^x$, definition: {{max_length: {number}}}}}}}\n")
        assert routectl("apply", "--yes").code == 0
    assert [entry["number"] for entry in entries(routectl)] == list(range(12, 2, -1))
    routectl.write("name: other\nqueues: {high: {}}\n")
    assert entries(routectl) == []
    assert routectl("apply", "--yes").code == 0
    assert [entry["number"] for entry in entries(routectl)] == [1]
    assert "routectl." not in routectl("plan", "--verbose").out


def test_an_apply_of_which_something_failed_and_one_that_was_killed_are_recorded_as_such(
    routectl: Command, vhost: str, user: Callable[..., str]
) -> None:
    routectl.write("queues: {mine: {}, theirs: {}}\n")
    name = user("policymaker", "^mine")
    where = {
        "url": routectl.broker.url_for(vhost, name, name),
        "management": routectl.broker.management.replace("guest:guest", f"{name}:{name}"),
    }
    assert routectl("apply", "--yes", **where).code == 3
    (entry,) = entries(routectl)
    assert (entry["result"], entry["counts"]) == ("partly done", {"create": 1})
    assert "1 created; others failed" in routectl("history").out
    assert routectl("apply", "--yes", **where).code == 3
    assert len(entries(routectl)) == 1, "an apply that changed nothing is not recorded"
    routectl.write("queues:\n" + "".join(f"  q{number}: {{}}\n" for number in range(1500)))
    process = routectl.start("apply", "--yes", fault=Fault(500, signal.SIGKILL))
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    assert entries(routectl)[0]["result"] == "unfinished"
    assert "unfinished: 1500 changes planned" in routectl("history").out


def test_an_apply_that_was_interrupted_is_recorded_as_such(routectl: Command) -> None:
    routectl.write("queues:\n" + "".join(f"  q{number}: {{}}\n" for number in range(1500)))
    process = routectl.start("apply", "--yes", fault=Fault(1000, signal.SIGINT))
    process.communicate(timeout=120)
    assert (process.returncode, entries(routectl)[0]["result"]) == (130, "interrupted")
    assert "interrupted: 1500 changes planned" in routectl("history").out


def test_without_the_tag_an_apply_says_that_it_is_not_recorded(
    routectl: Command, vhost: str, user: Callable[..., str]
) -> None:
    routectl.write("queues: {high: {}}\n")
    name = user("management")
    where = {
        "url": routectl.broker.url_for(vhost, name, name),
        "management": routectl.broker.management.replace("guest:guest", f"{name}:{name}"),
    }
    result = routectl("apply", "--yes", **where)
    assert result.code == 0
    assert "nor are its applies for `history`: that needs the tag `policymaker`" in result.out
    assert entries(routectl) == []
    refused = routectl("history", **where)
    assert (refused.code, "policymaker" in refused.err) == (2, True)


def test_no_secret_is_in_the_history(
    routectl: Command, management: Management, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "hunter2-hunter2")
    routectl.write(
        "exchanges: {tasks: {type: headers, arguments: {x-note: '${TOKEN}'}}}\n"
        "queues: {high: {bindings: [{exchange: tasks, headers: {token: '${TOKEN}'}}]}}\n"
    )
    assert routectl("apply", "--yes").code == 0
    routectl.write("queues: {}\n")
    monkeypatch.delenv("TOKEN")
    (stored,) = [
        item for item in management.get("global-parameters") if f"history.default@{vhost}." in item["name"]
    ]
    shown = json.dumps(routectl("history", "1", "--format", "json").json)
    assert "tasks -> high" in routectl("history", "1").out
    assert '"***"' in shown
    for text in (json.dumps(stored), shown, routectl("history", "1").out):
        assert "hunter2" not in text
