"""Celery's own settings have the same routes and destinations as in Celery; includes the cases of Celery's tests."""

from __future__ import annotations

import copy
import pickle
import re
from typing import Any

import pytest
from celery.app.routes import MapRoute
from kombu import Exchange, Queue
from kombu.utils.functional import lazy

from routectl.routing import task_routes
from routectl.routing.task_routes.router import CeleryRouter
from routectl.topology.errors import RoutingError, UsageError

from .test_router_properties import by_router, celery_app


class OldRouter:
    """A router as in Celery 3; used by its path."""

    made = 0

    def __init__(self) -> None:
        OldRouter.made += 1

    def route_for_task(self, task: str, args: Any = None, kwargs: Any = None) -> Any:
        return {"queue": "old"} if task == "old" else None


def function_router(name: str, args: Any, kwargs: Any, options: Any, task: Any = None) -> Any:
    return {"queue": "function"} if name == "function" else None


def path_of(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"


def queue_of(router: CeleryRouter, name: str) -> str:
    return router.route(name).queue


def test_a_route_is_a_dict_and_none_without_one() -> None:
    router = CeleryRouter({"a": {"queue": "foo", "routing_key": "k"}, "b": "bar"})
    assert router("a") == {"queue": "foo", "routing_key": "k"}
    assert router("b") == {"queue": "bar"}
    assert router("c") is None
    assert CeleryRouter(None)("a") is CeleryRouter(())("a") is CeleryRouter({})("a") is None


def test_an_exact_name_beats_every_pattern_in_any_order() -> None:
    router = CeleryRouter({"*": "any", "a.*": "a", "a.b": "exact"})
    assert router("a.b") == {"queue": "exact"}
    assert router("a.c") == {"queue": "any"}


def test_globs_and_expressions_are_tried_in_order() -> None:
    router = CeleryRouter(
        [[("proj.tasks.*", "globs"), (re.compile(r"proj\..*"), "regexes"), ("proj.*", "late"), ("*.x", "x")]]
    )
    assert [router(name) for name in ("proj.tasks.a", "proj.other", "other.x", "proj.tasks.x", "proj")] == [
        {"queue": queue} if queue else None for queue in ("globs", "regexes", "x", "globs", None)
    ]


def test_an_expression_need_not_match_to_the_end_of_a_name() -> None:
    router = CeleryRouter(
        {re.compile(r"a\.b"): "a", re.compile("B", re.IGNORECASE): "b", re.compile("c$"): "c"}
    )
    assert router("a.bcd") == {"queue": "a"}
    assert router("xa.b") is None
    assert router("bx") == {"queue": "b"}
    assert router("cx") is None


def test_expressions_with_flags_keep_their_place_among_the_others() -> None:
    router = CeleryRouter(
        {"a.b*": "1", re.compile("A", re.IGNORECASE): "2", "a*": "3", re.compile("(?i)x"): "4"}
    )
    assert [router(name) for name in ("a.bc", "a.c", "ac", "Ac", "X")] == [
        {"queue": queue} for queue in ("1", "2", "2", "2", "4")
    ]


def test_question_marks_and_brackets_count_only_beside_a_star() -> None:
    router = CeleryRouter({"a.?": "literal", "b.?.*": "glob", "c.[xy]": "literal", "d.[xy]*": "glob"})
    assert router("a.?") == router("c.[xy]") == {"queue": "literal"}
    assert router("a.b") is router("c.x") is None
    assert router("b.c.d") == router("d.y") == {"queue": "glob"}


def test_equal_patterns_are_one_with_the_firsts_position_and_the_lasts_value() -> None:
    router = CeleryRouter([[("*", "first"), ("a.*", "a"), ("**", "last")]])
    assert router("a.b") == {"queue": "last"}
    router = CeleryRouter([[(re.compile("a"), "first"), ("a*", "glob"), (re.compile("a"), "last")]])
    assert router("a.b") == {"queue": "last"}


def test_a_pattern_of_our_file_that_is_not_one_in_celery_is_a_plain_name() -> None:
    router = CeleryRouter({"/a.*/": "slashes", "{queue}:*": "braces", " a*": "blank", "{q}": "exact"})
    assert router("/a.b/") == {"queue": "slashes"}
    assert router("a.b") is router("x:y") is None
    assert router("{queue}:y") == {"queue": "braces"}
    assert router(" ab") == {"queue": "blank"}
    assert router("{q}") == {"queue": "exact"}


def test_each_call_returns_a_new_dict() -> None:
    router = CeleryRouter({"a": {"queue": "q"}, "b*": {"queue": "q"}, "c": "q", "d*": "q"})
    for name in ("a", "b", "c", "d", "b", "d"):
        router(name).clear()
        assert router(name) == {"queue": "q"}


def test_odd_values_are_read_as_celery_reads_them() -> None:
    routes = {"pairs": [("queue", "q")], "letters": ["q1"], "empty": "", "nothing": {}, "glob*": ["q1"]}
    for name in [*routes, "globs"]:
        assert CeleryRouter(routes)(name) == MapRoute(routes)(name)
    assert CeleryRouter(routes)("letters") == {"q": "1"}


@pytest.mark.parametrize("value", [None, 5, Queue("q")])
def test_a_value_that_is_not_a_route_is_a_type_error_when_its_name_is_routed(value: Any) -> None:
    router = CeleryRouter({"a": value, "b*": value})
    assert router("c") is None
    for name in ("a", "b", "b"):
        with pytest.raises(TypeError):
            router(name)
        with pytest.raises(TypeError):
            MapRoute({"a": value, "b*": value})(name)


def test_an_expression_for_bytes_is_a_type_error_when_it_is_reached() -> None:
    router = CeleryRouter({"a*": "a", re.compile(b"b"): "b"})
    assert router("ab") == {"queue": "a"}
    with pytest.raises(TypeError):
        router("b")


def test_the_first_router_that_answers_wins() -> None:
    router = CeleryRouter([{"a": "first"}, {"a": "second", "b*": "second"}, {"bc": "third", "c": "third"}])
    assert [router(name) for name in "abc"] == [{"queue": queue} for queue in ("first", "second", "third")]
    assert router("bc") == {"queue": "second"}
    assert router("d") is None


def test_an_empty_route_ends_the_search_and_means_the_default_queue() -> None:
    for empty in ("", {}):
        router = CeleryRouter([{"a": empty}, {"a": "late"}], default_queue="default")
        assert router("a") == {}
        assert queue_of(router, "a") == "default"


def test_every_form_of_task_routes_is_accepted() -> None:
    assert CeleryRouter([{"a": "q"}])("a") == {"queue": "q"}
    assert CeleryRouter(({"a": "q"},))("a") == {"queue": "q"}
    assert CeleryRouter(([("a", "q")],))("a") == {"queue": "q"}
    assert CeleryRouter([(("a", "q"),)])("a") == {"queue": "q"}
    for one in (function_router, path_of(function_router), f"{__name__}:function_router"):
        for routes in (one, [one], ({"x": "y"}, one)):
            assert CeleryRouter(routes)("function") == {"queue": "function"}
            assert CeleryRouter(routes)("other") is None
    for one in (OldRouter(), path_of(OldRouter)):
        assert CeleryRouter([one])("old") == CeleryRouter(one)("old") == {"queue": "old"}


def test_a_class_given_by_path_is_instantiated_once_at_the_first_call() -> None:
    before = OldRouter.made
    router = CeleryRouter([{"a": "q"}, path_of(OldRouter)])
    assert router("a") == {"queue": "q"}
    assert OldRouter.made == before
    assert router("old") == router("old") == {"queue": "old"}
    assert OldRouter.made == before + 1


def test_a_lazy_router_is_evaluated_when_called() -> None:
    assert CeleryRouter(lazy(OldRouter))("old") == {"queue": "old"}


def test_an_invalid_path_fails_when_it_is_called_and_not_before() -> None:
    router = CeleryRouter([{"a": "q"}, "no.such.module"])
    assert router("a") == {"queue": "q"}
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError):
            router("b")


