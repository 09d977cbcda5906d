"""Exact names come before patterns: `check` and `route` report rules with `when` that are not tried for that reason."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from routectl.routing.check.context import VhostContext
from routectl.routing.check.precedence import outranked_rules
from routectl.topology.file.load import load

if TYPE_CHECKING:
    from routectl.topology.base.finding import Finding

NARROW = "{tasks: a.*, queue: q, when: {kwargs.t: big}}"


def part(folder: Path, *routes: str) -> VhostContext:
    rules = "\n".join(f"  - {route}" for route in routes)
    (folder / "queues.yaml").write_text(
        f"version: 1\nqueues: {{q: , r: , s: {{shards: 3}}}}\nroutes:\n{rules}\nunmatched: r\n"
    )
    return VhostContext.of(load(folder / "queues.yaml"), None)


def found(folder: Path, *routes: str) -> list[Finding]:
    return list(outranked_rules(part(folder, *routes)))


@pytest.mark.parametrize(
    ("narrow", "exact"),
    [
        (NARROW, "{tasks: a.b, queue: r}"),
        (NARROW, "{tasks: a.b, queue: q, time_limit: 2m}"),
        (NARROW, "{tasks: a.b, queue: r, when: {kwargs.t: big}}"),
        (NARROW, "{tasks: a.b, queue: r, when: {kwargs.t: {ne: small}}}"),
        (NARROW, "{tasks: a.b, queue: r, when: {kwargs.t: {present: true}}}"),
        (NARROW, "{tasks: a.b, queue: r, when: {kwargs.t: {ge: a, lt: c}}}"),
        ("{tasks: '{queue}.*', queue: '{queue}', when: {kwargs.t: big}}", "{tasks: q.b, queue: r}"),
        ("{tasks: '/a[.]b/', queue: s, shard_by: args.0, when: {kwargs.t: 1}}", "{tasks: a.b, queue: r}"),
    ],
)
def test_an_exact_name_further_down_takes_all_calls_of_a_pattern_with_when(
    tmp_path: Path, narrow: str, exact: str
) -> None:
    (problem,) = found(tmp_path, narrow, exact)
    name = "q.b" if "q.b" in exact else "a.b"
    assert (problem.code, problem.position and problem.position.line) == ("exact-first", 4)
    assert problem.message == (
        f"for `{name}`, {tmp_path / 'queues.yaml'}:5 comes before this rule and matches all of its calls: "
        "exact names are tried before patterns"
    )


@pytest.mark.parametrize(
    "exact",
    [
        "{tasks: a.b, queue: s, shard_by: args.0}",
        "{tasks: a.b, queue: r, when: {kwargs.other: 1}}",
        "{tasks: a.b, queue: r, when: {kwargs.t: [big, small], kwargs.other: 1}}",
        "{tasks: a.b, queue: r, when: {kwargs.t: {ne: small}, kwargs.other: 1}}",
        "{tasks: a.b, queue: s, when: {kwargs.t: {present: true}}, shard_by: args.0}",
    ],
)
def test_or_some_of_them(tmp_path: Path, exact: str) -> None:
    (problem,) = found(tmp_path, NARROW, exact)
    assert " comes before this rule and matches some of its calls: " in problem.message


@pytest.mark.parametrize(
    "rules",
    [
        ["{tasks: a.b, queue: r}", NARROW],  # the order that the file shows
        [NARROW, "{tasks: other.b, queue: r}"],
        [NARROW, "{tasks: a.b, queue: q}"],  # leads to the same
        [NARROW, "{tasks: a.b, queue: q, when: {kwargs.t: big}}", "{tasks: a.b, queue: r}"],
        ["{tasks: [a.*, a.b], queue: q, when: {kwargs.t: big}}", "{tasks: a.b, queue: r}"],
        ["{tasks: a.b, queue: r, when: {kwargs.t: big}}", NARROW, "{tasks: a.b, queue: r}"],
        ["{tasks: a.*, queue: q}", "{tasks: a.b, queue: r}"],  # no `when`
        ["{tasks: '{queue}.*', queue: '{queue}', when: {kwargs.t: 1}}", "{tasks: a.b, queue: r}"],
        *(
            [NARROW, f"{{tasks: a.b, queue: r, when: {{{condition}}}}}"]
            for condition in (
                "kwargs.t: small",
                "kwargs.t: 7",
                "kwargs.t: [small, tiny]",
                "kwargs.t: {ne: big}",
                "kwargs.t: {gt: c}",
                "kwargs.t: {present: false}",
                "kwargs.t.id: {present: true}",
            )
        ),
        [
            "{tasks: a.*, queue: q, when: {args.0: {gt: 5}}}",
            "{tasks: a.b, queue: r, when: {args.0: {le: 5}}}",
        ],
        [
            "{tasks: a.*, queue: q, when: {kwargs.t.id: 1}}",
            "{tasks: a.b, queue: r, when: {kwargs.t: {present: false}}}",
        ],
    ],
)
def test_nothing_is_said_where_the_pattern_misses_nothing(tmp_path: Path, rules: list[str]) -> None:
    assert found(tmp_path, *rules) == []


@pytest.mark.parametrize(
    ("narrow", "advice"),
    [
        (NARROW, "add `a.b` and the others to its `tasks`: exact names are tried in file order; "),
        (
            "{tasks: '{x}.*', queue: '{x}', when: {kwargs.t: big}}",
            "add a rule with this `when` for `q.b` and the others above FILE:5; ",
        ),
    ],
)
def test_the_first_name_is_told_and_the_others_are_counted(tmp_path: Path, narrow: str, advice: str) -> None:
    x = "a" if "a.*" in narrow else "q"
    rules = f"{{tasks: [{x}.b, {x}.c], queue: r}}", f"{{tasks: {x}.d, queue: r}}"
    (problem,) = found(tmp_path, narrow, *rules)
    assert problem.message.endswith("; likewise for 2 more names")
    place = str(tmp_path / "queues.yaml")
    meant = "if this is intended, move FILE:5 and the rules of the others above it"
    assert problem.help == (advice + meant).replace("FILE", place)
    many = ", ".join(f"a.{number}" for number in range(3000))
    (problem,) = found(tmp_path, NARROW, f"{{tasks: [{many}], queue: r}}")
    assert problem.message.endswith("; likewise for at least 100 more names")


def test_each_piece_of_advice_ends_it(tmp_path: Path) -> None:
    big, small = {"t": "big"}, {"t": "small"}
    exact = "{tasks: [a.b, a.c], queue: r, time_limit: 2m}"
    assert part(tmp_path, NARROW, exact).router.route("a.b", kwargs=big).queue == "r"
    listed = part(tmp_path, NARROW.replace("a.*", "[a.*, a.b, a.c]"), exact)
    assert listed.router.route("a.b", kwargs=big).queue == "q"
    assert listed.router.route("a.b", kwargs=small).queue == "r"
    above = part(tmp_path, NARROW, NARROW.replace("a.*", "[a.b, a.c]"), exact)
    assert above.router.route("a.c", kwargs=big).queue == "q"
    moved = part(tmp_path, exact, NARROW)
    assert [list(outranked_rules(each)) for each in (listed, above, moved)] == [[], [], []]


def test_each_rule_is_told_at_its_place(tmp_path: Path) -> None:
    narrow = (f"{{tasks: a{n}.*, queue: q, when: {{kwargs.t: {n}}}}}" for n in range(500))
    exact = (f"{{tasks: a{n}.b, queue: r}}" for n in range(500))
    problems = found(tmp_path, *narrow, *exact)
    assert [problem.position and problem.position.line for problem in problems] == list(range(4, 504))
