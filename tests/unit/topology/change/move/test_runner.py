"""Moves that are interrupted anywhere, while publishers and consumers go on, end as the file says."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routectl.topology.base.resources import QueueState, Resource
from routectl.topology.change.move.names import temporary, temporary_queue
from routectl.topology.change.move.runner import Conditions, carry_out
from routectl.topology.change.move.stages import Move, identity
from routectl.topology.errors import BrokerError, Refused, Rejected
from tests.fakes import queue

from .memory import Contents, Crash, MemoryQueues, bound

CLASSIC, QUORUM = queue("high"), queue("high", type="quorum")
LIMITED = queue("high", arguments={"x-max-length": 1000})
HIGH, THEIRS = bound("high", "high"), bound("high", "theirs")
NAMES = ("high", *temporary("high"))


def move(wanted: Resource, *sources: str) -> Move:
    hold, wait = (temporary_queue(name, wanted, (4, 0)) for name in temporary(wanted.key.name[0]))
    return Move(wanted, hold, wait, sources)


class Clock:
    """Time that passes by looking at it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def run(wanted: Resource, broker: MemoryQueues, *sources: str, timeout: float = 30.0) -> None:
    carry_out(move(wanted, *sources), broker, Conditions(lambda *_: None, timeout, Clock()))


def shop(messages: int = 0) -> MemoryQueues:
    broker = MemoryQueues([CLASSIC], [HIGH, THEIRS], lambda: None)
    for _ in range(messages):
        broker.publish("tasks", "high")
    return broker


def assert_moved(broker: MemoryQueues, wanted: Resource) -> None:
    assert set(broker.queues) == {"high"}
    assert broker.queues["high"].queue.properties == wanted.properties
    assert broker.bindings == {HIGH, THEIRS}
    assert broker.unroutable == []
    assert broker.lost() == set()


def test_messages_keep_their_order_and_what_is_published_meanwhile_comes_later() -> None:
    broker = shop(5)
    broker.meddle = lambda: broker.publish("tasks", "high") if broker.operations < 20 else None
    run(QUORUM, broker)
    assert_moved(broker, QUORUM)
    ready = broker.queues["high"].ready
    assert list(dict.fromkeys(ready)) == sorted(set(ready))


@pytest.mark.parametrize("messages", [0, 3])
def test_a_move_that_is_killed_at_any_point_is_finished_by_the_next(messages: int) -> None:
    killed = 0
    while True:
        broker = shop(messages)
        broker.killed_at = killed = killed + 1
        try:
            run(QUORUM, broker)
        except Crash:
            broker.killed_at = None
            run(QUORUM, broker)
            assert_moved(broker, QUORUM)
        else:
            assert broker.operations < killed
            return


def test_a_killed_move_is_undone_if_the_file_was_changed_back() -> None:
    for killed in range(1, 30):
        broker = shop(3)
        broker.killed_at = killed
        with pytest.raises(Crash) if killed < 21 else pytest.MonkeyPatch.context():
            run(QUORUM, broker)
        broker.killed_at = None
        run(CLASSIC, broker)
        assert_moved(broker, CLASSIC)


def test_a_queue_whose_consumer_keeps_a_message_gets_everything_back() -> None:
    broker = shop(3)
    broker.take("high")
    with pytest.raises(BrokerError, match=r"1 unacknowledged message.* a worker") as raised:
        run(QUORUM, broker)
    assert "--drain-timeout" in (raised.value.hint or "")
    assert broker.queues["high"].held == [1]
    assert_moved(broker, CLASSIC)


def test_a_message_that_a_consumer_gives_back_is_moved_too() -> None:
    broker, looks = shop(3), itertools.count()
    broker.take("high")
    broker.meddle = lambda: broker.give_back("high") if next(looks) == 20 else None
    run(QUORUM, broker)
    assert_moved(broker, QUORUM)
    assert sorted(broker.queues["high"].ready) == [1, 2, 3]


def test_a_worker_that_declares_the_old_queue_again_is_noticed() -> None:
    broker, swap = shop(3), MemoryQueues.swap

    def declared_again(old: Resource, new: Resource) -> None:
        broker.swap = swap.__get__(broker)  # type: ignore[method-assign]
        broker.bindings.add(THEIRS)
        raise Rejected("cannot replace queue high", "inequivalent arg 'x-queue-type'")

    broker.swap = declared_again  # type: ignore[method-assign]
    run(QUORUM, broker)
    assert_moved(broker, QUORUM)


