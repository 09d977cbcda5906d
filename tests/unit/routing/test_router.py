"""The router as an object, as an entry of Celery's `task_routes`, and as `routectl route`."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from routectl.cli.main import run
from routectl.routing import Router
from routectl.topology.errors import FileError, RoutingError, UnreadableFile

FILE = """
version: 1
exchanges: {tasks: {type: topic}, straight: {type: direct}}
queues:
  high: {type: quorum, bindings: [{exchange: tasks, key: high}]}
  low: {type: quorum, bindings: [{exchange: tasks, key: low}]}
  direct: {bindings: [{exchange: straight, key: k}]}
routes:
  - {tasks: billing.charge, queue: high, priority: 9}
  - {tasks: ["reports.*", "{queue}:*"], queue: low}
  - {tasks: "direct.*", queue: direct}
vhosts:
  other:
    queues: {high: {}}
    unmatched: high
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "queues.yaml"
    path.write_text(FILE)
    return path


def test_a_decision_has_file_and_line(file: Path) -> None:
    place = Router.from_file(file).route("reports.daily").position
    assert place is not None
    assert (place.file, place.line) == (str(file), 10)


def test_overlays_and_vhosts(file: Path, tmp_path: Path) -> None:
    over = tmp_path / "over.yaml"
    over.write_text("unmatched: direct\n")
    router = Router.from_file([file, over])
    assert router.route("x").queue == "direct"
    assert Router.from_file(file, vhost="other").route("x").exchange == ""
    with pytest.raises(RoutingError, match="no route matches task `x`"):
        Router.from_file(file, vhost="/").route("x")


def test_an_unknown_vhost_is_named(file: Path, tmp_path: Path) -> None:
    file.write_text("vhost: main\n" + FILE)
    with pytest.raises(RoutingError, match="vhost `mian` is not in the file") as caught:
        Router.from_file(file, vhost="mian")
    assert caught.value.hint == "did you mean `main`?"


@pytest.mark.parametrize(
    ("vhost", "hint"),
    [
        ("othr", "did you mean `other`?"),
        ("reports", "it has `other`; omit the vhost for the top level"),
    ],
)
def test_an_unknown_vhost_is_not_the_top_level_of_a_file_with_vhosts(
    vhost: str, hint: str, file: Path
) -> None:
    with pytest.raises(RoutingError, match=f"vhost `{vhost}` is not in the file") as caught:
        Router.from_file(file, vhost=vhost)
    assert caught.value.hint == hint


def test_a_file_without_a_vhost_is_valid_for_any(file: Path) -> None:
    file.write_text(FILE[: FILE.index("vhosts:")])
    assert Router.from_file(file, vhost="shop").route("reports.daily") == Router.from_file(file).route(
        "reports.daily"
    )


def test_a_wrong_file_is_a_file_error(file: Path) -> None:
    file.write_text(FILE + "unmatched: nowhere\n")
    with pytest.raises(FileError):
        Router.from_file(file)


def test_celery_gets_queue_exchange_type_and_key(file: Path) -> None:
    router = Router.from_file(file)
    assert router("billing.charge", (), {}, {}) == {
        "queue": "high",
        "exchange": "tasks",
        "exchange_type": "topic",
        "routing_key": "high",
        "priority": 9,
    }


@pytest.mark.parametrize(
    ("options", "queue"),
    [
        ({"queue": "low"}, "low"),
        ({"exchange": "tasks", "routing_key": "low"}, "low"),
        ({"exchange": "celery_delayed_delivery", "routing_key": "0." * 28 + "low"}, "low"),
        ({"exchange": "", "routing_key": "direct"}, "direct"),
        ({"exchange": "tasks"}, "high"),
        ({"routing_key": "low"}, "high"),
        ({"exchange": "unknown", "routing_key": "low"}, "high"),
        ({"priority": 3}, "high"),
    ],
)
def test_the_callers_queue_wins(file: Path, options: dict[str, object], queue: str) -> None:
    found = Router.from_file(file)("billing.charge", (), {}, options)
    assert found is not None
    assert found["queue"] == queue


def test_a_queue_not_in_the_file_is_left_to_celery(file: Path) -> None:
    assert Router.from_file(file)("billing.charge", (), {}, {"queue": "foreign"}) is None


def test_a_router_is_copied_and_pickled_as_celery_does(file: Path) -> None:
    router = Router.from_file(file)
    assert copy.deepcopy(router) is router
    assert pickle.loads(pickle.dumps(router)).route("billing.charge") == router.route("billing.charge")
    assert repr(router) == f"<Router {file}: 3 rules, 3 queues>"


def test_routing_needs_neither_celery_nor_kombu(file: Path) -> None:
    code = (
        "import sys; from routectl.routing import Router; "
        f"Router.from_file({str(file)!r}).route('billing.charge'); "
        "print([name for name in ('celery', 'kombu', 'pika') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_route_prints_a_table(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["route", "-f", str(file), "billing.charge", "direct.x"]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["task", "queue", "exchange", "key", "priority", "workers", "rule"],
        ["billing.charge", "high", "tasks", "topic", "high", "9", "any", f"{file}:9", "billing.charge"],
        ["direct.x", "direct", "straight", "direct", "k", "-", "any", f"{file}:11", "direct.*"],
    ]


def test_route_reports_a_task_without_a_destination(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["route", "-f", str(file), "x", "a:b", "--format", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["version"] == 1
    refused, routed = document["routes"]
    assert refused["error"] == "no route matches task `x`"
    assert (routed["task"], routed["queue"]) == ("a:b", "low")
    assert routed["rule"] == {"index": 1, "pattern": "{queue}:*", "file": str(file), "line": 10}


def test_workers_prints_every_format(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["workers", "-f", str(file), "-A", "proj"]) == 2
    assert "has no worker profiles" in capsys.readouterr().err
    file.write_text(FILE + "workers: {high: {queues: [high]}}\n")
    for form in ("text", "json", "systemd", "procfile", "compose", "kubernetes"):
        user = ("--user", "shop") if form == "systemd" else ()
        assert run(["workers", "-f", str(file), "-A", "proj", "--format", form, *user]) == 0
        assert "--profile=high" in capsys.readouterr().out


@pytest.mark.parametrize("watch", [False, True])
def test_a_program_that_names_a_missing_file_is_told_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watch: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnreadableFile) as caught:
        Router.from_file("nope.yaml", watch=watch)
    assert f"relative paths are resolved from the working directory, `{tmp_path}`: " in str(caught.value)
    assert "-f FILE" not in str(caught.value)
