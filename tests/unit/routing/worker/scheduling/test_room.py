"""The slots that tasks of a queue may use."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from routectl.routing.worker.scheduling.order import Order
from routectl.routing.worker.scheduling.room import Room

QUEUES = ("a.0", "a.1", "b", "c", "d")
TIERS = ("a", "b", "c", "d")


@given(
    reserve=st.dictionaries(st.sampled_from(TIERS), st.integers(1, 3)),
    starts=st.lists(st.sampled_from((*QUEUES, "gone"))),
    expected=st.dictionaries(st.sampled_from(QUEUES), st.integers(0, 3)),
)
def test_each_reserve_limits_all_lower_queues_together(
    reserve: dict[str, int], starts: list[str], expected: dict[str, int]
) -> None:
    order, slots = Order(QUEUES, reserve=reserve, sharded={"a.0": "a", "a.1": "a"}), 8
    room, used = Room(order, slots, {}), Counter[str]()
    for queue in starts:
        if room.of(queue) > 0:
            room.take(queue)
            used[queue] += 1
    for found, counted in ((room, used), (room.without(expected), used + Counter(expected))):
        for queue in QUEUES:
            kept, limits = 0, [slots - counted.total()]
            for tier in TIERS[: TIERS.index(order.tier(queue))]:
                kept += reserve.get(tier, 0)
                upper = TIERS[: TIERS.index(tier) + 1]
                lower = sum(n for each, n in counted.items() if order.tier(each) not in upper)
                if tier in reserve:
                    limits.append(slots - kept - lower)
            assert found.of(queue) == min(limits)
