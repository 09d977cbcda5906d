"""What `routectl check` finds in a file: shadowed rules, queues that nobody takes or that nothing leads to."""

from __future__ import annotations

from pathlib import Path

import pytest

from routectl.routing.check import file_tests
from routectl.routing.check.app import audit
from routectl.routing.check.app.destination import destinations
from routectl.routing.check.app.facts import AppFacts, PublishTarget, TaskSource
from routectl.routing.check.context import VhostContext
from routectl.routing.rules.call import Call
from routectl.topology.base.finding import Finding, Severity
from routectl.topology.file.load import load


def part(folder: Path, text: str) -> VhostContext:
    (folder / "queues.yaml").write_text("version: 1\n" + text)
    return VhostContext.of(load(folder / "queues.yaml"), None)


def found(folder: Path, text: str) -> list[tuple[str, int | None, str]]:
    return [
        (problem.code, problem.position and problem.position.line, problem.message)
        for problem in file_tests.file_findings(part(folder, text))
    ]


@pytest.mark.parametrize(
    ("first", "second", "taken"),
    [
        ("{tasks: a.*, queue: q}", "{tasks: a.b.*, queue: r}", "`a.b.*`"),
        ("{tasks: a.*, queue: q}", "{tasks: a.b.*, queue: r, when: {args.0: 1}}", "`a.b.*`"),
        ('{tasks: "*:*", queue: q}', '{tasks: "{queue}:*", queue: "{queue}"}', "`{queue}:*`"),
        ("{tasks: a, queue: q}", "{tasks: a, queue: r}", "`a`"),
        ("{tasks: '/.+/', queue: q}", "{tasks: b.*, queue: r}", "`b.*`"),
        ("{tasks: a.*, queue: q}", "{tasks: '/^$/', queue: r}", "`/^$/`"),
        ("{tasks: a.*, queue: q}", "{tasks: '/^$/', queue: r, when: {args.0: 1}}", "`/^$/`"),
        ("{tasks: a, queue: q, when: {args.0: 1}}", "{tasks: a, queue: r}", None),
        ("{tasks: a.*, queue: q, when: {args.0: 1}}", "{tasks: a.b.*, queue: r}", None),
        ('{tasks: "{queue}.*", queue: "{queue}"}', '{tasks: "{queue}.*", queue: r}', None),
        ("{tasks: a.*, queue: q}", "{tasks: a.b, queue: r}", None),  # exact names come first
        ("{tasks: a.b.*, queue: q}", "{tasks: a.*, queue: r}", None),
        ("{tasks: [a.b, a.c], queue: q}", "{tasks: '/a.[bc]/', queue: r}", None),
    ],
)
def test_rules_that_never_have_a_task(tmp_path: Path, first: str, second: str, taken: str | None) -> None:
    problems = found(tmp_path, f"queues: {{q: , r: }}\nroutes:\n  - {first}\n  - {second}\n")
    if taken is None:
        assert problems == []
        return
    ((code, line, message),) = problems
    assert (code, line) == ("shadowed-rule", 5)
    assert message.startswith(f"{taken} ")
    assert "is unreachable: " in message or message == f"{taken} matches no name"


def test_the_pattern_that_matches_all_names_is_named(tmp_path: Path) -> None:
    text = "queues: {q: , r: }\nroutes:\n  - {tasks: a.*, queue: q}\n  - {tasks: '/a\\.b.+/', queue: r}\n"
    (problem,) = file_tests.file_findings(part(tmp_path, text))
    assert problem.message == r"`/a\.b.+/` is unreachable: `a.*` already matches it"
    assert problem.help == f"move it above {tmp_path / 'queues.yaml'}:4, or remove it"


