"""Dead letters and unroutable messages that reach no queue."""

from __future__ import annotations

from pathlib import Path

import pytest

from .....loading import warnings

HERE = """\
exchanges:
  all: {type: fanout}
  some: {type: direct}
  words: {type: topic}
  theirs: {type: direct, external: true}
"""
TAKES = "bind a queue to `some` with this key"


def found(folder: Path, text: str) -> list[str]:
    return [line.partition(" ")[2] for line in warnings(folder, HERE + text)]


@pytest.mark.parametrize(
    ("queues", "warning"),
    [
        (
            "q: {dead_letter: {exchange: all}}",
            "dead-end: nothing is bound to `all`: dead letters of `q` are discarded | bind a queue to `all`",
        ),
        (
            "q: {dead_letter: {exchange: some, routing_key: nope}}, d: {bindings: [{exchange: some, key: dead}]}",
            "dead-end: no binding of `some` takes the key `nope`: dead letters of `q` are discarded | "
            + TAKES,
        ),
        (
            "q: {dead_letter: {exchange: some}}, d: {bindings: [{exchange: some, key: dead}]}",
            "dead-end: dead letters of `q` keep their key, such as `q`: no binding of `some` takes it"
            " | add a `routing_key` that a binding of `some` takes",
        ),
        (
            "q: {dead_letter: {exchange: some}, bindings: [{exchange: words, key: a.b}]}, "
            "d: {bindings: [{exchange: some, key: dead}]}",
            "dead-end: dead letters of `q` keep their key, such as `a.b`, `q`: no binding of `some` takes it"
            " | add a `routing_key` that a binding of `some` takes",
        ),
        (
            "q: {shards: 2, dead_letter: {exchange: all}}",
            "dead-end: nothing is bound to `all`: dead letters of `q.0` are discarded | bind a queue to `all`",
        ),
    ],
)
def test_dead_letters_that_reach_no_queue(tmp_path: Path, queues: str, warning: str) -> None:
    assert found(tmp_path, f"queues: {{{queues}}}") == [warning]


def test_dead_letters_by_a_policy(tmp_path: Path) -> None:
    text = "queues: {q: }\npolicies: {p: {pattern: ^q$, definition: {dead_letter: {exchange: all}}}}"
    assert found(tmp_path, text) == [
        "dead-end: nothing is bound to `all`: dead letters of `q` are discarded | bind a queue to `all`"
    ]


def test_an_alternate_exchange_that_nothing_is_bound_to(tmp_path: Path) -> None:
    text = "  t: {alternate_exchange: all}\nqueues: {q: {bindings: [{exchange: t, key: a}]}}"
    assert found(tmp_path, text) == [
        "dead-end: nothing is bound to `all`: what `t` cannot route is discarded | bind a queue to `all`"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "queues: {q: {dead_letter: {exchange: all}}, d: {bindings: [{exchange: all}]}}",
        "queues: {q: {dead_letter: {exchange: theirs, routing_key: x}}}",
        "queues: {q: {dead_letter: {exchange: amq.fanout}}}",
        "queues: {q: {dead_letter: {exchange: some}}, d: {bindings: [{exchange: some, key: q}]}}",
        "queues: {q: {dead_letter: {exchange: some}, bindings: [{exchange: words, key: 'a.*'}]}, "
        "d: {bindings: [{exchange: some, key: a.b}]}}",
        "queues: {q: {dead_letter: {exchange: words, routing_key: a.b}}, "
        "d: {bindings: [{exchange: words, key: 'a.#'}]}}",
        "  on: {type: direct, bindings: [{exchange: some, key: q}]}\n"
        "queues: {q: {dead_letter: {exchange: some}}, d: {bindings: [{exchange: on, key: q}]}}",
        "  on: {type: direct, alternate_exchange: all}\n"
        "queues: {q: {dead_letter: {exchange: on, routing_key: x}}, d: {bindings: [{exchange: all}]}}",
        "queues: {q: {dead_letter: {exchange: some}}, d: {bindings: [{exchange: all}]}}\n"
        "policies: {p: {pattern: ^some$, definition: {alternate_exchange: all}}}",
    ],
)
def test_dead_letters_that_reach_a_queue_or_leave_the_file_are_quiet(tmp_path: Path, text: str) -> None:
    assert [line for line in found(tmp_path, text) if line.startswith("dead-end")] == []
