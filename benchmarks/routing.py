"""Routing in the publisher against Celery's own `task_routes`: the same rules, called as Celery calls them.

For every task, Celery compares the name with one pattern after the other. New names are new in every call, so a
router's cache never helps with them.
"""

from __future__ import annotations

import gc
import re
import time
import tracemalloc
from collections.abc import Callable, Sequence
from itertools import count, cycle, islice
from typing import Any

from celery import Celery
from celery.app.routes import MapRoute

from routectl.routing import Router
from routectl.topology.model import Topology

from .ratio import Contender, Figure, alternate, ratio

FEW, MANY = 10, 10_000

#: Patterns, each with the names that it matches.
GLOBS = (("team-{team:02}.service-{number:05}.*", "team-{team:02}.service-{number:05}.tasks.run_{serial}"),)
GENERAL = (
    ("*.report_{number:05}", "team-{team:02}.service_{serial}.report_{number:05}"),
    ("team-{team:02}.*.task_{number:05}", "team-{team:02}.service_{serial}.task_{number:05}"),
    ("a?c{number:05}*", "abc{number:05}.tasks.run_{serial}"),
)

#: A rule without a wildcard, which Celery looks up in a dict.
EXACT = "billing.tasks.charge"

_QUEUES = ("low", "normal", "high")

#: The number of calls per figure: with known names, with new names, and with new names in Celery.
_KNOWN, _NEW, _NEW_TO_CELERY = 100_000, 10_000, 50

#: The number of new names that are routed to measure a router's memory.
_NAMES = 1_000_000

_serials = count()


