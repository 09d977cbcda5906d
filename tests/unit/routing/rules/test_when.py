"""`when`: every comparison on every part, odd values, and that no call raises."""

from __future__ import annotations

import uuid
from collections import OrderedDict, UserDict
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from routectl.routing import Router
from routectl.routing.rules.call import Call, matches_when, when_mismatch
from routectl.topology.errors import FileError
from routectl.topology.file.load import load
from routectl.topology.model import Topology

from ....markdown import Block, every
from ...loading import Folder, body
from ...odd import (
    ODD,
    Hostile,
    HostileDict,
    HostileList,
    HostileUUID,
    Level,
    LyingDecimal,
    LyingNumber,
    LyingText,
    OldPlan,
    Plan,
    routers,
)


def takes(condition: Any, value: Any) -> bool:
    """Whether a value meets a condition, which is the same in every part of the call."""
    calls = {
        "args.1": Call(args=(0, value)),
        "args.0.deep": Call(args=[{"deep": value}]),
        "kwargs.part": Call(kwargs={"part": value}),
        "kwargs.account.plan.2": Call(kwargs={"account": {"plan": [0, 1, value]}}),
        "headers.part": Call(headers={"part": value}),
        "options.part": Call(options={"part": value}),
    }
    found = set()
    for path, call in calls.items():
        router = routers({path: condition})
        rule = router.body.routes[0]
        decision = router.route("t", call.args, call.kwargs, headers=call.headers, options=call.options)
        found.add(decision.queue == "rule0")
        assert matches_when(rule, call) is (when_mismatch(rule, call) is None) is (decision.queue == "rule0")
    assert len(found) == 1
    return found.pop()


@pytest.mark.parametrize(
    ("condition", "taken", "left"),
    [
        ("gold", ["gold"], ["silver", "Gold", "gold ", "", b"gold", ["gold"]]),
        (3, [3, 3.0, Decimal("3.00")], [4, "3", 3.1, [3], True, Decimal("3.01")]),
        (0.1, [0.1, Decimal("0.1")], [0, "0.1", Fraction(1, 10)]),
        (1, [1, 1.0], [True, "1"]),
        (True, [True], [1, 1.0, "true", False]),
        (False, [False], [0, "", None, True]),
        ("", [""], [None, 0, False, " "]),
        ({"eq": "gold"}, ["gold"], ["silver"]),
        (["gold", "platinum", 7], ["gold", "platinum", 7, 7.0], ["silver", "7", True, None]),
        ({"one_of": [True]}, [True], [1, False]),
        ({"ne": "gold"}, ["silver", "", 3, False], ["gold", None, ["silver"], {}]),
        ({"ne": 1}, [True, "1", 2], [1, 1.0]),
        ({"none_of": ["a", 1]}, ["b", 2, True], ["a", 1, 1.0, None, [], b"b"]),
        ({"gt": 3}, [4, 3.1, 10**400, float("inf")], [3, 2, "4", True]),
        (
            {"ge": 99.5},
            [Decimal("99.50"), Decimal("1e999999"), Decimal("inf")],
            [Decimal("99.49"), Decimal("-inf")],
        ),
        ({"ge": 3}, [3, 3.0, 4], [2.9, -(10**400), float("-inf")]),
        ({"lt": 3}, [2, -5, 2.9, -(10**400)], [3, False, "2", None]),
        ({"le": 3.5}, [3.5, 3, -0.0], [3.6, "3"]),
        ({"ge": "b", "lt": "c"}, ["b", "bzz"], ["a", "c", "B", 1, b"b"]),
        ({"ge": 10, "lt": 20, "ne": 15}, [10, 19, 14.9], [9, 15, 15.0, 20]),
        ({"ge": 1, "one_of": [0, 5]}, [5], [0, 1]),
        ({"present": True}, ["", 0, None, [], b""], []),
        ({"present": True, "gt": 0}, [1], [0, None]),
        ({"present": False}, [], ["", 0, None, False]),
    ],
    ids=str,
)
def test_a_condition(condition: Any, taken: list[Any], left: list[Any]) -> None:
    assert [value for value in taken if not takes(condition, value)] == []
    assert [value for value in left if takes(condition, value)] == []


