"""`routectl route`: the table, the details of one task, the options for the call, and JSON."""

from __future__ import annotations

import json
from itertools import dropwhile, takewhile
from pathlib import Path

import pytest

from routectl.cli.main import run

FILE = """\
version: 1
exchanges: {tasks: {type: topic}}
queues:
  gold: {bindings: [{exchange: tasks, key: gold}]}
  big: {bindings: [{exchange: tasks, key: big}]}
  normal: {bindings: [{exchange: tasks, key: normal}]}
  orders: {shards: 4}
routes:
  - {tasks: export.*, queue: gold, when: {kwargs.plan: gold, headers.tenant: acme}, priority: 7, expires: 1h}
  - {tasks: export.*, queue: big, when: {args.0: {gt: 100}}}
  - {tasks: orders.*, queue: orders, shard_by: kwargs.account}
  - {tasks: "{queue}:*", queue: "{queue}", when: {options.priority: {present: false}}}
  - {tasks: reports.*, queue: big, headers: {x: [1]}}
unmatched: normal
workers:
  fast: {queues: [gold, orders]}
  slow: {queues: [normal, gold]}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "queues.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_one_task_is_told_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    call = ["--kwargs", '{"plan": "gold"}', "--headers", '{"tenant": "acme"}']
    assert run(["route", "export.run", *call]) == 0
    assert lines(capsys) == [
        "export.run",
        "  queue     gold",
        "  rule      queues.yaml:9  export.*",
        '  publish   tasks topic, key "gold"',
        '  path      tasks -> "gold" -> gold',
        "  message   priority 7, expires 3600",
        "  workers   fast, slow",
    ]


def test_what_the_caller_says_of_the_message_counts_before_the_rule(
    capsys: pytest.CaptureFixture[str],
) -> None:
    call = ["--kwargs", '{"plan": "gold"}', "--headers", '{"tenant": "acme"}']
    assert run(["route", "export.run", *call, "--options", '{"priority": 2}']) == 0
    assert "  message   priority 2, expires 3600" in lines(capsys)
    assert run(["route", "reports.x", "other", "--options", '{"priority": 2}']) == 0
    assert [line.split()[5] for line in lines(capsys)[1:]] == ["2", "2"]
    assert run(["route", "reports.x", "--options", '{"headers": {"x": 2, "y": 3}, "priority": null}']) == 0
    assert '  message   headers {"x": 2, "y": 3}' in lines(capsys)


def test_rules_that_matched_and_did_not_take_it_are_told_with_the_reason(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["route", "export.run", "--args", "[5]"]) == 0
    assert lines(capsys)[-3:] == [
        "  skipped   queues.yaml:9  export.*: `kwargs.plan` is missing",
        "            queues.yaml:10  export.*: `args.0` is not greater than `100`",
        "            3 patterns that do not match; `--verbose` lists them",
    ]
    assert run(["route", "orders.place"]) == 0
    assert "queues.yaml:11  orders.*: `kwargs.account` is missing" in capsys.readouterr().out
    assert run(["route", "silver:x", "--options", "{}"]) == 0
    assert "queues.yaml:12  {queue}:*: the captured queue is not declared" in capsys.readouterr().out


def test_verbose_lists_what_did_not_match_and_tells_every_task_in_full(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["route", "big:x", "reports.daily", "--verbose"]) == 0
    text = capsys.readouterr().out
    first, second = text.split("\n\n")
    assert "queues.yaml:9  export.*: does not match" in first
    assert "none: no worker profile consumes the queue" in first
    assert 'message   headers {"x": [1]}' in second
    assert "--verbose" not in text


def test_a_shard_is_chosen_by_the_call(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["route", "orders.place", "--kwargs", '{"account": 42}', "--format", "json"]) == 0
    (route,) = json.loads(capsys.readouterr().out)["routes"]
    assert route["queue"].startswith("orders.")
    assert route["workers"] == ["fast"]


def test_several_tasks_are_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["route", "gold:x", "reports.x", "other"]) == 0
    assert [line.split() for line in lines(capsys)] == [
        ["task", "queue", "exchange", "key", "priority", "workers", "rule"],
        ["gold:x", "gold", "tasks", "topic", "gold", "-", "fast,slow", "queues.yaml:12", "{queue}:*"],
        ["reports.x", "big", "tasks", "topic", "big", "-", "none", "queues.yaml:13", "reports.*"],
        ["other", "normal", "tasks", "topic", "normal", "-", "slow", "unmatched"],
    ]


def test_json_has_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["route", "other", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (route,) = document["routes"]
    assert document["version"] == 1
    assert route["path"] == [{"exchange": "tasks", "key": "normal", "to": "normal"}]
    assert route["workers"] == ["slow"]
    assert route["rule"] is None
    assert [tried["line"] for tried in route["tried"]] == [9, 10, 11, 12, 13]


def test_a_file_without_profiles_is_for_any_worker(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "queues.yaml").write_text("version: 1\nqueues: {q: {}}\nroutes: [{tasks: a, queue: q}]\n")
    assert run(["route", "a"]) == 0
    out = capsys.readouterr().out
    assert "workers   any worker without a profile and `-Q`" in out
    assert 'path      (default) -> "q" -> q' in out
    assert run(["route", "a", "b"]) == 1
    assert "no route matches task `b`" in capsys.readouterr().out
    assert run(["route", "b"]) == 1
    assert lines(capsys) == [
        "b",
        "  error     no route matches task `b`",
        "  hint      add a route for it to queues.yaml, or name a queue in `unmatched`",
        "  skipped   1 name that does not match; `--verbose` shows it",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--args", "{}"], "`--args` is not a JSON list"),
        (["--args", "["], "`--args` is not valid JSON: Expecting value"),
        (["--kwargs", "[]"], "`--kwargs` is not a JSON object"),
        (["--kwargs", "{'a': 1}"], "`--kwargs` is not valid JSON: "),
        (["--headers", "7"], "`--headers` is not a JSON object"),
        (["--options", "[" * 100_000], "`--options` is nested too deeply\n"),
        (["--kwargs", '{"a":' * 100_000 + "1" + "}" * 100_000], "`--kwargs` is nested too deeply\n"),
        (["--options", '{"queue": "low"}'], "a task sent with `queue` bypasses the routes"),
        (["--options", '{"exchange": ""}'], "a task sent with `exchange` bypasses the routes"),
        (["--options", '{"routing_key": "low"}'], "a task sent with `routing_key` bypasses the routes"),
    ],
)
def test_a_wrong_option_is_one_sentence(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["route", "a", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {message}")
    assert len(err.splitlines()) == 2


def test_names_cannot_write_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["route", "\x1b[2Jx"]) == 0
    assert run(["route", "\x1b[2Jx", "y"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_celerys_own_tasks_have_a_queue_where_others_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "queues.yaml").write_text("version: 1\nqueues: {low: }\nunmatched: refuse\n")
    assert run(["route", "celery.backend_cleanup"]) == 0
    assert lines(capsys)[1:3] == ["  queue     low", "  rule      default for Celery's own tasks"]


def test_what_celery_sends_along_with_another_task_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["route", "celery.chord_unlock"]) == 0
    assert "  note      Celery sends it to the queue of the chord's body" in lines(capsys)
    assert run(["route", "celery.chunks", "celery.chord_unlock", "other"]) == 0
    chunks, unlock, other = (line.split(maxsplit=6) for line in lines(capsys)[1:])
    assert chunks[1:] == [*"-----", "Celery sends it to the queue of the task that it calls"]
    assert unlock[1:] == [*"-----", "Celery sends it to the queue of the chord's body"]
    assert other[1] == "normal"
    assert run(["route", "celery.map", "other", "--format", "json"]) == 0
    routes = json.loads(capsys.readouterr().out)["routes"]
    assert [route["follows"] for route in routes] == ["the task that it calls", None]


def test_of_several_bindings_the_plain_one_is_the_way(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = "{type: quorum, bindings: [{exchange: tasks, key: high}]}"
    (folder / "queues.yaml").write_text(
        f"version: 1\nexchanges: {{tasks: {{type: topic}}}}\nqueues: {{high: {queue}}}\nunmatched: high\n"
    )
    assert run(["route", "a"]) == 0
    assert '  path      tasks -> "high" -> high' in lines(capsys)


EXACT = """\
version: 1
queues: {critical: , sync: , rest: }
routes:
  - {tasks: acme.sync.*, queue: critical, when: {kwargs.tenant: bigcorp}}
  - {tasks: acme.mail, queue: rest}
  - {tasks: acme.push, queue: rest}
  - {tasks: acme.sync.pull_crm, queue: sync, time_limit: 2m}
  - {tasks: "*", queue: rest}
