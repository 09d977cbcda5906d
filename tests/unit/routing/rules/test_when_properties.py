"""Any call: nothing raises, and the decision is that of a naive implementation of the conditions."""

from __future__ import annotations

from collections import UserDict
from typing import Any

from celery import Celery
from hypothesis import given, settings
from hypothesis import strategies as st
from kombu import Queue

from routectl.routing import Router
from routectl.routing.celery import configure
from routectl.routing.rules.call import Call
from routectl.topology.model import Topology

from ...odd import ODD, HostileDict, HostileList, Level, Plan, routers

scalars = st.one_of(
    st.sampled_from(["gold", "a", "", "0", "é", "\ud800"]),
    st.sampled_from([0, 1, -1, 9, 2**70, 10**400, 0.0, 0.5, 1.0, float("inf")]),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
)
#: Hypothesis inspects and prints what it draws; values that must not be touched are inserted just before the call.
odd = st.sampled_from([f"<{name}>" for name in ODD])
values = st.recursive(
    scalars | odd | st.sampled_from([Plan.GOLD, Level.HIGH]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from("ab0"), inner, max_size=2)
        | st.dictionaries(st.sampled_from("ab0"), inner, max_size=2).map(HostileDict)
        | st.lists(inner, max_size=2).map(HostileList)
    ),
    max_leaves=4,
)
maps = st.dictionaries(st.sampled_from(["a", "b", "priority"]), values, max_size=3)
anything = values | maps | st.sampled_from([None, (), [], {}, "text", 0, HostileList(), HostileDict()])


def made(drawn: Any) -> Any:
    """The drawn value, with the odd values inserted."""
    if type(drawn) is str and drawn.startswith("<"):
        return ODD[drawn[1:-1]]
    if type(drawn) in (list, HostileList):
        return type(drawn)(map(made, list.__iter__(drawn)))
    if type(drawn) in (dict, HostileDict):
        return type(drawn)({key: made(value) for key, value in dict.items(drawn)})
    return drawn


plain = st.sampled_from(["gold", "a", "", "0"]) | st.sampled_from([0, 1, 9, 0.5]) | st.booleans()
bounds = st.sampled_from(["a", "b", 0, 1, 0.5, -1])
paths = st.sampled_from(
    [
        "args.0",
        "args.1",
        "args.0.a",
        "kwargs.a",
        "kwargs.a.b",
        "kwargs.b.0",
        "headers.a",
        "options.priority",
        "options.b.a",
    ]
)
conditions = st.one_of(
    plain,
    st.lists(plain, min_size=1, max_size=3),
    st.booleans().map(lambda there: {"present": there}),
    st.fixed_dictionaries(
        {},
        optional={"eq": plain, "ne": plain, "one_of": st.lists(plain, min_size=1, max_size=2)}
        | {"none_of": st.lists(plain, min_size=1, max_size=2), "present": st.just(True)}
        | dict.fromkeys(("gt", "ge", "lt", "le"), bounds),
    ).filter(bool),
)
whens = st.lists(st.dictionaries(paths, conditions, min_size=1, max_size=2), min_size=1, max_size=3)


def naive(whens: list[dict[str, Any]], call: dict[str, Any]) -> str:
    """The decision as documented, in the simplest implementation."""
    for index, when in enumerate(whens):
        if all(naive_condition(condition, naive_part(call, path)) for path, condition in when.items()):
            return f"rule{index}"
    return "other"


GONE = object()


def naive_part(call: dict[str, Any], path: str) -> Any:
    value: Any = call
    for step in path.split("."):
        if type(value) in (dict, UserDict) and step in value:
            value = value[step]
        elif type(value) in (list, tuple) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return GONE
    return value


def naive_condition(condition: Any, value: Any) -> bool:
    if type(condition) is list:
        condition = {"one_of": condition}
    if type(condition) is not dict:
        condition = {"eq": condition}
    if value is GONE:
        return condition == {"present": False}
    if condition == {"present": False}:
        return False
    asked = {name: bound for name, bound in condition.items() if name != "present"}
    if type(value) is Plan or type(value) is Level:
        value = value.value
    if asked and (type(value) not in (str, int, float, bool) or value != value):
        return False
    return all(naive_comparison(name, value, bound) for name, bound in asked.items())


