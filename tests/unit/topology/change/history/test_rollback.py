"""Which apply a rollback returns to, and where it takes the secrets from."""

from __future__ import annotations

import pytest

from routectl.topology.base.resources import Key, Kind, Resource, State, binding_key
from routectl.topology.base.secret import MASK, Secret
from routectl.topology.change.history.declared import packed, unpacked
from routectl.topology.change.history.entry import Entry, Result
from routectl.topology.change.history.restored import covered_vhosts, restored
from routectl.topology.change.history.rollback import chosen
from routectl.topology.errors import NotFound
from tests.fakes import queue, state, user, vhost_key

OLD, NEW = packed(state(queue("old"))), packed(state(queue("new")))


def entry(number: int, text: str, result: Result = "done") -> Entry:
    return Entry(number, "", "", "", (), "", result, {}, (), text)


@pytest.mark.parametrize(
    ("entries", "number"),
    [
        ([entry(2, NEW), entry(1, OLD)], 1),
        ([entry(3, NEW), entry(2, NEW), entry(1, OLD)], 1),
        ([entry(3, NEW), entry(2, OLD, "partly done"), entry(1, OLD)], 1),
        ([entry(3, OLD, "unfinished"), entry(2, NEW), entry(1, OLD)], 2),
    ],
)
def test_a_rollback_returns_to_the_last_finished_apply_of_another_state(
    entries: list[Entry], number: int
) -> None:
    assert chosen(entries, None).number == number


def test_any_recorded_apply_can_be_chosen() -> None:
    entries = [entry(3, NEW), entry(2, OLD, "unfinished"), entry(1, OLD)]
    assert chosen(entries, 2).number == 2
    with pytest.raises(NotFound, match="apply 7 is not recorded"):
        chosen(entries, 7)


@pytest.mark.parametrize("entries", [[], [entry(1, OLD)], [entry(2, OLD), entry(1, OLD)]])
def test_without_another_state_there_is_nothing_to_return_to(entries: list[Entry]) -> None:
    with pytest.raises(NotFound, match="no earlier apply is recorded"):
        chosen(entries, None)


def hide(text: str) -> str:
    return text.replace("hunter2", MASK)


def returned(declared: State, live: State) -> tuple[State, list[str]]:
    """The state after its way through the history."""

    def hidden(value: object) -> object:
        if isinstance(value, dict):
            return {name: hidden(item) for name, item in value.items()}
        if isinstance(value, list):
            return list(map(hidden, value))
        return hide(value) if isinstance(value, str) else value

    found, problems = restored(unpacked(packed(declared, hidden)), live, hide)
    return found, [problem.message for problem in problems]


SHOVEL = Key(Kind.PARAMETER, "/", ("shovel", "move"))


def test_the_secrets_of_the_broker_are_kept() -> None:
    declared = state(
        Resource(
            SHOVEL, {"value": {"src-uri": Secret("amqp://old"), "src-queue": "a", "dest": [Secret("x"), 1]}}
        ),
        queue("q", arguments={"x-max-length": Secret(5)}),
        user("app", password=Secret("old"), tags=["management"]),
    )
    live = state(
        Resource(SHOVEL, {"value": {"src-uri": Secret("amqp://now"), "src-queue": "b", "dest": ["y", 2]}}),
        queue("q", arguments={"x-max-length": 6}),
        user("app", password_hash=Secret("hash")),
    )
    found, problems = returned(declared, live)
    assert problems == []
    assert found[SHOVEL].properties == {
        "value": {"src-uri": Secret("amqp://now"), "src-queue": "a", "dest": ["y", 1]}
    }
    assert found[queue("q").key].properties["arguments"] == {"x-max-length": 6}
    assert found[user("app").key].properties == {"tags": ["management"]}


def test_what_needs_a_secret_that_the_broker_lacks_is_a_problem() -> None:
    declared = state(
        Resource(SHOVEL, {"value": {"src-uri": Secret("amqp://old")}}),
        queue("q", arguments={"x-max-length": Secret(5)}),
        user("app", password=Secret("old")),
        queue("plain"),
    )
    found, problems = returned(declared, state(queue("q")))
    assert found.keys() == {queue("plain").key}
    assert problems == [
        f"{key} needs a secret, which the history does not keep and the broker does not have"
        for key in declared
        if key != queue("plain").key
    ]


def test_a_binding_with_a_secret_header_is_found_on_the_broker() -> None:
    key = binding_key("/", "tasks", "high", "", {"token": "hunter2"})
    assert returned(state(Resource(key)), state(Resource(key)))[0].keys() == {key}
    found, problems = returned(state(Resource(key)), {})
    assert (found, len(problems), "hunter2" in problems[0]) == ({}, 1, False)


def test_an_earlier_state_covers_the_vhosts_of_its_objects() -> None:
    declared = state(queue("q", "shop"), Resource(vhost_key("office")), user("app"))
    assert covered_vhosts(declared, "/") == ("/", "shop", "office")