class Rules:
    """Rules of one kind, for both sides.

    Parameters:
      shapes: Patterns and names, with placeholders `{team}`, `{number}` and, in names, `{serial}`.
      size: The number of rules, in addition to an exact one.
    """

    def __init__(self, shapes: Sequence[tuple[str, str]], size: int) -> None:
        filled = [(*shapes[number % len(shapes)], number % 97, number) for number in range(size)]
        patterns = [pattern.format(team=team, number=number) for pattern, _, team, number in filled]
        self._names = [(name, team, number) for _, name, team, number in filled]
        self.queues = dict(zip([*patterns, EXACT], cycle(_QUEUES), strict=False))

    def new_names(self, number: int) -> list[str]:
        """Names that were not routed before, spread over all rules."""
        step = max(len(self._names) // number, 1)
        chosen = islice(cycle(self._names[::step]), number)
        return [name.format(team=team, number=at, serial=next(_serials)) for name, team, at in chosen]

    def topology(self) -> Topology:
        """The rules as a loaded file."""
        routes = [{"tasks": pattern, "queue": queue} for pattern, queue in self.queues.items()]
        return Topology.model_validate(
            {"version": 1, "queues": {name: {} for name in _QUEUES}, "routes": routes}
        )

    def task_routes(self) -> dict[str, dict[str, str]]:
        """The rules as Celery's `task_routes`."""
        return {pattern: {"queue": queue} for pattern, queue in self.queues.items()}


class Call:
    """Calls a router as Celery does: with the options that `apply_async` builds for a task."""

    def __init__(self) -> None:
        with Celery("bench", broker="memory://", set_as_current=False) as app:
            app.conf.task_routes = (self._capture,)
            try:
                app.task(_task).apply_async()
            except _Captured as captured:
                self.passed, self.named = captured.args

    @staticmethod
    def _capture(_: str, *passed: Any, **named: Any) -> None:
        raise _Captured(passed, named)

    def seconds(self, router: Callable[..., Any], names: Sequence[str]) -> float:
        """The seconds of one call, on average over names."""
        args, kwargs, options = self.passed
        task = self.named["task"]
        gc.collect()
        begun = time.perf_counter()
        for name in names:
            router(name, args, kwargs, options, task=task)
        return (time.perf_counter() - begun) / len(names)


def _task() -> None:
    """The task; it is never sent."""


class _Captured(Exception):
    """Stops `apply_async` once it has called the router."""


def measure(rounds: int) -> list[Figure]:
    """Measures routing.

    Parameters:
      rounds: The number of rounds.
    """
    call = Call()
    many = Rules(GLOBS, MANY)
    figures = [_known(call, rules, size, rounds) for rules, size in ((Rules(GLOBS, FEW), FEW), (many, MANY))]
    figures += _new(call, many, rounds)
    figures.append(_new_to_both(call, Rules(GENERAL, MANY), rounds))
    figures.append(_building(many, rounds))
    return [*figures, _memory(call, many)]


def _known(call: Call, rules: Rules, size: int, rounds: int) -> Figure:
    """A name that was routed before, against an exact name in Celery."""
    router, celerys = _routers(rules)
    names = rules.new_names(100) * (_KNOWN // 100)
    exact = [EXACT] * _KNOWN
    seconds = _take_turns(
        {"ours": lambda: call.seconds(router, names), "celery": lambda: call.seconds(celerys, exact)}, rounds
    )
    return ratio(
        f"route a known name, {size:,} globs / Celery's exact", seconds["ours"], seconds["celery"], 2.0
    )


def _new(call: Call, rules: Rules, rounds: int) -> list[Figure]:
    """A new name among many globs, against Celery and against few globs."""
    router, celerys = _routers(rules)
    few = Rules(GLOBS, FEW)
    small, _ = _routers(few)
    seconds = _take_turns(
        {
            "ours": lambda: call.seconds(router, rules.new_names(_NEW)),
            "few": lambda: call.seconds(small, few.new_names(_NEW)),
            "celery": lambda: call.seconds(celerys, rules.new_names(_NEW_TO_CELERY)),
        },
        rounds,
    )
    return [
        ratio(f"route a new name, {MANY:,} globs / Celery", seconds["ours"], seconds["celery"], 0.01),
        ratio(f"route a new name, {MANY:,} globs / {FEW} globs", seconds["ours"], seconds["few"], 2.0),
    ]


def _new_to_both(call: Call, rules: Rules, rounds: int) -> Figure:
    """A new name among globs with `*` and `?` anywhere."""
    router, celerys = _routers(rules)
    seconds = _take_turns(
        {
            "ours": lambda: call.seconds(router, rules.new_names(_NEW)),
            "celery": lambda: call.seconds(celerys, rules.new_names(_NEW_TO_CELERY)),
        },
        rounds,
    )
    return ratio(f"route a new name, {MANY:,} mixed / Celery", seconds["ours"], seconds["celery"], 0.05)


def _building(rules: Rules, rounds: int) -> Figure:
    """Building a router from loaded rules."""
    topology, task_routes = rules.topology(), rules.task_routes()
    contenders = {
        "ours": lambda: _seconds(lambda: Router.from_topology(topology)),
        "celery": lambda: _seconds(lambda: MapRoute(task_routes)),
    }
    seconds = alternate(contenders, rounds)
    return ratio(f"build a router, {MANY:,} globs / Celery", seconds["ours"], seconds["celery"], 1.0)


def _memory(call: Call, rules: Rules) -> Figure:
    """The memory that a router gains by routing many names."""
    router, _ = _routers(rules)
    gc.collect()
    tracemalloc.start()
    for _ in range(_NAMES // _NEW):
        call.seconds(router, rules.new_names(_NEW))
    gc.collect()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return Figure(f"router, memory for {_NAMES:,} new names", (held / 1e6,), 10, unit=" MB")


def _routers(rules: Rules) -> tuple[Router, MapRoute]:
    return Router.from_topology(rules.topology()), MapRoute(rules.task_routes())


def _take_turns(contenders: dict[str, Contender], rounds: int) -> dict[str, list[float]]:
    """Runs the rounds after a warm-up round."""
    alternate(contenders, 1)
    return alternate(contenders, rounds)


def _seconds(build: Callable[[], object]) -> float:
    re.purge()
    gc.collect()
    begun = time.perf_counter()
    build()
    return time.perf_counter() - begun
