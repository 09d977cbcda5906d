"""The one place that every write to a broker passes: where an apply is stopped, and where tests count its writes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..base.resources import Key

#: Called before each write that may be the last; raises `Unreachable` to stop the apply.
Guard = Callable[[], None]

_guards: list[Guard] = []
_thread = threading.local()


def before(operation: str, key: Key) -> None:
    """Called before each single operation that writes, such as `create` of a binding.

    Parameters:
      operation: A verb.
      key: The object that is written.

    Raises:
      Unreachable: a guard stops the apply; nothing was written.
    """
    if not getattr(_thread, "indivisible", False):
        for guard in _guards:
            guard()


@contextmanager
def guarded(guard: Guard) -> Iterator[None]:
    """Asks a guard before each write of this process, until the `with` block ends."""
    _guards.append(guard)
    try:
        yield
    finally:
        _guards.remove(guard)


@contextmanager
def indivisible(operation: str, key: Key) -> Iterator[None]:
    """Several writes of this thread that must not be stopped in between; the guards are asked before the first."""
    before(operation, key)
    outer = getattr(_thread, "indivisible", False)
    _thread.indivisible = True
    try:
        yield
    finally:
        _thread.indivisible = outer
