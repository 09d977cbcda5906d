"""What may be acknowledged while messages are under way: only what the destination has, and each message once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from routectl.topology.broker.transfer.window import Settled, Window


def filled(count: int) -> Window:
    """A window with messages of ten bytes, whose delivery tags are 101, 102 and so on."""
    window = Window()
    for number in range(count):
        window.publish(101 + number, 10)
    return window


def test_one_acknowledgement_covers_all_messages_that_are_confirmed() -> None:
    window = filled(5)
    window.confirm(3, multiple=True)
    assert window.settle() == [Settled(103, True)]
    assert (len(window), window.unconfirmed, window.bytes, window.acknowledged) == (2, 2, 20, 3)


def test_a_message_waits_for_those_before_it() -> None:
    window = filled(3)
    window.confirm(2, multiple=False)
    window.confirm(3, multiple=False)
    assert window.settle() == []
    window.confirm(1, multiple=False)
    assert window.settle() == [Settled(103, True)]
    assert window.settle() == []


def test_around_a_rejected_message_the_others_are_acknowledged_one_by_one() -> None:
    window = filled(4)
    window.confirm(1, multiple=False)
    window.reject(2, multiple=False)
    window.confirm(4, multiple=True)
    assert window.settle() == [Settled(101, True), Settled(103, False), Settled(104, False)]
    assert (len(window), window.unconfirmed, window.rejected) == (1, 0, 1)


@given(st.lists(st.tuples(st.integers(1, 12), st.booleans(), st.booleans(), st.booleans())))
def test_whatever_the_broker_answers_only_confirmed_messages_are_acknowledged_and_only_once(
    answers: list[tuple[int, bool, bool, bool]],
) -> None:
    window = filled(12)
    fates: dict[int, bool] = {}
    acknowledged: set[int] = set()
    for number, multiple, stored, settle_now in [*answers, (12, True, True, True)]:
        for each in range(1, number + 1) if multiple else (number,):
            fates.setdefault(each, stored)
        (window.confirm if stored else window.reject)(number, multiple=multiple)
        for tag, covers in window.settle() if settle_now else ():
            last = tag - 100
            new = {each for each in range(1, last + 1) if covers or each == last} - acknowledged
            assert last in new
            assert all(fates.get(each) for each in new)
            acknowledged |= new
    assert acknowledged == {number for number, stored in fates.items() if stored}
    assert window.acknowledged == len(acknowledged)
    assert window.bytes == 10 * (12 - len(acknowledged)) == 10 * len(window)
