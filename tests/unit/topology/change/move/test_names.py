"""The names of temporary queues."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from routectl.topology.change.move.names import is_temporary, temporary, temporary_queue
from tests.fakes import queue

_NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=255)


@given(st.lists(_NAMES, min_size=2, max_size=2, unique=True))
def test_they_fit_into_a_name_and_differ_from_queue_to_queue(queues: list[str]) -> None:
    names = [name for each in queues for name in temporary(each)]
    assert len(set(names)) == len(names)
    assert all(len(name.encode()) <= 255 and is_temporary(name) for name in names)


def test_they_are_recognised_by_their_beginning() -> None:
    assert not is_temporary("high")
    assert not is_temporary("my.routectl.hold.high")


def test_a_quorum_queue_has_no_delivery_limit_where_there_is_one_by_default() -> None:
    wanted = queue("high", type="quorum")
    assert temporary_queue("t", wanted, (4, 0)).properties["arguments"] == {"x-delivery-limit": -1}
    assert temporary_queue("t", wanted, (3, 13)).properties["arguments"] == {}