def test_a_function_gets_name_arguments_options_and_task_every_time() -> None:
    calls = []

    def router(*args: Any, **kwargs: Any) -> None:
        calls.append((args, kwargs))

    chain = CeleryRouter([router])
    for _ in range(2):
        chain("a", (1,), {"b": 2}, {"priority": 3}, task="task")
    chain("a")
    assert calls == [
        *[(("a", (1,), {"b": 2}, {"priority": 3}), {"task": "task"})] * 2,
        (("a", None, None, None), {"task": None}),
    ]


def test_a_function_may_route_by_the_arguments() -> None:
    router = CeleryRouter([{"x": "y"}, lambda name, args, *_, **__: args and {"queue": args[0]}])
    assert [router.route("a", args).queue for args in (["q"], ["r"], None, ["q"])] == [
        "q",
        "r",
        "celery",
        "q",
    ]


def test_route_for_task_gets_name_and_arguments() -> None:
    calls = []

    class Router:
        def route_for_task(self, *args: Any, **kwargs: Any) -> None:
            calls.append((args, kwargs))

    CeleryRouter(Router())("a", (1,), {"b": 2}, {"priority": 3}, task="task")
    assert calls == [(("a", (1,), {"b": 2}), {})]


def test_a_function_sees_the_callers_queue_as_celery_shows_it() -> None:
    seen = []

    def router(name: str, args: Any, kwargs: Any, options: Any, task: Any = None) -> None:
        seen.append((name, args, kwargs, options))

    options = {"queue": "high", "priority": 1, "routing_key": None}
    for queue in (Queue("high"), Queue("high", Exchange("e", "topic"))):
        CeleryRouter(router, [queue]).route("a", options=options)
        celery_app(task_routes=router, task_queues=[queue]).amqp.router.route(dict(options), "a", args=None)
        assert seen[-2] == seen[-1]
    assert isinstance(seen[-1][3]["queue"], Queue)