def naive_comparison(name: str, value: Any, bound: Any) -> bool:
    if name in ("one_of", "none_of"):
        return any(naive_comparison("eq", value, each) for each in bound) is (name == "one_of")
    numbers = type(value) in (int, float) and type(bound) in (int, float)
    alike = numbers or type(value) is type(bound)
    if name in ("eq", "ne"):
        return (alike and value == bound) is (name == "eq")
    if not alike or type(value) is bool:
        return False
    results: dict[str, bool] = {
        "gt": value > bound,
        "ge": value >= bound,
        "lt": value < bound,
        "le": value <= bound,
    }
    return results[name]


@settings(max_examples=400, deadline=None)
@given(whens, anything, anything, anything, maps)
def test_any_call_is_routed_by_the_conditions(
    whens: list[dict[str, Any]], args: Any, kwargs: Any, headers: Any, options: dict[str, Any]
) -> None:
    router = routers(*whens)
    args, kwargs, headers, options = map(made, (args, kwargs, headers, options))
    parts = {"args": args, "kwargs": kwargs, "headers": headers, "options": options}
    # A list is not a mapping, whose parts have names; a mapping has no numbered parts.
    shaped = {
        "args": args if type(args) in (list, tuple) else (),
        **{
            name: parts[name] if type(parts[name]) is dict else {}
            for name in ("kwargs", "headers", "options")
        },
    }
    expected = naive(whens, shaped)
    assert router.route("t", args, kwargs, headers=headers, options=options).queue == expected
    for _ in range(2):
        found = router("t", args, kwargs, {**options, "headers": headers}, None)
        assert found is not None
        assert found["queue"] == expected
    assert router.explain("t", Call(args, kwargs, headers, options)).decision is not None


places = st.sampled_from(["", "other", "rule0", "foreign", Queue("rule0"), Queue("foreign"), None]) | values


@settings(max_examples=300, deadline=None)
@given(anything, anything, anything, places, places, places, st.booleans())
def test_cached_and_new_names_are_routed_alike_for_any_address(
    args: Any, kwargs: Any, headers: Any, queue: Any, exchange: Any, key: Any, is_retry: bool
) -> None:
    args, kwargs, headers, queue, exchange, key = map(made, (args, kwargs, headers, queue, exchange, key))

    def options() -> dict[str, Any]:
        named = {"queue": queue, "exchange": exchange, "routing_key": key, "headers": headers}
        return named | ({"origin": "w1"} if is_retry else {})

    warm = routers({"kwargs.a": 1})
    for name in ("t", "settled", "celery.map"):
        warm(name, (), {}, {})
        given, fresh = options(), options()
        found = warm(name, args, kwargs, given)
        assert found == routers({"kwargs.a": 1})(name, args, kwargs, fresh)
        assert found is None or found["queue"] in ("rule0", "other")
        assert [given[each] is fresh[each] for each in given] == [True] * len(given)


def configured() -> Celery:
    """An app whose rules and defaults set the same options as its callers."""
    defaults = {"task_default_priority": 4, "task_serializer": "yaml", "task_inherit_parent_priority": True}
    app = Celery("odd", broker="memory://", set_as_current=False)
    app.conf.update(defaults)
    rule = {"tasks": "t", "queue": "q", "when": {"kwargs.a": 1}, "priority": 3, "serializer": "json"}
    rules = [{**rule, "headers": {"tenant": "acme"}}, {**rule, "when": {}, "queue": "other"}]
    body = {"version": 1, "queues": {"q": {}, "other": {}}, "routes": rules, "unmatched": "other"}
    configure(app, Router.from_topology(Topology.model_validate(body)))
    return app


@settings(max_examples=200, deadline=None)
@given(anything, maps, anything, values, values)
def test_a_configured_app_routes_any_call(
    args: Any, kwargs: Any, headers: Any, priority: Any, serializer: Any
) -> None:
    app = configured()
    task = app.task(name="t")(nothing)
    args, kwargs, headers, priority, serializer = map(made, (args, kwargs, headers, priority, serializer))
    options = {"headers": headers, "priority": priority, "serializer": serializer}
    for task_type in (None, task):
        found = app.amqp.router.route(dict(options), "t", args, kwargs, task_type)
        is_one = naive_condition(1, naive_part({"kwargs": kwargs}, "kwargs.a"))
        assert found["queue"].name == ("q" if is_one else "other")


def nothing(*_: Any) -> None: ...