"""


def test_a_pattern_that_would_take_the_call_if_exact_names_did_not_come_first_is_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "queues.yaml").write_text(EXACT)
    call = ["acme.sync.pull_crm", "--kwargs", '{"tenant": "bigcorp"}']
    for verbose in ([], ["--verbose"]):
        assert run(["route", *call, *verbose]) == 0
        out = capsys.readouterr().out
        assert "  rule      queues.yaml:7  acme.sync.pull_crm\n" in out
        assert "  skipped   queues.yaml:4  acme.sync.*: exact names come first\n" in out
    assert run(["route", *call, "--format", "json"]) == 0
    (route,) = json.loads(capsys.readouterr().out)["routes"]
    assert route["outranked"] == {
        "index": 0,
        "pattern": "acme.sync.*",
        "exact": False,
        "file": "queues.yaml",
        "line": 4,
        "why": "exact names come first",
    }
    assert [(each["pattern"], each["exact"]) for each in route["tried"]] == [
        ("acme.mail", True),
        ("acme.push", True),
    ]


@pytest.mark.parametrize("call", [[], ["--kwargs", '{"tenant": "other"}']])
def test_a_pattern_that_would_not_take_the_call_is_no_matter_of_exact_names(
    call: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "queues.yaml").write_text(EXACT)
    assert run(["route", "acme.sync.pull_crm", *call]) == 0
    assert "exact names" not in capsys.readouterr().out
    assert run(["route", "acme.sync.pull_crm", *call, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["routes"][0]["outranked"] is None


def test_names_and_patterns_that_do_not_match_are_counted_apart(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "queues.yaml").write_text(EXACT)
    for task, expected in {
        "acme.push": "1 name that does not match; `--verbose` shows it",
        "acme.sync.pull_crm": "2 names that do not match; `--verbose` lists them",
        "acme.other": "3 names and 1 pattern that do not match; `--verbose` lists them",
    }.items():
        assert run(["route", task]) == 0
        assert lines(capsys)[-1] == f"  skipped   {expected}"
    assert run(["route", "acme.push", "--verbose"]) == 0
    assert lines(capsys)[-1] == "  skipped   queues.yaml:5  acme.mail: does not match"


ORDERS = """\
version: 1
exchanges: {tasks: {type: topic}}
queues:
  high: {bindings: [{exchange: tasks, key: high}]}
  normal: {max_wait: 1500ms, bindings: [{exchange: tasks, key: normal}]}
  low: {bindings: [{exchange: tasks, key: low}]}
  orders: {shards: 2, max_wait: 1m}