def test_a_functions_result_is_not_modified() -> None:
    constant = {"queue": "q"}
    router = CeleryRouter(lambda *_, **__: constant)
    assert queue_of(router, "a") == "q"
    assert router.route("a", options={"queue": "other"}).queue == "other"
    router("a")["queue"] = "changed"
    assert constant == {"queue": "q"}


def test_a_routers_exception_is_raised() -> None:
    def router(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        CeleryRouter([router])("a")


def test_settings_and_queues_are_read_once_and_not_modified() -> None:
    routes = {"a": {"queue": "q"}}
    queue = Queue("q")
    router = CeleryRouter(routes, [queue], default_exchange="tasks", default_exchange_type="topic")
    routes["a"]["queue"] = "other"
    assert by_router(router, "a")["exchange"] == "tasks"
    assert (queue.exchange.name, queue.routing_key) == ("", "")


@pytest.mark.parametrize(
    "routes",
    [
        [("a.*", {"queue": "q"})],
        [("abc", "q"), ("def", "q")],
        [{1: "q"}],
        [[1]],
        [{b"a": "q"}],
        [[([], "q")]],
    ],
)
def test_routes_that_celery_rejects_are_a_usage_error_at_once(routes: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        celery_app(task_routes=routes).amqp.routes  # noqa: B018
    with pytest.raises(UsageError, match="does not map names to routes"):
        CeleryRouter(routes)


def test_a_bare_list_of_pairs_has_a_hint() -> None:
    with pytest.raises(UsageError) as caught:
        CeleryRouter([("a.*", {"queue": "q"})])
    assert "([(name, route), ...],)" in str(caught.value.hint)
    with pytest.raises(UsageError) as caught:
        CeleryRouter({1: "q", **{str(number): "q" for number in range(1000)}})
    assert caught.value.hint is None
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("routes", [5, [None], {"a"}, [object()]])
def test_an_invalid_router_is_a_usage_error(routes: Any) -> None:
    with pytest.raises(UsageError, match="is not a router"):
        CeleryRouter(routes)


def test_an_invalid_queue_is_a_usage_error() -> None:
    for queues in ([5], [{"exchange": "e"}], {"q": 5}, "text"):
        with pytest.raises(UsageError, match="task_queues"):
            CeleryRouter({}, queues)


def test_no_secret_is_quoted() -> None:
    url = "amqp://shop:hush@rabbit.example/orders"
    for routes, queues in (
        ([[url, url, url]], None),
        ({5: url}, None),
        ({}, [{"exchange": url}]),
        ({}, [5, url]),
    ):
        with pytest.raises(UsageError) as caught:
            CeleryRouter(routes, queues)
        assert "hush" not in str(caught.value)


def test_a_missing_queue_is_created_with_a_direct_exchange_that_is_bypassed() -> None:
    router = CeleryRouter({"a": {"queue": "new", "routing_key": "k"}}, default_exchange_type="topic")
    assert by_router(router, "a") == {
        "queue": "new",
        "exchange": "",
        "exchange_type": "direct",
        "routing_key": "new",
        "priority": None,
    }


def test_a_missing_queue_is_an_error_if_none_may_be_created() -> None:
    router = CeleryRouter({"a": "hihg", "b": "high"}, ["high"], create_missing_queues=False)
    assert queue_of(router, "b") == "high"
    with pytest.raises(RoutingError, match="queue `hihg` is not in task_queues") as caught:
        router.route("a")
    assert caught.value.hint == "did you mean `high`?"
    for attempt in ({}, {"queue": "nope"}):  # the default queue is not in task_queues either
        with pytest.raises(RoutingError):
            router.route("c", options=attempt)


def test_created_queues_and_cached_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (task_routes.mapping, task_routes.queues, task_routes.router):
        monkeypatch.setattr(module, "CACHE_SIZE", 3)
    router = CeleryRouter([{"x": "exact", "*": "any"}, lambda name, *_, **__: None])
    for number in range(20):
        assert router.route("a", options={"queue": f"q{number}"}).queue == f"q{number}"
        assert router(f"a{number}") == {"queue": "any"}
        assert router("x") == {"queue": "exact"}
    assert len(router._queues) == 3
    assert len(router._known) <= 4
    names = CeleryRouter({"a": "exact"})
    assert {names.route(f"a{number}").queue for number in range(20)} == {"celery"}
    assert len(names._decisions) <= 3
    router._known.clear()  # as another thread may do at any time
    assert router("x") == {"queue": "exact"}


def test_the_callers_options_win_unless_they_are_none() -> None:
    router = CeleryRouter({"a": {"queue": "q", "priority": 3}})
    assert router.route("a").priority == 3
    assert router.route("a", options={"priority": None, "queue": None}).priority == 3
    assert router.route("a", options={"priority": 0}).priority == 0
    assert router.route("a", options={"queue": "mine"}).queue == "mine"
    assert router.route("b", options={"queue": Queue("mine", Exchange("e", "topic"), "k")}).exchange == "e"
    options = {"queue": "mine"}
    router.route("a", options=options)
    assert options == {"queue": "mine"}


def test_queues_may_be_dicts_with_names_or_names() -> None:
    router = CeleryRouter(
        {"a": "q", "b": "r"},
        [{"name": "q", "exchange": "e", "exchange_type": "topic", "routing_key": "k"}, "r"],
        default_exchange="d",
        default_exchange_type="topic",
    )
    assert (router.route("a").exchange, router.route("a").routing_key) == ("e", "k")
    assert (router.route("b").exchange, router.route("b").routing_key) == ("d", "r")


def test_the_last_of_queues_with_one_name_wins_with_its_aliases() -> None:
    router = CeleryRouter({"a": "first"}, [Queue("q", alias="first"), Queue("q", alias="last")])
    assert [router.route(name, options={"queue": name}).queue for name in ("first", "last")] == ["first", "q"]


def test_a_router_is_pickled_with_its_cache_and_not_copied() -> None:
    router = CeleryRouter(
        [{"a": "q", "b*": {"queue": "r"}}, path_of(OldRouter)], [Queue("q", Exchange("e", "topic"))]
    )
    again = None
    for _ in range(2):
        for name in ("a", "bc", "c", "old"):
            assert again is None or again(name) == router(name)
            assert again is None or again.route(name) == router.route(name)
            router.route(name)
        again = pickle.loads(pickle.dumps(router))
    assert copy.deepcopy(router) is router
    assert repr(router) == "<CeleryRouter: 2 routers, 4 queues>"