def test_a_queue_that_is_always_used_again_stays_as_it_was() -> None:
    broker = shop(3)

    def used(old: Resource, new: Resource) -> None:
        raise Refused("cannot replace queue high: it holds messages")

    broker.swap = used  # type: ignore[method-assign]
    with pytest.raises(BrokerError, match="is used or declared again while it is moved"):
        run(QUORUM, broker)
    assert_moved(broker, CLASSIC)


@pytest.mark.parametrize("binds", [False, True])
def test_a_worker_that_declares_the_former_queue_all_the_time_ends_a_move_to_another_name(
    binds: bool,
) -> None:
    broker = MemoryQueues([queue("old")], [bound("old", "high")], lambda: None)

    def declare_and_look(names: Collection[str]) -> dict[str, QueueState]:
        broker.queues.setdefault("old", Contents(queue("old")))
        broker.bindings |= {bound("old", "high")} if binds else set()
        return MemoryQueues.look(broker, names)

    broker.look = declare_and_look  # type: ignore[method-assign]
    with pytest.raises(
        BrokerError, match="was added again" if binds else "was declared again after its deletion"
    ):
        run(CLASSIC, broker, "old")


def test_a_shovel_that_a_killed_move_left_is_ended_before_anything_else() -> None:
    broker = shop(3)
    broker.killed_at = 7
    with pytest.raises(Crash):
        run(QUORUM, broker)
    broker.killed_at = None
    assert broker.left_running == {"high": "routectl.hold.high"}
    run(QUORUM, broker)
    assert broker.left_running == {}
    assert_moved(broker, QUORUM)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_random_interruptions_changed_files_publishers_and_consumers(data: st.DataObject) -> None:
    deeds = ("nothing", "publish", "publish", "take", "acknowledge", "give back")
    is_over = False

    def meddle() -> None:
        match "nothing" if is_over else data.draw(st.sampled_from(deeds)):
            case "publish":
                broker.publish("tasks", data.draw(st.sampled_from(["high", "theirs"])))
            case "take":
                broker.take("high")
            case "acknowledge":
                broker.acknowledge("high")
            case "give back":
                broker.give_back("high")
        assert broker.lost() == set()

    broker = MemoryQueues([CLASSIC], [HIGH, THEIRS], meddle)
    wanted = CLASSIC
    for wanted in data.draw(st.lists(st.sampled_from([CLASSIC, QUORUM, LIMITED]), max_size=4)):
        broker.killed_at = broker.operations + data.draw(st.integers(1, 40))
        try:
            run(wanted, broker)
        except Crash:
            pass
        except BrokerError:
            assert broker.queues["high"].held or broker.queues["high"].ready
    is_over, broker.killed_at = True, None
    while broker.queues.get("high") and broker.queues["high"].held:
        broker.give_back("high")
    run(wanted, broker)
    assert_moved(broker, wanted)


URGENT = queue("urgent")


def test_a_renamed_queue_takes_over_messages_and_bindings_wherever_the_move_is_killed() -> None:
    killed = 0
    while True:
        broker = MemoryQueues([CLASSIC, URGENT], [HIGH, THEIRS], lambda: None)
        broker.publish("tasks", "high")
        broker.meddle = lambda broker=broker: (
            broker.publish("tasks", "theirs") if broker.operations < 9 else None
        )
        broker.killed_at = killed = killed + 1
        try:
            run(URGENT, broker, "high")
        except Crash:
            broker.killed_at = None
            run(URGENT, broker, "high")
            assert set(broker.queues) == {"urgent"}
            assert broker.bindings == {bound("urgent", "high"), bound("urgent", "theirs")}
            assert (broker.unroutable, broker.lost()) == ([], set())
        else:
            return


def test_a_key_that_the_file_gives_to_another_queue_goes_there() -> None:
    normal = bound("normal", "high")
    broker = MemoryQueues([CLASSIC, URGENT, queue("normal")], [HIGH, THEIRS, normal], lambda: None)
    renamed = replace(move(URGENT, "high"), elsewhere={identity(HIGH): normal})
    carry_out(renamed, broker, Conditions(lambda *_: None, 30.0, Clock()))
    assert broker.bindings == {normal, bound("urgent", "theirs")}
