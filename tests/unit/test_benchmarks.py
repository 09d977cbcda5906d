"""The arithmetic and the table of the benchmarks; nothing is measured."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from celery.app.routes import MapRoute

from routectl.routing import Router

# Run as `pytest`, the repository's root is not on the path.
sys.path.append(str(Path(__file__).parents[2]))

from benchmarks.drawing import Trace, draw
from benchmarks.ratio import Figure, alternate, ratio
from benchmarks.routing import EXACT, GENERAL, GLOBS, Call, Rules
from benchmarks.table import machine, table

from ..traces.trace import Start


def test_contenders_take_turns_in_alternating_order() -> None:
    order: list[str] = []

    def contender(name: str, seconds: float) -> Callable[[], float]:
        def run() -> float:
            order.append(name)
            return seconds

        return run

    seconds = alternate({"a": contender("a", 1.0), "b": contender("b", 2.0)}, 3)
    assert order == ["a", "b", "b", "a", "a", "b"]
    assert seconds == {"a": [1.0] * 3, "b": [2.0] * 3}


def test_a_ratio_is_taken_round_by_round() -> None:
    figure = ratio("a / b", [1.0, 4.0, 3.0], [2.0, 2.0, 2.0], 1.5, "4.3.6")
    assert figure.values == (0.5, 2.0, 1.5)
    assert figure.median == 1.5
    assert figure.seconds == (3.0, 2.0)
    assert figure.verdict == "ok"
    assert figure.as_dict()["median"] == 1.5


def test_above_the_target_is_over() -> None:
    assert Figure("memory", (401.0,), 400).verdict == "over"


def test_table_stands_in_columns() -> None:
    lines = table(
        [ratio("a / b", [0.5], [1.0], 1.4, "3.10.8"), Figure("peak memory", (155.4, 90.0), 400, unit=" MB")]
    ).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["a", "/", "b", "3.10.8", "0.50", "0.50", "0.50", "1.40", "ok", "0.5", "/", "1"],
        ["peak", "memory", "-", "123", "MB", "90", "MB", "155", "MB", "400", "MB", "ok"],
    ]
    assert len({line.index(word) for line, word in zip(lines[1:], ("ok", "ok"), strict=True)}) == 1


def test_the_picture_of_two_traces_has_each_of_their_starts() -> None:
    starts = [
        Start(queue, number, at, at + 0.001, 0.04, at + wait, "one")
        for number, at in enumerate([0.1, 0.2, 1.5])
        for queue, wait in (("high", 0.01), ("low", 0.5))
    ]
    picture = ElementTree.fromstring(draw([Trace("one", "first", starts), Trace("two", "<second>", starts)]))
    marks = [
        each.get("class")
        for each in picture.iter("{http://www.w3.org/2000/svg}rect")
        if each.get("width") == "2"
    ]
    assert Counter(marks) == {"high": 3 * len(starts) // 2, "low": 3 * len(starts) // 2}
    assert "high, two: 99% within 0.0 s" in "".join(picture.itertext())


def test_machine_says_what_matters() -> None:
    assert {"cores", "Python", "pydantic"} <= machine().keys()


def test_both_routers_have_the_same_rules_and_new_names_are_new() -> None:
    for shapes in (GLOBS, GENERAL):
        rules = Rules(shapes, 30)
        ours, celerys = Router.from_topology(rules.topology()), MapRoute(rules.task_routes())
        names = [*rules.new_names(40), *rules.new_names(10)]
        assert len(set(names)) == 50
        assert len({ours.route(name).pattern for name in names}) == 30
        for name in (*names, EXACT):
            assert celerys(name) == {"queue": ours.route(name).queue}


def test_routers_are_called_as_apply_async_calls_them() -> None:
    calls: list[tuple[Any, ...]] = []

    def router(*passed: Any, **named: Any) -> None:
        calls.append((passed, named))

    assert Call().seconds(router, ["a", "b"]) > 0
    assert [passed[0] for passed, _ in calls] == ["a", "b"]
    (_, args, kwargs, options), named = calls[0]
    assert (args, kwargs) == (None, {})
    assert {"exchange": None, "routing_key": None, "serializer": "json"}.items() <= options.items()
    assert named["task"].name.endswith("_task")