PARTS = "`args.0`, `kwargs.NAME`, `headers.NAME` or `options.NAME`"

EVERY_COMPARISON = [
    {"eq": "gold"},
    {"ne": "gold"},
    {"one_of": ["gold", 1]},
    {"none_of": ["gold", 1]},
    *({name: bound} for name in ("gt", "ge", "lt", "le") for bound in (0, "a")),
]


@pytest.mark.parametrize("name", [*ODD, "uuid"])
def test_an_odd_value_is_present_and_meets_no_comparison(name: str) -> None:
    value = ODD.get(name, uuid.UUID(int=1))
    assert [condition for condition in EVERY_COMPARISON if takes(condition, value)] == []
    assert takes({"present": True}, value)
    assert not takes({"present": False}, value)


@pytest.mark.parametrize("condition", EVERY_COMPARISON, ids=str)
def test_a_missing_value_meets_no_comparison(condition: Any) -> None:
    paths = (
        "args.3",
        "args.0.x",
        "kwargs.no",
        "kwargs.a.no",
        "kwargs.a.b.c.d",
        "kwargs.list.9",
        "headers.no",
    )
    for path in (*paths, "options.no", "kwargs.text.0", "kwargs.list.-1", "kwargs.list." + "9" * 5000):
        call = ((1,), {"a": {"b": 1}, "list": [1], "text": "ab"})
        assert routers({path: condition}).route("t", *call).queue == "other"
        assert routers({path: {"present": False}}).route("t", *call).queue == "rule0"


@pytest.mark.parametrize(
    "value", [Plan.GOLD, OldPlan.GOLD, LyingText("gold")], ids=["Plan", "OldPlan", "LyingText"]
)
def test_a_str_subclass_is_compared_as_serialized(value: Any) -> None:
    assert takes("gold", value)
    assert takes({"ge": "g", "lt": "h", "none_of": ["OldPlan.GOLD"]}, value)
    assert not takes({"ne": "gold"}, value)


@pytest.mark.parametrize(
    "value",
    [Level.HIGH, LyingNumber(9), LyingDecimal("9.00")],
    ids=["Level", "LyingNumber", "LyingDecimal"],
)
def test_a_number_subclass_is_compared_as_serialized(value: Any) -> None:
    assert takes(9, value)
    assert takes({"gt": 8, "le": 9}, value)
    assert not takes({"gt": 9}, value)


def test_invalid_arguments_have_no_parts() -> None:
    router = routers({"args.0": "gold"}, {"kwargs.0": "gold"}, {"headers.0": {"present": True}})
    named, placed = {"0": "gold"}, ("gold",)
    assert router.route("t", named, placed, headers=placed).queue == "other"
    assert router.route("t", "gold", "gold", headers="gold").queue == "other"
    assert router.route("t", placed).queue == "rule0"
    assert router.route("t", (), named).queue == "rule1"


def test_every_condition_of_a_rule_must_match() -> None:
    router = routers(
        {"kwargs.plan": "gold", "headers.tenant": ["acme", "initech"]},
        {"args.0": {"gt": 100}, "options.priority": {"present": False}},
    )
    acme = {"headers": {"tenant": "acme"}}
    assert router.route("t", kwargs={"plan": "gold"}, **acme).queue == "rule0"
    assert router.route("t", kwargs={"plan": "gold"}).queue == "other"
    assert router.route("t", kwargs={"plan": "free"}, **acme).queue == "other"
    assert router.route("t", (101,), {"plan": "free"}, **acme).queue == "rule1"
    assert router.route("t", (101,), options={"priority": 3}).queue == "other"


