"""The record before and after an apply: a crash in between leaves nothing of the stack's unowned."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pytest

from routectl.topology.base.resources import Key, Resource, State
from routectl.topology.change.ownership.keeper import Holdings, Keeper
from routectl.topology.change.ownership.ledger import Ledger, all_owned, ledger_of
from routectl.topology.change.ownership.record import Record, Stack
from routectl.topology.change.plan import Action, Change
from routectl.topology.errors import Rejected
from tests.fakes import MemoryBroker, queue, state, user

SHOP = Stack("shop", "/")
OLD, NEW = queue("q"), queue("q", arguments={"x-max-length": 5})
OPS = user("ops")


def change(action: Action, resource: Resource, before: Resource | None = None) -> Change:
    return Change(action, resource.key, before and before.properties, resource.properties, "safe", "")


def keep(
    broker: MemoryBroker,
    changes: list[Change],
    *,
    finished: bool = True,
    failed: Collection[Key] = (),
    unread: frozenset[Key] = frozenset(),
) -> Ledger:
    """The records after an apply, which the test carries out itself."""
    keeper = Keeper(Holdings(ledger_of(SHOP, broker.state), dict(broker.state), (), unread), broker)
    keeper.begin(changes)
    for item in changes:
        if item.key not in failed:
            broker.state[item.key] = item.resource
    if finished:
        keeper.finish(broker.state, failed, changes, {})
    return ledger_of(SHOP, broker.state)


def owned(ledger: Ledger, live: State) -> set[Key]:
    return set(all_owned(ledger, live))


@pytest.mark.parametrize("action", ["update", "replace", "move"])
@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("failed", [True, False])
def test_a_changed_object_stays_the_stacks(action: Action, finished: bool, failed: bool) -> None:
    broker = MemoryBroker()
    keep(broker, [change("create", OLD)])
    ledger = keep(broker, [change(action, NEW, OLD)], finished=finished, failed=[OLD.key] if failed else [])
    assert owned(ledger, broker.state) == {OLD.key}


def test_a_change_of_what_was_there_before_does_not_make_it_the_stacks() -> None:
    broker = MemoryBroker([OLD])
    assert owned(keep(broker, [change("update", NEW, OLD)]), broker.state) == set()


def test_what_could_not_be_created_is_not_in_the_record() -> None:
    broker = MemoryBroker()
    ledger = keep(broker, [change("create", OLD), change("create", queue("r"))], failed=[OLD.key])
    broker.state |= state(OLD)
    assert owned(ledger, broker.state) == {queue("r").key}


def test_what_the_user_may_not_read_stays_in_the_record() -> None:
    broker = MemoryBroker()
    keep(broker, [change("create", OPS), change("create", OLD)])
    del broker.state[OPS.key]
    ledger = keep(broker, [change("create", queue("r"))], unread=frozenset({OPS.key}))
    assert owned(ledger, broker.state | state(OPS)) == {OPS.key, OLD.key, queue("r").key}


def test_a_record_that_the_broker_rejects_is_noted_and_stops_nothing() -> None:
    broker = MemoryBroker(fail={Record(SHOP).as_resource().key: Rejected("cannot create it", "too large")})
    keeper = Keeper(Holdings(ledger_of(SHOP, broker.state), dict(broker.state)), broker)
    keeper.begin([change("create", OLD)])
    keeper.finish(broker.state, (), [change("create", OLD)], {})
    assert keeper.notes == [
        "what this stack created is not recorded for `--prune`: cannot create it: too large"
    ]


def protect(
    broker: MemoryBroker, declared: State, changes: list[Change], *, finished: bool = True
) -> frozenset[Key]:
    """What is protected after an apply of a file that protects all that it declares."""
    named = frozenset(key for key, item in declared.items() if item.protected)
    holdings = Holdings(ledger_of(SHOP, broker.state), dict(broker.state), protected=named)
    keeper = Keeper(holdings, broker)
    keeper.begin(changes)
    broker.state |= {item.key: item.resource for item in changes}
    if finished:
        keeper.finish(broker.state, (), changes, declared)
    return ledger_of(SHOP, broker.state).own_protected


@pytest.mark.parametrize("finished", [True, False])
def test_protection_is_recorded_before_the_first_change_and_ends_only_with_the_apply(finished: bool) -> None:
    broker, wanted = MemoryBroker(), replace(OLD, protected=True)
    assert protect(broker, state(wanted), [change("create", OLD)], finished=finished) == {OLD.key}
    assert protect(broker, {}, [change("create", queue("r"))], finished=finished) == {OLD.key}, "it left"
    released = protect(broker, state(OLD), [change("create", queue("s"))], finished=finished)
    assert released == (frozenset() if finished else {OLD.key})


def test_what_is_gone_is_no_longer_protected() -> None:
    broker = MemoryBroker()
    protect(broker, state(replace(OLD, protected=True)), [change("create", OLD)])
    del broker.state[OLD.key]
    assert Holdings(ledger_of(SHOP, broker.state), broker.state).stale
    assert protect(broker, {}, []) == frozenset()