def test_a_pattern_that_is_written_twice_is_not_a_matter_of_order(tmp_path: Path) -> None:
    text = "queues: {q: , r: }\nroutes:\n  - {tasks: a.*, queue: q}\n  - {tasks: a.*, queue: r}\n"
    (problem,) = file_tests.file_findings(part(tmp_path, text))
    assert problem.message == "`a.*` is unreachable: an earlier rule has the same pattern"
    assert problem.help == f"remove it here or at {tmp_path / 'queues.yaml'}:4"


def test_shards_that_no_worker_takes_are_named(tmp_path: Path) -> None:
    text = "queues: {q: {shards: 3}}\nroutes: [{tasks: a, queue: q, shard_by: args.0}]\nworkers: {w: {queues: %s}}\n"
    assert [message for _, _, message in found(tmp_path, text % "[q.0, q.2]")] == [
        "tasks are routed to queue `q.1`, but no worker profile consumes it"
    ]
    assert found(tmp_path, text % "[q]") == []


def test_a_rule_for_what_unlocks_chords_decides_nothing(tmp_path: Path) -> None:
    text = "queues: {q: }\nroutes:\n  - {tasks: celery.*, queue: q}\n"
    assert found(tmp_path, text) == []
    ((code, line, message),) = found(tmp_path, text + "  - {tasks: [a, celery.chord_unlock], queue: q}\n")
    assert (code, line) == ("rule-in-vain", 5)
    assert message == (
        "no rule decides where `celery.chord_unlock` goes: Celery sends it to the queue of the chord's body"
    )


def test_queues_that_no_worker_takes(tmp_path: Path) -> None:
    text = """
exchanges: {dlx: {type: fanout}}
defaults: {queue: {dead_letter: {exchange: dlx}}}
queues: {q: , r: , s: , orders: {shards: 2}, elsewhere: {external: true}, dead: {bindings: [{exchange: dlx}]}}
routes:
  - {tasks: a, queue: q}
  - {tasks: b, queue: r}
  - {tasks: c, queue: elsewhere}
  - {tasks: o, queue: orders, shard_by: args.0}
  - {tasks: "{queue}:*", queue: "{queue}"}
unmatched: s
"""
    assert found(tmp_path, text) == []
    assert [each[:2] for each in found(tmp_path, text + "workers: {w: {queues: q}}\n")] == [
        ("unconsumed-queue", 8),
        ("unconsumed-queue", 10),
        ("unconsumed-queue", 11),
    ]
    assert found(tmp_path, text + "workers: {w: {queues: [q, r, s, orders]}}\n") == []


def test_queues_that_no_rule_leads_to(tmp_path: Path) -> None:
    text = """
queues:
  q: {}
  spare: {}
  orders: {shards: 2}
  elsewhere: {external: true}
  log: {type: stream}
"""
    assert found(tmp_path, text) == []  # no file for Celery
    routes = "routes: [{tasks: a, queue: q}]\n"
    assert found(tmp_path, text + routes) == [
        ("unreached-queue", 5, "no rule routes to queue `spare`, and no worker consumes it"),
        ("unreached-queue", 6, "no rule routes to queue `orders`, and no worker consumes it"),
    ]
    workers = "workers: {w: {queues: [q, spare, orders]}, all: {queues: [q, spare]}}\n"
    assert [message for _, _, message in found(tmp_path, text + routes + workers)] == [
        "no rule routes to queue `spare`, although workers of `w` and `all` consume it",
        "no rule routes to queue `orders`, although workers of `w` consume it",
    ]
    assert [line for _, line, _ in found(tmp_path, text + routes + "unmatched: spare\n")] == [6]
    assert found(tmp_path, text + workers) == []  # its rules stand somewhere else