def test_parts_are_found_in_any_mapping_or_list() -> None:
    for account in ({"id": 7}, OrderedDict(id=7), UserDict(id=7), MappingProxyType({"id": 7})):
        assert routers({"kwargs.account.id": 7}).route("t", kwargs={"account": account}).queue == "rule0"
    for items in ([7], (7,)):
        assert routers({"kwargs.items.0": 7}).route("t", kwargs={"items": items}).queue == "rule0"


NO_LISTS = {"number": 5, "text": "text", "iterator": iter([7]), "hostile list": HostileList([7])}


@pytest.mark.parametrize("name", [*sorted(ODD.keys() - {"list", "tuple"}), *NO_LISTS])
def test_args_that_are_not_a_list_have_no_parts(name: str) -> None:
    args = (ODD | NO_LISTS)[name]
    router = routers({"args.0": {"present": True}})
    assert router.route("t", args).queue == "other"
    found = router("t", args, {}, {})
    assert found is not None
    assert found["queue"] == "other"


def test_a_generator_is_not_consumed() -> None:
    def numbers() -> Iterator[int]:
        yield 7

    args: Any = numbers()
    assert routers({"args.0": 7}).route("t", args).queue == "other"
    assert next(args) == 7


NO_MAPS = {"number": 5, "text": "text", "pairs": [("a", 1)], "hostile map": HostileDict(a=1)}


@pytest.mark.parametrize("name", [*sorted(ODD.keys() - {"dict"}), *NO_MAPS])
def test_kwargs_and_headers_that_are_not_mappings_have_no_parts(name: str) -> None:
    parts = (ODD | NO_MAPS)[name]
    router = routers({"kwargs.a": {"present": True}}, {"headers.a": {"present": True}})
    assert router.route("t", (), parts, headers=parts).queue == "other"
    found = router("t", (), parts, {"headers": parts})
    assert found is not None
    assert found["queue"] == "other"


def test_tasks_that_call_another_task_are_routed_like_it() -> None:
    topology = {
        "queues": {"q": {}, "other": {}},
        "routes": [{"tasks": "t", "queue": "q"}],
        "unmatched": "other",
    }
    router = Router.from_topology(Topology.model_validate({"version": 1, **topology}))

    def goes_to(kwargs: Any) -> str:
        found = router("celery.map", (), kwargs, {})
        assert found is not None
        return str(found["queue"])

    nameless: list[Any] = [
        {},
        None,
        5,
        {"task": None},
        {"task": 5},
        {"task": {}},
        {"task": Hostile()},
        HostileDict(),
    ]
    for kwargs in nameless:
        assert goes_to(kwargs) == "other"
        assert goes_to({"task": "t"}) == "q"
        assert goes_to({"task": {"task": "t"}}) == "q"


def sharded(*paths: str) -> Router:
    return Router.from_topology(
        Topology.model_validate(
            {
                "version": 1,
                "queues": {"work": {"shards": 4}, "other": {}},
                "routes": [{"tasks": "t", "queue": "work", "shard_by": list(paths)}],
                "unmatched": "other",
            }
        )
    )


UNTOLD = {"huge number": 10**5000, "true": True, "float": 1.5, "hostile UUID": HostileUUID(int=1)}


@pytest.mark.parametrize("name", [*ODD, *UNTOLD])
def test_a_value_that_is_not_a_shard_key_falls_through_to_the_next_part_or_rule(name: str) -> None:
    value = (ODD | UNTOLD)[name]
    assert sharded("kwargs.id").route("t", kwargs={"id": value}).queue == "other"
    assert sharded("kwargs.id", "args.0").route("t", (7,), {"id": value}) == sharded("args.0").route(
        "t", (7,)
    )


def test_a_str_or_int_subclass_is_sharded_as_serialized() -> None:
    for one, other in (
        (Plan.GOLD, "gold"),
        (LyingText("x"), "x"),
        (Level.HIGH, 9),
        (LyingNumber(9), "9"),
        (uuid.UUID(int=5), str(uuid.UUID(int=5))),
    ):
        assert sharded("args.0").route("t", (one,)) == sharded("args.0").route("t", (other,))


