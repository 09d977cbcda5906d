"""Writes to a broker are announced to guards, which may stop them."""

from __future__ import annotations

import threading

import pytest

from routectl.topology.base.resources import queue_key
from routectl.topology.broker.writes import before, guarded, indivisible
from routectl.topology.errors import Unreachable

HIGH = queue_key("/", "high")


def stop() -> None:
    raise Unreachable("stopped")


def test_a_guard_is_asked_before_each_write_until_its_block_ends() -> None:
    asked: list[int] = []
    with guarded(lambda: asked.append(1)):
        before("create", HIGH)
        before("delete", HIGH)
    before("create", HIGH)
    assert len(asked) == 2


def test_a_guard_stops_a_write_in_every_thread() -> None:
    failures: list[BaseException] = []

    def write() -> None:
        try:
            before("create", HIGH)
        except Unreachable as error:
            failures.append(error)

    with guarded(stop):
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
        write()
    assert [str(error) for error in failures] == ["stopped", "stopped"]


def test_what_is_indivisible_is_stopped_before_its_first_write_or_not_at_all() -> None:
    with guarded(stop), pytest.raises(Unreachable), indivisible("replace", HIGH):
        pytest.fail("the guard was not asked")
    with indivisible("replace", HIGH), guarded(stop):
        before("delete", HIGH)
        with indivisible("swap", HIGH):
            before("create", HIGH)
        before("create", HIGH)
    with guarded(stop), pytest.raises(Unreachable):
        before("create", HIGH)
