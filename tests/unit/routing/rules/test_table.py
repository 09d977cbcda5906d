"""Which rule matches a task, how its queue is addressed, and that the address reaches only that queue."""

from __future__ import annotations

import fnmatch
from typing import Any

import pytest
from celery.app.routes import MapRoute
from hypothesis import given, settings
from hypothesis import strategies as st

from routectl.routing.router import Router
from routectl.routing.rules.call import Call
from routectl.routing.rules.index import Index
from routectl.routing.rules.table import CACHE_SIZE, Table
from routectl.topology.base.finding import Position
from routectl.topology.delivery.addresses import AddressBook, consumable_queues, task_queues
from routectl.topology.delivery.network import Network
from routectl.topology.errors import RoutingError
from routectl.topology.model import Topology

TIERS = {
    "exchanges": {"tasks": {"type": "topic"}},
    "queues": {q: {"bindings": [{"exchange": "tasks", "key": q}]} for q in ("high", "normal", "low")},
}


def topology(**body: Any) -> Topology:
    return Topology.model_validate({"version": 1, **TIERS, **body})


def table(*routes: dict[str, Any], **body: Any) -> Table:
    return Table(topology(routes=list(routes), **body))


def one_queue(binding: dict[str, Any], kind: str = "topic", **queue: Any) -> tuple[str, str, str]:
    """The address of a queue with one binding."""
    return AddressBook(
        topology(
            exchanges={"e": {"type": kind}},
            queues={"q.1": {"bindings": [{"exchange": "e", **binding}], **queue}},
            unmatched="q.1",
        )
    ).of("q.1")


def test_an_exact_name_beats_every_pattern_and_the_first_exact_rule_wins() -> None:
    found = table(
        {"tasks": "*", "queue": "low"},
        {"tasks": "a.b", "queue": "high", "priority": 9},
        {"tasks": "a.b", "queue": "normal"},
    )
    decision = found.route("a.b")
    assert (decision.queue, decision.rule, decision.pattern, decision.priority) == ("high", 1, "a.b", 9)
    assert found.route("a.c").queue == "low"


def test_the_first_matching_pattern_wins() -> None:
    found = table({"tasks": ["x", "a.*"], "queue": "high"}, {"tasks": "/a.*/", "queue": "low"})
    assert found.route("a.b").queue == "high"
    assert found.route("ab").queue == "low"


def test_a_rule_whose_captured_queue_does_not_exist_is_skipped() -> None:
    found = table({"tasks": "{queue}:*", "queue": "{queue}"}, {"tasks": "*", "queue": "normal"})
    assert found.route("low:resize").queue == "low"
    assert found.route("huge:resize").queue == "normal"


def test_captures_fill_the_key() -> None:
    found = table(
        {"tasks": "{tier}.{kind}.*", "queue": "{tier}", "key": "{tier}.{kind}"},
        queues={"low": {"bindings": [{"exchange": "tasks", "key": "low.#"}]}},
    )
    assert found.route("low.img.resize").routing_key == "low.img"


def test_unmatched_is_a_queue_or_refuses() -> None:
    assert table(unmatched="normal").route("x").rule is None
    with pytest.raises(RoutingError, match="no route matches task `x`") as caught:
        table().route("x")
    assert caught.value.hint is not None


def test_the_error_explains_why_no_rule_matches_a_call() -> None:
    found = table({"tasks": "a", "queue": "low", "when": {"args.0": {"gt": 5}}})
    with pytest.raises(RoutingError) as caught:
        found.route("a", Call(args=(3,)))
    assert caught.value.message == "no route matches this call of task `a`: `args.0` is not greater than `5`"


def test_a_decision_has_file_and_line() -> None:
    place = Position("queues.yaml", 7, 5)
    found = Table(topology(routes=[{"tasks": "a", "queue": "high"}]), lambda index: place)
    assert found.route("a").as_dict() == {
        "queue": "high",
        "exchange": "tasks",
        "exchange_type": "topic",
        "routing_key": "high",
        "priority": None,
        "options": {},
        "rule": {"index": 0, "pattern": "a", "file": "queues.yaml", "line": 7},
    }


