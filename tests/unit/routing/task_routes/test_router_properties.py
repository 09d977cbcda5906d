"""Whatever the settings and the task: our destination is the one that Celery's own code publishes to."""

from __future__ import annotations

import copy
import fnmatch
import re
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import pytest
from celery import VERSION, Celery
from celery.app.defaults import DEFAULTS
from celery.app.routes import MapRoute, Router, prepare
from celery.exceptions import QueueNotFound
from hypothesis import given, settings
from hypothesis import strategies as st
from kombu import Exchange, Queue, binding
from kombu.common import Broadcast

from routectl.routing.router import Router as FileRouter
from routectl.routing.task_routes.router import CeleryRouter
from routectl.topology.errors import RoutingError
from routectl.topology.model import Topology

Destination = dict[str, Any]


class Producer:
    """Replaces Celery's producer, and records what Celery publishes."""

    class connection:
        _reraise_as_library_errors = nullcontext

        class transport:
            driver_type = "amqp"
            driver_name = "none"

    def publish(self, body: Any, **options: Any) -> None:
        self.published = options


def celery_app(**conf: Any) -> Celery:
    app = Celery("app", broker="memory://", set_as_current=False)
    app.conf.update(conf)
    return app


def by_celery(app: Celery, name: str, options: Mapping[str, Any] | None = None) -> Destination:
    """Where Celery itself publishes a task, and the queue that it declares for that."""
    producer = Producer()
    app.send_task(name, producer=producer, ignore_result=True, **(options or {}))
    return destination(producer.published)


def by_task(app: Celery, name: str) -> Destination:
    """Where Celery itself publishes a registered task; before 5.7, only so its own options count."""
    producer = Producer()
    app.tasks[name].apply_async(producer=producer, ignore_result=True)
    return destination(producer.published)


def destination(published: Mapping[str, Any]) -> Destination:
    exchange, declared = published["exchange"], published["declare"]
    return {
        "queue": declared[0].name if declared else "",
        "exchange": getattr(exchange, "name", exchange),
        "exchange_type": getattr(declared[0].exchange, "type", "direct") if declared else "direct",
        "routing_key": published["routing_key"] or "",
        "priority": published.get("priority"),
    }


def by_router(router: CeleryRouter, name: str, options: Mapping[str, Any] | None = None) -> Destination:
    decision = router.route(name, options=options)
    return {
        "queue": decision.queue,
        "exchange": decision.exchange,
        "exchange_type": decision.exchange_type,
        "routing_key": decision.routing_key,
        "priority": decision.priority,
    }


def both(conf: Mapping[str, Any]) -> tuple[CeleryRouter, Celery]:
    """Our router and Celery's app with the same settings, by Celery's names without `task_`."""
    ours = copy.copy(dict(conf))
    queues = ours.pop("queues", None)
    router = CeleryRouter(ours.pop("routes"), queues, **ours)
    # Celery modifies its queues, so it gets a copy.
    theirs = {**conf, "queues": copy.deepcopy(queues)}
    return router, celery_app(**{f"task_{name}": value for name, value in theirs.items()})


