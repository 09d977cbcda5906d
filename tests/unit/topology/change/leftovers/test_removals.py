"""What becomes of the messages of a binding that left the file."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.topology.base.resources import Resource, State, binding_key
from routectl.topology.change.desired import desired_state
from routectl.topology.change.leftovers.removals import removals
from routectl.topology.delivery.network import Network
from routectl.topology.model import Topology
from tests.fakes import exchange, queue, state

ROUTES: dict[str, Any] = {"routes": [{"tasks": "a.*", "queue": "high"}, {"tasks": "*", "queue": "normal"}]}


def shop(kind: str = "topic", normal: str = "normal", **tasks: Any) -> dict[str, Any]:
    """A file with an exchange of a type and two queues."""
    return {
        "exchanges": {"tasks": {"type": kind, **tasks}, "copy": {"type": "fanout"}},
        "queues": {
            "high": {"bindings": [{"exchange": "tasks", "key": "high"}]},
            "normal": {"bindings": [{"exchange": "tasks", "key": normal}]},
            "dead": {},
        },
        **ROUTES,
    }


def bound(
    destination: str, key: str = "", *, source: str = "tasks", to_exchange: bool = False, **arguments: Any
) -> Resource:
    return Resource(binding_key("/", source, destination, key, arguments, to_exchange=to_exchange))


def removal(
    left: Resource, *more: Resource, file: dict[str, Any] | None = None, found: State | None = None
) -> tuple[str, str]:
    """The risk of a removal, and what becomes of the messages, with other bindings that leave the file, too.

    Parameters:
      left: The binding.
      more: More bindings and other objects.
      file: The file.
      found: What the broker has of the file's objects, if that is something else.
    """
    topology = Topology.model_validate({"version": 1, **(file or shop())})
    desired = desired_state(topology, "/")
    live = {**desired, **(found or {}), **state(left, *more)}
    risk, reason = removals(topology.bodies("/"), desired, live, [left.key])[left.key]
    assert reason.startswith("not in the file; ")
    return risk, reason.removeprefix("not in the file; ")


def test_a_binding_that_gives_tasks_to_a_second_queue_is_safe_to_remove() -> None:
    assert removal(bound("dead", "high")) == ("safe", "tasks for queue high also go to queue dead")
    assert removal(bound("dead", "high"), file=shop("direct")) == (
        "safe",
        "tasks for queue high also go to queue dead",
    )


def test_a_key_that_moves_to_another_queue_is_safe_to_remove() -> None:
    assert removal(bound("high", "normal")) == (
        "safe",
        "tasks for queue normal also go to queue high",
    )
    file = {**shop(), "routes": []}
    assert removal(bound("high", "high.#"), file=shop(normal="#")) == (
        "safe",
        "what it carries also reaches queues high, normal",
    )
    assert removal(bound("dead", "normal"), file=file)[0] == "safe"


@pytest.mark.parametrize("kind", ["direct", "topic"])
def test_a_key_that_nothing_else_takes_is_destructive_to_remove(kind: str) -> None:
    assert removal(bound("high", "urgent"), file=shop(kind)) == (
        "destructive",
        'messages with the key "urgent" go to queue high, and would reach no queue',
    )


@pytest.mark.parametrize(
    ("old", "kept", "risk"),
    [
        ("a.*", "a.#", "safe"),
        ("a.*.c", "#.c", "safe"),
        ("a.#", "a.*", "destructive"),
        ("#", "*.#", "destructive"),  # the empty key
        ("*.#", "#", "safe"),
        ("a.*", "*.b", "destructive"),
        ("#.a", "#", "safe"),
        ("#.a.#", "#.b.#", "destructive"),
    ],
)
def test_wildcards_are_compared_with_all_keys_that_they_take(old: str, kept: str, risk: str) -> None:
    assert removal(bound("high", old), file=shop(normal=kept))[0] == risk


def test_several_bindings_may_take_over_together() -> None:
    file = shop(normal="a.b")
    file["queues"]["dead"] = {"bindings": [{"exchange": "tasks", "key": key} for key in ("a", "a.*.#")]}
    assert removal(bound("high", "a.#"), file=file) == (
        "safe",
        "what it carries also reaches queue dead",
    )


def test_wildcards_that_take_more_than_what_stays_are_destructive_to_remove() -> None:
    assert removal(bound("high", "high.#")) == (
        "destructive",
        'messages with keys like "high.#" go to queue high, and some would reach no queue',
    )


def test_a_queue_that_only_others_bind_does_not_count() -> None:
    assert removal(bound("high", "urgent"), queue("audit"), bound("audit", "#"))[0] == "destructive"


def test_an_alternate_exchange_does_not_count_and_is_named() -> None:
    file = shop(alternate_exchange="copy")
    file["queues"]["dead"] = {"bindings": [{"exchange": "copy"}]}
    assert removal(bound("high", "urgent"), file=file) == (
        "destructive",
        'messages with the key "urgent" go to queue high, and would only go to the alternate exchange copy',
    )


def test_a_way_over_another_exchange_counts() -> None:
    file = shop()
    file["exchanges"]["copy"] = {"type": "fanout", "bindings": [{"exchange": "tasks", "key": "urgent"}]}
    assert removal(bound("high", "urgent"), file=file)[0] == "destructive"
    file["queues"]["dead"] = {"bindings": [{"exchange": "copy"}]}
    assert removal(bound("high", "urgent"), file=file) == ("safe", "what it carries also reaches queue dead")
    assert removal(bound("copy", "old", to_exchange=True), file=file) == (
        "destructive",
        'messages with the key "old" go to queue dead, and would reach no queue',
    )


def test_all_messages_of_a_fanout_exchange_count() -> None:
    file = shop()
    left = bound("dead", source="copy")
    assert removal(left, file=file) == (
        "destructive",
        "all messages of the exchange go to queue dead, and would reach no queue",
    )
    file["queues"]["normal"]["bindings"].append({"exchange": "copy"})
    assert removal(left, file=file)[0] == "safe"


HEADERS = [
    # old, kept, risk
    ({"x-match": "all", "type": "pdf"}, {"x-match": "all", "type": "pdf"}, "safe"),
    ({"type": "pdf", "size": "big"}, {"type": "pdf"}, "safe"),
    ({"type": "pdf"}, {"type": "pdf", "size": "big"}, "destructive"),
    ({"x-match": "any", "type": "pdf", "size": "big"}, {"type": "pdf"}, "destructive"),
    ({"x-match": "any", "type": "pdf"}, {"x-match": "any", "type": "pdf", "size": "big"}, "safe"),
    ({"type": "pdf"}, {}, "safe"),
    ({"number": 1}, {"number": 1, "x-match": "any"}, "destructive"),  # perhaps of another width
]


@pytest.mark.parametrize(("old", "kept", "risk"), HEADERS)
def test_headers_are_compared_with_all_messages_that_they_match(
    old: dict[str, Any], kept: dict[str, Any], risk: str
) -> None:
    file = shop("headers")
    file["queues"]["normal"]["bindings"] = [{"exchange": "tasks", "arguments": kept}]
    file["queues"]["high"]["bindings"] = []
    found = removal(bound("high", **old), file={**file, "routes": []})
    assert found[0] == risk
    if risk == "destructive":
        assert found[1] == "messages with its headers go to queue high, and some may reach no queue"


def test_an_exchange_that_chooses_one_queue_chooses_another() -> None:
    file = shop("x-consistent-hash", normal="1")
    file["queues"]["high"]["bindings"] = []
    file["routes"] = []
    assert removal(bound("high", "1"), file=file) == (
        "safe",
        "the exchange chooses one of the others instead",
    )
    file["queues"]["normal"]["bindings"] = []
    assert removal(bound("high", "1"), file=file) == (
        "destructive",
        "messages go to queue high, and it is not known whether they would reach no queue",
    )


def test_what_counts_is_what_the_exchange_will_be() -> None:
    left = bound("high", "normal.x")
    topic = state(exchange("tasks", type="topic"))
    assert removal(left, file=shop("direct"), found=topic)[0] == "destructive"
    direct = state(exchange("tasks"))
    assert removal(left, file=shop(normal="normal.#"), found=direct)[0] == "safe"


WORDS = st.sampled_from(["a", "b", "*", "#"])
PATTERNS = st.lists(WORDS, max_size=4).map(".".join)
KEYS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=6).map(".".join)


@given(PATTERNS, st.lists(PATTERNS, max_size=4), st.lists(KEYS, min_size=1, max_size=20))
def test_no_message_of_a_safe_removal_is_lost(old: str, kept: list[str], keys: list[str]) -> None:
    file = {
        "exchanges": {"tasks": {"type": "topic"}},
        "queues": {
            "q": {"bindings": [{"exchange": "tasks", "key": key} for key in dict.fromkeys(kept)]},
            "old": {},
        },
    }
    topology = Topology.model_validate({"version": 1, **file})
    desired = desired_state(topology, "/")
    left = bound("old", old)
    live = {**desired, **state(left)}
    (found,) = removals(topology.bodies("/"), desired, live, [left.key]).values()
    before, after = Network.of_state(live, "/"), Network.of_state(desired, "/")
    lost = [key for key in keys if "old" in before.deliver("tasks", key) and not after.deliver("tasks", key)]
    if found.risk == "safe":
        assert lost == []