@pytest.mark.parametrize(
    ("when", "mistake"),
    [
        (
            "{kwargs.plan: }",
            "5:12 wrong-value: `kwargs.plan` is an empty condition; use `{present: true}` to match any value",
        ),
        (
            "{kwargs.plan: {}}",
            "5:25 wrong-value: `kwargs.plan` is an empty condition; use `{present: true}` to match any value",
        ),
        (
            "{kwargs.plan: {gt: }}",
            "5:25 wrong-value: `kwargs.plan` is an empty condition; use `{present: true}` to match any value",
        ),
        ("{kwargs.plan: []}", "5:25 wrong-value: `kwargs.plan` must have at least one value to compare with"),
        (
            "{kwargs.plan: {none_of: []}}",
            "5:25 wrong-value: `kwargs.plan` must have at least one value to compare with",
        ),
        (
            "{kwargs.plan: {present: false, eq: gold}}",
            "5:25 wrong-value: `kwargs.plan` cannot combine `present: false` with other comparisons",
        ),
        ("{kwargs.size: {gt: true}}", "5:30 wrong-value: `gt` must be a number or a string, not `true`"),
        (
            "{kwargs.plan: {is: gold}}",
            "5:26 unknown-key: unknown key `is` | valid keys: eq, ge, gt, le, lt, ne, none_of, one_of, present",
        ),
        (
            "{plan: gold}",
            "5:12 wrong-value: `plan` must name a part of the call: " + PARTS,
        ),
        (
            "{args.-1: gold}",
            "5:12 wrong-value: `args.-1` must name a part of the call: " + PARTS,
        ),
        (
            "{options.countdown: {gt: 5}}",
            "5:12 wrong-value: `options.countdown` cannot refer to `countdown`, "
            "which Celery handles before routing",
        ),
    ],
)
def test_a_mistake_is_reported_with_its_position(tmp_path: Path, when: str, mistake: str) -> None:
    text = body(f"queues: {{q: {{}}}}\nroutes:\n  - tasks: t\n    when: {when}\n    queue: q")
    assert Folder(tmp_path).mistakes(text) == [mistake]


def test_only_options_that_routers_do_not_get_are_rejected(tmp_path: Path) -> None:
    file = tmp_path / "queues.yaml"
    file.write_text(
        body("queues: {q: {}}\nroutes: [{tasks: t, queue: q, when: {options.priority: 3, options.eta.x: 1}}]")
    )
    with pytest.raises(FileError, match="eta"):
        load(file)
    file.write_text(
        body("queues: {q: {}}\nroutes: [{tasks: t, queue: q, when: {options.priority: 3, kwargs.eta: 1}}]")
    )
    assert load(file).topology.routes[0].when["kwargs.eta"].eq == 1


@pytest.mark.parametrize(
    "block", [each for each in every("yaml") if "when:" in each.text and "\ntests:" in each.text], ids=str
)
def test_the_calls_in_the_documentation_go_where_it_says(block: Block, tmp_path: Path) -> None:
    Folder(tmp_path).write(block.text if "version:" in block.text else body(block.text))
    loaded = load(tmp_path / "queues.yaml")
    router = Router.from_loaded(loaded)
    assert loaded.topology.tests
    for test in loaded.topology.tests:
        found = router.route(test.task, test.args, test.kwargs, headers=test.headers, options=test.options)
        assert found.queue in loaded.topology.shards.get(test.queue, (test.queue,))


@pytest.mark.parametrize(
    ("condition", "value", "why"),
    [
        ({"gt": "1000"}, 1001, "`args.0` is a number, and not greater than the text `1000`"),
        ("1", 1, "`args.0` is a number, and not the text `1`"),
        (1, True, "`args.0` is a boolean, and not the number `1`"),
        ({"gt": 1000}, 7, "`args.0` is not greater than `1000`"),
    ],
)
def test_a_mismatch_of_types_is_reported(condition: Any, value: Any, why: str) -> None:
    rule = routers({"args.0": condition}).body.routes[0]
    assert when_mismatch(rule, Call(args=(value,))) == why
