"""A soft time limit raised while a call is routed ends the task and does not corrupt the router."""

from __future__ import annotations

import dis
import gc
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any
from uuid import UUID

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from routectl.routing import Router
from routectl.routing.reload import watch
from routectl.topology.file.load import collector_paused

from ...loading import body
from ...odd import routers

FILE = body("queues: {q1: {}, q2: {}}\nroutes: [{tasks: t, queue: q1}]")


class OutOfTime(dict[str, Any]):
    """A mapping whose lookup exceeds the time limit."""

    def get(self, *_: Any) -> Any:
        raise SoftTimeLimitExceeded


class SlowName:
    @property
    def name(self) -> str:
        raise SoftTimeLimitExceeded


class SlowUUID(UUID):
    def __str__(self) -> str:
        raise SoftTimeLimitExceeded


def test_while_a_condition_is_evaluated() -> None:
    router = routers({"kwargs.account.plan": "gold"})
    with pytest.raises(SoftTimeLimitExceeded):
        router.route("t", (), {"account": OutOfTime()})


def test_while_a_shard_is_chosen(tmp_path: Path) -> None:
    file = tmp_path / "queues.yaml"
    file.write_text(body("queues: {q: {shards: 2}}\nroutes: [{tasks: t, queue: q, shard_by: args.0}]"))
    with pytest.raises(SoftTimeLimitExceeded):
        Router.from_file(file).route("t", [SlowUUID(int=1)])


def test_while_the_name_of_the_callers_queue_is_read() -> None:
    with pytest.raises(SoftTimeLimitExceeded):
        routers()("t", (), {}, {"queue": SlowName()})


@contextmanager
def time_over_after(code: CodeType, call: int) -> Iterator[list[int]]:
    """Raises in a function as soon as it has made so many calls, which is when Python looks for signals.

    Parameters:
      code: The function's.
      call: How many; the list says whether there were so many.
    """
    operations = {step.offset: step.opname for step in dis.get_instructions(code)}
    calls = {offset for offset, name in operations.items() if name.startswith("CALL")}
    ends = {after for at, after in zip(operations, [*operations][1:], strict=False) if at in calls}
    left, over = [call], list[int]()

    def trace(frame: FrameType, event: str, _: Any) -> Callable[..., Any] | None:
        if frame.f_code is not code:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and frame.f_lasti in ends:
            left[0] -= 1
            if left[0] == 0:
                over.append(frame.f_lasti)
                raise SoftTimeLimitExceeded
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield over
    finally:
        sys.settrace(before)


def every_moment(code: CodeType, act: Callable[[], Any]) -> Iterator[None]:
    """Acts, and has the time end behind one call of a function after the other, until it makes no more."""
    for call in range(1, 100):
        with time_over_after(code, call) as over:
            try:
                act()
            except SoftTimeLimitExceeded:
                assert over
        if not over:
            assert call > 3
            return
        yield


def test_while_the_file_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At whatever line it is raised, the next call checks again."""
    monkeypatch.setattr(watch, "INTERVAL", 0)
    file = tmp_path / "queues.yaml"
    file.write_text(FILE)
    router = Router.from_file(file, watch=True)
    texts = {"q1": FILE, "q2": FILE.replace("queue: q1", "queue: q2")}
    for _ in every_moment(watch.Watch.refresh.__code__, lambda: router.route("t")):
        for queue, text in texts.items():
            file.write_text(text)
            assert router.route("t").queue == queue


def test_while_the_collector_is_being_paused() -> None:
    def read() -> None:
        with collector_paused():
            assert not gc.isenabled()

    paused: Any = collector_paused
    for _ in every_moment(paused.__wrapped__.__code__, read):
        assert gc.isenabled()


def test_any_other_exception_of_an_argument_is_no_match() -> None:
    class Broken(Mapping[str, Any]):
        def __getitem__(self, _: str) -> Any:
            raise TimeoutError

        def __iter__(self) -> Iterator[str]:
            raise TimeoutError

        def __len__(self) -> int:
            raise TimeoutError

    assert routers({"kwargs.account.plan": "gold"}).route("t", (), {"account": Broken()}).queue == "other"
