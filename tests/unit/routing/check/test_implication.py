"""Rules whose calls all go to an earlier rule: which conditions imply others, by example and against any value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.routing.check import file_tests
from routectl.routing.check.context import VhostContext
from routectl.routing.check.implication import BroaderRules, subsumes
from routectl.routing.rules.call import Call, matches_when
from routectl.routing.rules.decision import PatternEntry
from routectl.topology.file.load import load
from routectl.topology.matching.pattern import parse
from routectl.topology.model import Route

FILE = """\
version: 1
queues: {{q: , r: , s: {{shards: 3}}}}
routes:
  - {{tasks: {first}, {earlier}}}
  - {{tasks: {second}, {later}}}
"""


def found(folder: Path, first: str, earlier: str, second: str, later: str) -> list[tuple[str, str]]:
    text = FILE.format(first=first, earlier=earlier, second=second, later=later)
    (folder / "queues.yaml").write_text(text)
    problems = file_tests.file_findings(VhostContext.of(load(folder / "queues.yaml"), None))
    return [(each.message, each.help or "") for each in problems if each.code == "shadowed-rule"]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("{kwargs.x: {gt: 5}}", "{kwargs.x: {gt: 7}}"),
        ("{kwargs.x: {gt: 5}}", "{kwargs.x: {ge: 6, lt: 9}}"),
        ("{kwargs.x: {ge: 5}}", "{kwargs.x: {gt: 5}}"),
        ("{kwargs.x: {gt: 5}}", "{kwargs.x: [6, 7]}"),
        ("{kwargs.x: {ne: 5}}", "{kwargs.x: {gt: 5}}"),
        ("{kwargs.x: {none_of: [1, 2]}}", "{kwargs.x: {none_of: [1, 2, 3]}}"),
        ("{kwargs.x: [1, 2]}", "{kwargs.x: 2}"),
        ("{kwargs.x: 1}", "{kwargs.x: 1, kwargs.y: 2}"),
        ("{kwargs.x: {present: true}}", "{kwargs.x: {lt: 2}}"),
        ("{kwargs.x: {present: true}}", "{kwargs.x.id: 2}"),
        ("{kwargs.x: {present: false}}", "{kwargs.x: {present: false}, args.0: 1}"),
    ],
)
def test_a_rule_whose_calls_an_earlier_one_takes(tmp_path: Path, earlier: str, later: str) -> None:
    for names in ("a.*", "a.b.*"), ("a.*", "a.*"), ("a.b", "a.b"):
        problems = found(
            tmp_path, names[0], f"queue: q, when: {earlier}", names[1], f"queue: r, when: {later}"
        )
        place = tmp_path / "queues.yaml"
        help_ = f"move it above {place}:4, or remove it"
        message = f"`{names[1]}` is unreachable: `{names[0]}` already matches all of its calls"
        assert problems == [(message, help_)]
    assert found(tmp_path, "a.b.*", f"queue: q, when: {earlier}", "a.*", f"queue: r, when: {later}") == []


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("{kwargs.x: {gt: 5}}", "{kwargs.x: {gt: 4}}"),
        ("{kwargs.x: {gt: 5}}", "{kwargs.x: {ge: 5}}"),
        ("{kwargs.x: {gt: 5}}", "{kwargs.y: {gt: 5}}"),
        ("{kwargs.x: {gt: 5}}", "{kwargs.x: {gt: a}}"),
        ("{kwargs.x: {gt: 5}}", "{kwargs.x: [6, a]}"),
        ("{kwargs.x: {gt: 5}}", "{kwargs.x: {ne: 5}}"),
        ("{kwargs.x: 1, kwargs.y: 2}", "{kwargs.x: 1}"),
        ("{kwargs.x: 1}", "{kwargs.x: true}"),
        ("{kwargs.x: {present: true}}", "{kwargs.x: {present: false}}"),
        ("{kwargs.x: {present: true}}", "{kwargs.x.id: {present: false}}"),
        ("{kwargs.x: {ne: 1}}", "{kwargs.x.id: 2}"),
    ],
)
def test_a_rule_that_has_calls_of_its_own(tmp_path: Path, earlier: str, later: str) -> None:
    for tasks in "a.*", "a.b":
        problems = found(tmp_path, tasks, f"queue: q, when: {earlier}", tasks, f"queue: r, when: {later}")
        assert problems == []


@pytest.mark.parametrize(
    ("earlier", "later", "taken"),
    [
        ("queue: s, shard_by: args.0", "queue: s, shard_by: args.0", True),
        ("queue: s, shard_by: args.0", "queue: s, shard_by: args.0, when: {args.1: 1}", True),
        ("queue: s, shard_by: args.0", "queue: q, when: {args.1: 1}", False),
        ("queue: s, shard_by: args.0", "queue: s, shard_by: args.1", False),
        ("queue: q, when: {args.1: 1}", "queue: s, shard_by: args.0, when: {args.1: 1}", True),
    ],
)
def test_a_rule_with_shards_takes_the_calls_that_have_one(
    tmp_path: Path, earlier: str, later: str, taken: bool
) -> None:
    for tasks in "a.*", "a.b":
        assert bool(found(tmp_path, tasks, earlier, tasks, later)) == taken


def test_a_pattern_that_stands_twice_with_the_same_conditions_is_no_matter_of_order(tmp_path: Path) -> None:
    rule = "queue: q, when: {kwargs.x: {gt: 5}}"
    ((message, help_),) = found(tmp_path, "a.*", rule, "a.*", rule)
    assert message == "`a.*` is unreachable: an earlier rule has the same pattern"
    assert help_ == f"remove it here or at {tmp_path / 'queues.yaml'}:4"


values = st.sampled_from([0, 1, 2, 3, 0.5, 2**40, "a", "b", "", True, False])
bounds = st.sampled_from([0, 1, 2, 0.5, "a", "b"])
several = st.lists(values, min_size=1, max_size=3)
conditions = st.one_of(
    values,
    several,
    st.booleans().map(lambda there: {"present": there}),
    st.fixed_dictionaries(
        {},
        optional={"ne": values, "none_of": several}
        | dict.fromkeys(("gt", "ge", "lt", "le"), bounds)
        | {"one_of": several},
    ).filter(bool),
)
rules = st.dictionaries(st.sampled_from(["kwargs.x", "kwargs.y", "kwargs.x.id"]), conditions, max_size=2)
parts = values | st.none() | st.fixed_dictionaries({}, optional={"id": values | st.none()})
calls = st.fixed_dictionaries({}, optional={"x": parts, "y": parts})


def route(when: dict[str, Any]) -> Route:
    return Route.model_validate({"tasks": "a", "queue": "q", "when": when})


@given(rules, rules, st.lists(calls, min_size=1, max_size=20))
def test_whatever_a_narrower_rule_takes_a_wider_one_does(
    wide: dict[str, Any], narrow: dict[str, Any], kwargs: list[dict[str, Any]]
) -> None:
    wider, narrower = route(wide), route(narrow)
    if subsumes(wider, narrower):
        taken = [each for each in kwargs if matches_when(narrower, Call((), each))]
        assert all(matches_when(wider, Call((), each)) for each in taken)


@given(st.lists(rules, max_size=8), rules)
def test_wider_rules_are_all_found(whens: list[dict[str, Any]], narrow: dict[str, Any]) -> None:
    entries = [PatternEntry(at, route(when), parse("a")) for at, when in enumerate(whens)]
    wider = BroaderRules()
    for entry in entries:
        wider.add(entry)
    narrower = route(narrow)
    assert wider.of(narrower) == [each for each in entries if subsumes(each.route, narrower)]