routes:
  - {tasks: billing.*, queue: high}
  - {tasks: reports.*, queue: low}
  - {tasks: orders.*, queue: orders.1}
unmatched: normal
workers:
  strict: {queues: [high, normal, low], order: strict, reserve: {high: 1, normal: 2}, concurrency: 4}
  open: {queues: [normal, low, orders], order: strict, reserve: {normal: 1}, options: [--autoscale, "8,2"]}
  cpus: {queues: [high, low, normal], order: strict, reserve: {high: 2}}
  shares: {queues: [normal, low, orders], order: weighted, weights: {normal: 6, orders: 3}}
  fair: {queues: [low, normal]}
"""


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (
            "billing.charge",
            [
                "starts    strict: before tasks of its other queues, except overdue ones of `normal`; in all slots, 1 "
                "of them reserved",
                "          cpus: before tasks of its other queues, except overdue ones of `normal`; in all slots, 2 of "
                "them reserved",
            ],
        ),
        (
            "shop.welcome",
            [
                "starts    strict: while `high` is empty, or once it has waited for 1.5s; in 3 of 4 slots, 2 of them "
                "reserved",
                "          open: before tasks of its other queues, except overdue ones of `orders`, or once it has "
                "waited for 1.5s; in all slots, 1 of them reserved",
                "          cpus: while `high` and `low` are empty, or once it has waited for 1.5s; in all slots but 2",
                "          shares: as 6 of 10 tasks, except overdue ones of `orders`, while all its queues have some, "
                "or once it has waited for 1.5s",
                "          fair: in turn with tasks of its other queues",
            ],
        ),
        (
            "reports.daily",
            [
                "starts    strict: while `high` and `normal` are empty; in 1 of 4 slots",
                "          open: while `normal` is empty, before tasks of lower queues, except overdue ones of "
                "`orders`; in 7 of 8 slots",
                "          cpus: while `high` is empty, before tasks of lower queues, except overdue ones of "
                "`normal`; in all slots but 2",
                "          shares: as 1 of 10 tasks, except overdue ones of `normal` and `orders`, while all its "
                "queues have some",
                "          fair: in turn with tasks of its other queues",
            ],
        ),
        (
            "orders.place",
            [
                "starts    open: while `normal` and `low` are empty, or once it has waited for 1m; in 7 of 8 slots",
                "          shares: as 3 of 10 tasks, except overdue ones of `normal`, while all its queues have some, "
                "or once it has waited for 1m",
            ],
        ),
    ],
)
def test_when_workers_start_a_task_by_their_orders(
    task: str, expected: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "queues.yaml").write_text(ORDERS)
    assert run(["route", task]) == 0
    shown = dropwhile(lambda line: not line.startswith("  starts"), lines(capsys))
    turns = takewhile(lambda line: line.startswith(("  starts", "   ")), shown)
    assert [line[2:] for line in turns] == expected


def test_the_turns_of_a_task_as_data(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "queues.yaml").write_text(ORDERS)
    assert run(["route", "orders.place", "--format", "json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["routes"]
    nothing = {
        "after": [],
        "share": None,
        "overtaken_by": ["normal"],
        "reserved_slots": 0,
        "withheld_slots": 0,
        "slots": None,
    }
    assert found["turns"] == [
        nothing
        | {
            "profile": "open",
            "order": "strict",
            "after": ["normal", "low"],
            "max_wait": 60,
            "withheld_slots": 1,
            "slots": 8,
        },
        nothing
        | {"profile": "shares", "order": "weighted", "share": {"weight": 3, "of": 10}, "max_wait": 60},
    ]


def test_nothing_is_said_of_turns_without_an_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["route", "export.run"]) == 0
    assert not any(line.startswith("  starts") for line in lines(capsys))