def outcome(ask: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a call, or the type of its error; our error for a missing queue counts as Celery's."""
    try:
        return ask(*arguments)
    except QueueNotFound:
        return RoutingError
    except Exception as error:  # noqa: BLE001
        return type(error)


TOPIC = Queue("q", Exchange("e", "topic"), "k")
DIRECT = Queue("q", Exchange("e"), "k")

CASES: dict[str, dict[str, Any]] = {
    "nothing": {"routes": None},
    "topic by default": {"routes": None, "default_exchange_type": "topic"},
    "a default of every kind": {
        "routes": None,
        "default_queue": "d",
        "default_exchange": "e",
        "default_exchange_type": "topic",
        "default_routing_key": "task.default",
    },
    "a default queue that is not declared": {
        "routes": None,
        "queues": [TOPIC],
        "default_queue": "d",
        "default_exchange_type": "topic",
    },
    "topic queue": {"routes": {"a": "q"}, "queues": [TOPIC]},
    "topic queue, own key": {"routes": {"a": {"queue": "q", "routing_key": "mine"}}, "queues": [TOPIC]},
    "direct queue, own key": {"routes": {"a": {"queue": "q", "routing_key": "mine"}}, "queues": [DIRECT]},
    "direct queue, exchange and key": {
        "routes": {"a": {"queue": "q", "exchange": "e", "routing_key": "mine"}},
        "queues": [DIRECT],
    },
    "exchange object": {"routes": {"a": {"queue": "q", "exchange": Exchange("e"), "routing_key": "mine"}}},
    "exchange and key": {"routes": {"a": {"exchange": "e", "routing_key": "k"}}},
    "exchange": {"routes": {"a": {"exchange": "e"}}},
    "key": {"routes": {"a": {"routing_key": "k"}}},
    "key, topic by default": {"routes": {"a": {"routing_key": "k"}}, "default_exchange_type": "topic"},
    "priority": {"routes": {"a": {"priority": 9}}},
    "queue without an exchange": {
        "routes": {"a": "q"},
        "queues": [Queue("q")],
        "default_exchange_type": "topic",
    },
    "queue with several bindings": {
        "routes": {"a": "q"},
        "queues": [Queue("q", [binding(Exchange("e", "topic"), "k")])],
        "default_exchange_type": "topic",
    },
    "queue by its alias": {
        "routes": {"a": "other"},
        "queues": [Queue("q", Exchange("e", "topic"), "k", alias="other")],
    },
    "queues by name": {
        "routes": {"a": "q"},
        "queues": {"q": {"exchange": "e", "exchange_type": "topic", "binding_key": "k"}, "r": {}},
    },
    "queue by name without options": {
        "routes": {"a": "r"},
        "queues": {"q": TOPIC, "r": {}},
        "default_exchange_type": "topic",
    },
    "queue object": {"routes": {"a": {"queue": Queue("q", Exchange("e", "fanout"))}}},
    "queue object without a key": {"routes": {"a": {"queue": Queue("q", Exchange("e", "topic"))}}},
    "queue object without an exchange": {"routes": {"a": {"queue": Queue("q", Exchange("", "topic"))}}},
    "missing queue's exchange type": {
        "routes": {"a": "new"},
        "create_missing_queue_exchange_type": "topic",
    },
}


#: Those of settings that this Celery has.
KNOWN = [case for case, given in CASES.items() if all(f"task_{name}" in DEFAULTS for name in given)]


@pytest.mark.parametrize("case", KNOWN)
def test_a_task_goes_where_celery_publishes_it(case: str) -> None:
    router, app = both(CASES[case])
    assert by_router(router, "a") == by_celery(app, "a")


@pytest.mark.parametrize("kind", ["direct", "topic"])
@pytest.mark.parametrize("exchange", [None, "", "e"])
@pytest.mark.parametrize("key", [None, "k"])
def test_a_route_may_set_the_exchange_type(kind: str, exchange: str | None, key: str | None) -> None:
    route = {"queue": "q", "exchange_type": kind, "exchange": exchange, "routing_key": key}
    router, app = both({"routes": {"a": route}, "queues": [Queue("q", Exchange("own", "topic"), "own")]})
    found = by_router(router, "a")
    assert found == {**by_celery(app, "a"), "exchange_type": kind}


def test_a_broadcast_is_published_to_its_exchange() -> None:
    queues = [Broadcast("cast", queue="cast.1")]
    router, app = both({"routes": {"a": "cast"}, "queues": queues})
    found, expected = by_router(router, "a"), by_celery(app, "a")  # which declares no broadcast
    assert (found["queue"], found["exchange_type"]) == ("cast.1", "fanout")
    assert (found["exchange"], found["routing_key"]) == (expected["exchange"], expected["routing_key"])


def test_it_can_be_used_in_celerys_own_task_routes() -> None:
    app = celery_app(task_routes=(CeleryRouter([{"a": "q"}, {"b.*": {"queue": "r", "priority": 4}}]),))
    assert by_celery(app, "a")["routing_key"] == "q"
    assert by_celery(app, "b.c")["priority"] == 4
    assert by_celery(app, "c")["routing_key"] == "celery"


QUEUES = st.sampled_from(["q1", "q2", "celery", "new"])
PIECE = st.sampled_from(["a", "b", "ab", ".", "tasks", "A", "\n", ""])
GLOB = st.lists(PIECE | st.sampled_from(["*", "**", "?", "[ab]", "[!a]", "["]), min_size=1, max_size=5)
TEXT_KEY = GLOB.map("".join)
SOURCES = [
    "a",
    r"a\.b",
    "a|b",
    "",
    "a$",
    ".*b",
    r"(?:ab)+",
    r"\w+\.b",
    "(?i)AB",
    "a b # c",
    "^tasks",
    r"\bab\b",
]
REGEX_KEY = st.builds(
    re.compile,
    st.sampled_from(SOURCES) | TEXT_KEY.map(fnmatch.translate),
    st.sampled_from([0, 0, re.IGNORECASE, re.VERBOSE, re.DOTALL]),
)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "queue": st.none() | st.just("") | QUEUES | st.builds(Queue, QUEUES, st.just(Exchange("e", "topic"))),
        "exchange": st.none() | st.sampled_from(["", "x", Exchange("x", "topic")]),
        "routing_key": st.none() | st.sampled_from(["", "k", "a.b"]),
        "priority": st.none() | st.integers(0, 9),
    },
)
ODD = st.sampled_from([["q1"], ["q", 1], [("queue", "q1")], "", {}, None, 5, "q", ("ab", "cd"), Queue("q1")])
VALUE = QUEUES | OPTIONS | ODD
PAIRS = st.lists(st.tuples(TEXT_KEY | REGEX_KEY, VALUE), max_size=8)