def test_all_invalid_routes_are_reported_at_once() -> None:
    with pytest.raises(RoutingError) as caught:
        table(
            {"tasks": "a", "queue": "hihg"},
            {"tasks": "b", "queue": "high", "key": "low"},
            {"tasks": "c", "queue": "high", "key": "nothing"},
            {"tasks": "d", "queue": "log"},
            {"tasks": ["e", "/(/"], "queue": "low"},
            {"tasks": "f", "queue": "low"},
            queues={**TIERS["queues"], "log": {"type": "stream"}},
        )
    text = str(caught.value)
    assert text.startswith("5 routes are invalid")
    assert "routes[0]: queue `hihg` does not exist" in text
    assert "routes[1]: key `low` reaches `low`, not `high` alone" in text
    assert "routes[2]: key `nothing` reaches no queue" in text
    assert "routes[3]: queue `log` is a stream" in text
    assert "routes[4]: the regular expression `/(/` is invalid" in text


@pytest.mark.parametrize(
    ("kind", "binding", "expected"),
    [
        ("topic", {"key": "k"}, ("e", "topic", "k")),
        ("direct", {"key": "k"}, ("e", "direct", "k")),
        ("fanout", {}, ("e", "fanout", "q.1")),
        ("fanout", {"key": "k"}, ("e", "fanout", "k")),
        ("topic", {"key": "k.*"}, ("e", "topic", "k.task")),
        ("topic", {"key": "k.#"}, ("e", "topic", "k")),
        ("topic", {"key": "#"}, ("e", "topic", "q_1")),
        ("topic", {"key": ""}, ("", "direct", "q.1")),
        ("direct", {"key": ""}, ("", "direct", "q.1")),
        ("headers", {"headers": {"a": 1}}, ("", "direct", "q.1")),
        ("headers", {"key": "k"}, ("e", "headers", "k")),
        ("x-consistent-hash", {"key": "1"}, ("", "direct", "q.1")),
    ],
)
def test_how_a_queue_is_addressed(kind: str, binding: dict[str, Any], expected: tuple[str, str, str]) -> None:
    assert one_queue(binding, kind) == expected


def test_a_binding_that_a_second_queue_shares_is_not_used() -> None:
    book = AddressBook(
        topology(
            queues={
                "a": {"bindings": [{"exchange": "tasks", "key": "k"}, {"exchange": "tasks", "key": "a"}]},
                "b": {"bindings": [{"exchange": "tasks", "key": "k"}]},
            },
            routes=[{"tasks": "x", "queue": "a"}, {"tasks": "y", "queue": "b"}],
        )
    )
    assert book.of("a") == ("tasks", "topic", "a")
    assert book.of("b") == ("", "direct", "b")


def test_an_internal_exchange_is_not_used() -> None:
    found = AddressBook(
        topology(
            exchanges={"e": {"type": "topic", "internal": True}},
            queues={"q": {"bindings": [{"exchange": "e", "key": "k"}]}},
            unmatched="q",
        )
    )
    assert found.of("q") == ("", "direct", "q")


def quorum(**keys: str) -> AddressBook:
    """Quorum queues on one topic exchange, each with a key."""
    queues = {
        name: {"type": "quorum", "bindings": [{"exchange": "tasks", "key": key}]}
        for name, key in keys.items()
    }
    return AddressBook(topology(queues=queues, routes=[{"tasks": "{q}:*", "queue": "{q}"}]))


def test_a_key_that_a_delay_binding_matches_too_is_not_used() -> None:
    book = quorum(high="high", app="app.high")
    assert book.of("high") == ("tasks", "topic", "high")
    assert book.of("app") == ("", "direct", "app")
    assert book.delay is not None
    assert ("tasks", "high", "#.high") in book.delay.queue_bindings
    assert "app" not in {queue for _, queue, _ in book.delay.queue_bindings}


def test_the_queue_of_a_delayed_message_is_found() -> None:
    book = quorum(high="high", low="low")
    assert book.queue_at("celery_delayed_delivery", "0." * 28 + "low") == "low"
    assert book.queue_at("tasks", "high") == "high"
    assert book.queue_at("tasks", "none") is None


@pytest.mark.parametrize(
    ("kind", "setting", "delayed"),
    [
        ("quorum", "auto", True),
        ("classic", "auto", False),
        ("classic", "always", True),
        ("quorum", "never", False),
    ],
)
def test_when_delays_are_part_of_the_plan(kind: str, setting: str, delayed: bool) -> None:
    body = topology(
        queues={"q": {"type": kind, "bindings": [{"exchange": "tasks", "key": "q"}]}},
        unmatched="q",
        delayed_delivery=setting,
    )
    assert (AddressBook(body).delay is not None) is delayed


