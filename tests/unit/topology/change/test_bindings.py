"""Bindings that leave the file, from the plan to the broker: any two files, and what others made beside them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.topology.base.resources import Key, Kind, Resource, State, binding_key
from routectl.topology.change.apply import apply
from routectl.topology.change.desired import desired_state
from routectl.topology.change.diff import diff
from routectl.topology.change.leftovers.bindings import removed_bindings
from routectl.topology.change.leftovers.removals import removals
from routectl.topology.change.plan import Plan
from routectl.topology.change.planner import Planned
from routectl.topology.change.refusals import refusals
from routectl.topology.delivery.network import Network
from routectl.topology.errors import Refused, Rejected
from routectl.topology.model import Topology
from tests.fakes import MemoryBroker, exchange, queue, state

TYPES = {"topic": "topic", "direct": "direct", "fanout": "fanout", "theirs": "topic"}
KEYS = ("a", "b", "a.b")
BINDINGS = st.lists(
    st.fixed_dictionaries(
        {
            "exchange": st.sampled_from([*TYPES, "amq.topic"]),
            "key": st.sampled_from([*KEYS, "a.*", "#", "*.b"]),
        }
    ),
    max_size=3,
    unique_by=lambda binding: (binding["exchange"], binding["key"]),
)
FILES = st.fixed_dictionaries(
    {
        "exchanges": st.fixed_dictionaries(
            {
                name: BINDINGS.map(
                    lambda found, name=name: {
                        "type": TYPES[name],
                        "bindings": found,
                        **({"external": True} if name == "theirs" else {}),
                    }
                )
                for name in TYPES
            }
        ),
        "queues": st.dictionaries(
            st.sampled_from(["one", "two", "three"]), BINDINGS.map(lambda found: {"bindings": found})
        ),
    }
)
ENDS = [*TYPES, "amq.topic", "foreign"]
FOREIGN = st.lists(
    st.builds(
        lambda source, destination, key, to_exchange: Resource(
            binding_key("/", source, destination, key, to_exchange=to_exchange)
        ),
        st.sampled_from(ENDS),
        st.sampled_from(ENDS),
        st.sampled_from(KEYS),
        st.just(True),
    ),
    max_size=4,
)
ALLOWED = ("destructive", "data-loss")


class WatchedBroker(MemoryBroker):
    """A broker that keeps its state before each write, and what a replacement need not restore."""

    def __init__(self, *resources: Resource, fail: dict[Key, Rejected] | None = None) -> None:
        super().__init__(resources, fail=fail)
        self.past: list[State] = []
        self.dropped: set[Key] = set()

    def replace(
        self, resource: Resource, dropped: Collection[Key] = (), added: Sequence[Resource] = ()
    ) -> None:
        self.dropped |= set(dropped)
        super().replace(resource, dropped, added)

    def _begin(self, how: str, key: Key) -> None:
        self.past.append(dict(self.state))
        super()._begin(how, key)


def planned(file: dict[str, Any], broker: MemoryBroker) -> Planned:
    """The plan that brings this broker to the state in a file."""
    topology = Topology.model_validate({"version": 1, **file})
    desired, live = desired_state(topology, "/"), broker.read({}, ["/"])
    removed = removals(topology.bodies("/"), desired, live, removed_bindings(desired, live))
    found = diff(desired, live, removals=removed)
    plan = Plan("amqp://localhost", "rabbit@here", ("/",), found.changes, found.problems)
    return Planned(plan, desired, broker, tuple(removed))


def carry_out(file: dict[str, Any], broker: MemoryBroker, *allow: str) -> dict[str, str]:
    report = apply(planned(file, broker), lambda *_: None, allow=allow)
    return {str(outcome.change.key): outcome.status for outcome in report.outcomes}


def bindings(found: State) -> set[Key]:
    return {key for key in found if key.kind is Kind.BINDING}


@given(FILES, FILES, FOREIGN)
def test_the_files_bindings_are_exactly_there_and_no_key_is_ever_unroutable(
    before: dict[str, Any], after: dict[str, Any], foreign: list[Resource]
) -> None:
    old, new = (
        desired_state(Topology.model_validate({"version": 1, **file}), "/") for file in (before, after)
    )
    others = state(exchange("foreign", type="topic"), exchange("amq.topic", type="topic"), *foreign)
    broker = WatchedBroker(*{**others, **old}.values())
    start = dict(broker.state)
    removed = removed_bindings(new, start)
    assert set(carry_out(after, broker, *ALLOWED).values()) <= {"done"}
    assert bindings(broker.state) == (bindings(start) | bindings(new)) - set(removed)
    own = {key.name[:1] for key, item in new.items() if key.kind is not Kind.BINDING and not item.external}
    for key in removed:
        assert {key.name[:1], key.name[2:3]} <= own
    for key in bindings(broker.state) - bindings(new):
        assert not {key.name[:1], key.name[2:3]} <= own
    assert planned(after, broker).plan.empty
    at_first, at_last = Network.of_state(start, "/"), Network.of_state(broker.state, "/")
    for moment in broker.past:
        network = Network.of_state(moment, "/")
        for name in TYPES:
            for key in KEYS:
                if at_first.deliver(name, key) and at_last.deliver(name, key):
                    assert network.deliver(name, key), (name, key)


SHOP = {
    "exchanges": {"tasks": {"type": "topic"}},
    "queues": {"high": {"bindings": [{"exchange": "tasks", "key": "urgent"}]}, "low": {}},
}
OLD = Resource(binding_key("/", "tasks", "high", "high"))
NEW = binding_key("/", "tasks", "high", "urgent")


def shop(*more: Resource, fail: dict[Key, Rejected] | None = None) -> WatchedBroker:
    return WatchedBroker(exchange("tasks", type="topic"), queue("high"), queue("low"), *more, fail=fail)


def test_a_binding_that_may_be_missed_is_refused_with_both_ways_out() -> None:
    broker = shop(OLD)
    (refused,) = refusals(planned(SHOP, broker))
    assert refused.message == (
        'binding tasks -> high "high" would be deleted: not in the file; messages with the key "high" '
        "go to queue high, and would reach no queue"
    )
    assert refused.hint == (
        'keep it with `{"exchange": "tasks", "key": "high"}` in `bindings` of queue high, '
        "or allow it with `--allow destructive`"
    )
    with pytest.raises(Refused):
        carry_out(SHOP, broker)
    assert broker.writes == []
    carry_out(SHOP, broker, "destructive")
    assert broker.writes == [("bulk", NEW), ("delete", OLD.key)]


def test_a_copy_is_removed_without_asking() -> None:
    copy = Resource(binding_key("/", "tasks", "low", "urgent"))
    broker = shop(copy, Resource(NEW))
    assert carry_out(SHOP, broker) == {'binding tasks -> low "urgent"': "done"}
    assert bindings(broker.state) == {NEW}


def test_a_binding_stays_while_what_takes_over_could_not_be_created() -> None:
    broker = shop(OLD, fail={NEW: Rejected("cannot create it", "no")})
    assert carry_out(SHOP, broker, "destructive") == {str(NEW): "failed", str(OLD.key): "skipped"}
    assert OLD.key in broker.state
    broker.fail.clear()
    assert set(carry_out(SHOP, broker, "destructive").values()) == {"done"}
    assert bindings(broker.state) == {NEW}


@pytest.mark.parametrize(("kind", "dropped"), [("direct", set()), ("x-consistent-hash", {OLD.key})])
def test_a_replaced_exchange_keeps_the_binding_until_others_are_there_if_its_new_type_can(
    kind: str, dropped: set[Key]
) -> None:
    broker = shop(OLD)
    file = {**SHOP, "exchanges": {"tasks": {"type": kind}}}
    if dropped:
        file["queues"] = {"high": {"bindings": [{"exchange": "tasks", "key": "1"}]}}
    assert set(carry_out(file, broker, *ALLOWED).values()) == {"done"}
    assert broker.dropped == dropped
    assert OLD.key not in broker.state


def test_a_saved_plan_does_not_ask_for_what_the_file_implies() -> None:
    plan = planned(SHOP, shop(OLD)).plan
    again = Plan.from_dict(plan.as_dict())
    assert again.requested == ()
    assert [change.reason for change in again.changes] == [change.reason for change in plan.changes]