class Asked:
    """A router of the old kind, and by `asked` of the new, which knows some names."""

    def __init__(self, routes: Mapping[str, Any]) -> None:
        self.routes = routes

    def route_for_task(self, task: str, args: Any = None, kwargs: Any = None) -> Any:
        return copy.copy(self.routes.get(task))  # Celery modifies it


def asked(routes: Mapping[str, Any]) -> Callable[..., Any]:
    return lambda name, args, kwargs, options, task=None: copy.copy(routes.get(name))


ANSWERS = st.dictionaries(st.sampled_from(["a", "a.b", "ab", "tasks"]), OPTIONS | QUEUES | st.just(""))
ROUTER = PAIRS.map(dict) | PAIRS | ANSWERS.map(Asked) | ANSWERS.map(asked)
CHAIN = st.lists(ROUTER, max_size=3) | st.none() | PAIRS.map(dict) | ANSWERS.map(Asked)
NAMES = st.lists(PIECE, max_size=6).map("".join)
QUEUE = st.builds(
    Queue,
    QUEUES,
    st.sampled_from([None, "", "e"]).flatmap(
        lambda name: st.none() if name is None else st.builds(Exchange, st.just(name), KINDS)
    ),
    st.sampled_from(["", "k", "task.#"]),
)
KINDS = st.sampled_from(["direct", "topic", "fanout"])
CONF = st.fixed_dictionaries(
    {"routes": CHAIN},
    optional={
        "queues": st.none() | st.lists(QUEUE, max_size=3),
        "default_queue": QUEUES,
        "default_exchange": st.sampled_from([None, "", "default"]),
        "default_exchange_type": KINDS,
        "default_routing_key": st.sampled_from([None, "task.default"]),
        "create_missing_queues": st.booleans(),
    },
)


def names_like(routes: Any) -> list[str]:
    """Names that some keys of a mapping, or of the mappings in a list, match, and near misses."""
    keys = re.findall(r"'([^']*)'", str(routes))
    filled = [
        key.replace("[ab]", "a").replace("?", "b").replace("*", text) for key in keys for text in ("", "a.b")
    ]
    return [*filled, *(text + "x" for text in filled)][:20]


@settings(max_examples=400, deadline=None)
@given(CHAIN, st.lists(NAMES, min_size=1, max_size=5))
def test_a_chain_of_routers_answers_like_celerys(routes: Any, names: list[str]) -> None:
    ours, theirs = CeleryRouter(routes), Router(prepare(routes))
    for name in 2 * [*names, *names_like(routes)]:
        assert outcome(ours, name) == outcome(theirs.lookup_route, name), name


@settings(max_examples=400, deadline=None)
@given(PAIRS, st.lists(NAMES, min_size=1, max_size=5))
def test_a_mapping_answers_like_celerys(pairs: list[tuple[Any, Any]], names: list[str]) -> None:
    ours, theirs = CeleryRouter([pairs]), MapRoute(pairs)
    for name in 2 * [*names, *names_like(pairs)]:
        assert outcome(ours, name) == outcome(theirs, name), name


@settings(max_examples=200, deadline=None)
@given(CONF, st.lists(st.tuples(NAMES, OPTIONS), min_size=1, max_size=3))
def test_a_task_is_published_where_our_router_sends_it(conf: Any, sent: list[tuple[str, Any]]) -> None:
    router, app = both(conf)
    names = [(name, {}) for name in names_like(conf["routes"])[:4]]
    for name, options in [*sent, *names, *((name, {}) for name, _ in sent)]:
        found, expected = outcome(by_router, router, name, options), outcome(by_celery, app, name, options)
        if expected is KeyError:  # the default queue is missing, which older Celery needs whatever the route
            assert found is RoutingError or VERSION < (5, 7)
            continue
        assert found == expected, (name, options)


PLAIN = st.lists(st.sampled_from(["a", "b", ".", "?", "[ab]", "tasks", "*"]), min_size=1, max_size=5).map(
    "".join
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(PLAIN, st.sampled_from(["q1", "q2", "q3"])),
        max_size=10,
        unique_by=lambda rule: fnmatch.translate(rule[0]),
    ),
    st.lists(NAMES.filter(bool), min_size=1, max_size=5),
)
def test_a_file_with_the_same_rules_routes_alike(rules: list[tuple[str, str]], names: list[str]) -> None:
    file = {
        "version": 1,
        "queues": {name: {} for name in ("q1", "q2", "q3", "rest")},
        "routes": [{"tasks": tasks, "queue": queue} for tasks, queue in rules],
        "unmatched": "rest",
    }
    ours, theirs = FileRouter.from_topology(Topology.model_validate(file)), MapRoute(rules)
    for name in [*names, *filter(bool, names_like(rules))]:
        expected = theirs(name) or {"queue": "rest"}
        assert ours.route(name).queue == expected["queue"], name
        assert CeleryRouter([rules])(name) == theirs(name), name