def test_task_queues_are_those_that_rules_and_workers_name() -> None:
    body = topology(
        queues={**TIERS["queues"], "other": {}, "log": {"type": "stream"}},
        routes=[{"tasks": "a", "queue": "low"}],
        unmatched="normal",
        workers={"w": {"queues": ["high"]}},
    )
    assert task_queues(body) == ("high", "normal", "low")
    assert consumable_queues(body) == ("high", "normal", "low", "other")


@pytest.mark.parametrize(
    ("name", "unmatched", "queue"),
    [
        ("order", "refuse", "orders.0"),
        ("order", "low", "orders.0"),
        ("other", "refuse", "gold"),
        ("other", "low", "low"),
    ],
)
def test_a_possible_destination_of_a_task(name: str, unmatched: str, queue: str) -> None:
    """Of a rule without `when`, if there is one; of shards, the first."""
    found = table(
        {"tasks": "*", "queue": "gold", "when": {"kwargs.plan": "gold"}},
        {"tasks": "order", "queue": "orders", "shard_by": "args.0"},
        queues={"orders": {"shards": 4}, "gold": {}, "low": {}},
        unmatched=unmatched,
    )
    decision = found.any_destination(name)
    assert decision is not None
    assert decision.queue == queue


def test_a_task_without_a_rule_has_no_destination() -> None:
    assert table({"tasks": "a", "queue": "low"}).any_destination("b") is None


@pytest.mark.parametrize(
    "rule",
    [{}, {"headers": {"a": 1}}, {"when": {"args.0": 1}}, {"shard_by": "args.0", "queue": "orders"}],
    ids=str,
)
def test_a_cached_name_is_not_searched_again(rule: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    body = topology(
        queues={"orders": {"shards": 4}, "low": {}}, routes=[{"tasks": "a.*", "queue": "low", **rule}]
    )
    router = Router(body)
    for call in (router, router.route):
        call("a.b", (1,))
    monkeypatch.setattr(Index, "matching", never)
    for call in (router, router.route):
        call("a.b", (1,))


def never(*_: Any) -> Any:
    raise AssertionError("searched again")


def test_the_cache_is_bounded() -> None:
    found = table({"tasks": "*", "queue": "low"})
    for number in range(CACHE_SIZE + 10):
        found.route(f"t{number}")
    assert len(found._cache) <= CACHE_SIZE


names = st.text("ab.*", min_size=1, max_size=6).filter(lambda text: text == text.strip())


tiers = st.sampled_from(["high", "normal", "low"])


@given(st.lists(st.tuples(names, tiers), max_size=8), st.lists(names, max_size=8))
def test_exact_names_and_globs_go_where_celery_sends_them(
    rules: list[tuple[str, str]], tasks: list[str]
) -> None:
    # Celery keeps its rules in a dictionary: of two that translate alike, the last counts.
    once = {fnmatch.translate(text) if "*" in text else text: (text, queue) for text, queue in rules}.values()
    found = table(*({"tasks": text, "queue": queue} for text, queue in once), unmatched="low")
    celery = MapRoute(once)
    for task in tasks:
        expected = celery(task)
        assert found.route(task).queue == (expected["queue"] if expected else "low")


kinds = st.sampled_from(["direct", "topic", "fanout", "headers"])
bindings = st.fixed_dictionaries(
    {
        "exchange": st.sampled_from(["x", "y"]),
        "key": st.lists(st.sampled_from(["a", "b", "*", "#"]), max_size=3).map(".".join),
    }
)


@settings(max_examples=200)
@given(
    kinds,
    kinds,
    st.dictionaries(
        st.sampled_from(["a", "b", "a.b", "c"]),
        st.fixed_dictionaries(
            {"type": st.sampled_from(["classic", "quorum"]), "bindings": st.lists(bindings, max_size=3)}
        ),
        min_size=1,
    ),
    st.booleans(),
)
def test_every_decision_reaches_its_queue_and_no_other(
    x: str, y: str, queues: dict[str, Any], linked: bool
) -> None:
    body = topology(
        exchanges={
            "x": {"type": x, "bindings": [{"exchange": "y", "key": "#"}] if linked else []},
            "y": {"type": y},
        },
        queues=queues,
        routes=[{"tasks": "/(?P<q>.*):x/", "queue": "{q}"}],
    )
    found = Table(body)
    network = Network.of(body)
    for queue in queues:
        decision = found.route(f"{queue}:x")
        assert decision.queue == queue
        assert decision.routing_key
        assert network.deliver(decision.exchange, decision.routing_key) == {queue}