@pytest.mark.parametrize(
    "rest",
    [
        "queues: {q: {dead_letter: {exchange: dead}}, spare: {bindings: [{exchange: dead}]}}",
        "queues: {q: {dead_letter: {exchange: '', routing_key: spare}}, spare: {}}",
        "queues: {q: {dead_letter: {exchange: others}}, spare: {bindings: [{exchange: dead}]}}",
        "queues: {q: {}, spare: {bindings: [{exchange: others}]}}",
        "queues: {q: {}, spare: {bindings: [{exchange: dead}]}}\n"
        "policies: {p: {pattern: q, definition: {dead_letter: {exchange: dead}}}}",
        "queues: {q: {}, spare: {}}\n"
        "policies: {p: {pattern: q, definition: {dead_letter: {exchange: '', routing_key: spare}}}}",
        "queues: {q: {}, spare: {bindings: [{exchange: dead}]}}\n"
        "policies: {p: {pattern: tasks, apply_to: exchanges, definition: {alternate_exchange: dead}}}",
    ],
)
def test_queues_of_what_cannot_be_delivered_need_no_rule(tmp_path: Path, rest: str) -> None:
    text = """
exchanges:
  tasks: {alternate_exchange: others}
  others: {type: fanout}
  dead: {type: fanout, bindings: [{exchange: others}]}
routes: [{tasks: a, queue: q}]
"""
    assert "unreached-queue" not in {code for code, _, _ in found(tmp_path, text + rest)}


def test_a_problem_without_a_place_is_one_line_and_its_help() -> None:
    problem = Finding("a-code", "something is wrong", None, "do something", Severity.WARNING)
    assert problem.render() == "warning[a-code]: something is wrong\nhelp: do something"
    assert problem.as_dict()["line"] is None


def test_an_app_is_judged_as_plain_data(tmp_path: Path) -> None:
    file = part(
        tmp_path,
        """
exchanges: {tasks: {type: topic}}
queues: {q: {bindings: [{exchange: tasks, key: q}]}, r: , gold: }
routes:
  - {tasks: a, queue: q}
  - {tasks: b, queue: gold, when: {args.0: 1}}
  - {tasks: b, queue: r}
""",
    )
    senders = (
        TaskSource("a", PublishTarget("q", "tasks", "q")),
        TaskSource("a", PublishTarget(error="Oops: no"), schedule="nightly"),
        TaskSource("b", PublishTarget("gold", "", "gold")),  # as a call with 1 goes, but not one without
        TaskSource("celery.chord", PublishTarget("celery", "", "celery")),
        TaskSource("c", PublishTarget("q", "tasks", "q")),
    )
    app = AppFacts("shop", senders)
    problems = list(audit.app_findings(file, app, destinations(file, app)))
    assert [(problem.code, problem.severity, problem.task) for problem in problems] == [
        ("refused-task", Severity.ERROR, "c"),
        ("own-routes", Severity.ERROR, "a"),
        ("own-routes", Severity.WARNING, "b"),
    ]
    assert problems[1].message == "shop cannot send schedule entry `nightly` (task `a`): Oops: no"
    assert problems[2].message == (
        f"the app sends task `b` to `gold`; called without arguments, {tmp_path / 'queues.yaml'}:8 `b` routes it to `r`"
    )


def test_a_task_that_the_file_refuses_without_arguments_is_reported_by_its_call(tmp_path: Path) -> None:
    file = part(tmp_path, "queues: {q: , r: }\nroutes: [{tasks: a, queue: q, when: {args.0: 1}}]\n")
    pinned = {"queue": "q"}
    expected = [
        (TaskSource("a", PublishTarget("q", "", "q"), pinned), []),
        (
            TaskSource("a", PublishTarget("r", "", "r"), {"queue": "r"}),
            ["no rule matches it without arguments"],
        ),
        (TaskSource("a", PublishTarget("q", "", "q"), pinned, "nightly", Call((1,)), known=True), []),
        (
            TaskSource("a", PublishTarget("q", "", "q"), pinned, "nightly", Call((2,)), known=True),
            ["no rule matches this call"],
        ),
    ]
    for sender, clauses in expected:
        app = AppFacts("shop", (sender,))
        found = [
            each
            for each in audit.app_findings(file, app, destinations(file, app))
            if each.code == "own-options"
        ]
        assert [each.message.rpartition("; ")[2] for each in found] == clauses
