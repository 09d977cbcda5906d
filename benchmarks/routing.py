"""Routing in the publisher against Celery's own `task_routes`: the same rules, called as Celery calls them.

Celery compares a task's name with one pattern after the other, for every task. Names that are new here are new at every
call; what a router remembers of names that it has seen helps with them in no round.
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

#: A rule without any wildcard, which Celery finds at once.
EXACT = "billing.tasks.charge"

_QUEUES = ("low", "normal", "high")

#: How many calls a figure is taken of: with names that are known, with new ones, and with new ones by Celery.
_KNOWN, _NEW, _NEW_TO_CELERY = 100_000, 10_000, 50

#: How many new names a router is asked for in turn, to see what it keeps of them.
_NAMES = 1_000_000

_serials = count()


class Rules:
    """Rules of one kind, for both sides.

    Parameters:
      shapes: Patterns and names, with `{team}`, `{number}` and, in names, `{serial}` to be filled in.
      size: How many rules, besides an exact one.
    """

    def __init__(self, shapes: Sequence[tuple[str, str]], size: int) -> None:
        filled = [(*shapes[number % len(shapes)], number % 97, number) for number in range(size)]
        patterns = [pattern.format(team=team, number=number) for pattern, _, team, number in filled]
        self._names = [(name, team, number) for _, name, team, number in filled]
        self.queues = dict(zip([*patterns, EXACT], cycle(_QUEUES), strict=False))

    def new_names(self, number: int) -> list[str]:
        """Names that nobody was asked for before, spread over all rules."""
        step = max(len(self._names) // number, 1)
        chosen = islice(cycle(self._names[::step]), number)
        return [name.format(team=team, number=at, serial=next(_serials)) for name, team, at in chosen]

    def topology(self) -> Topology:
        """The rules as a file has them, loaded."""
        routes = [{"tasks": pattern, "queue": queue} for pattern, queue in self.queues.items()]
        return Topology.model_validate(
            {"version": 1, "queues": {name: {} for name in _QUEUES}, "routes": routes}
        )

    def task_routes(self) -> dict[str, dict[str, str]]:
        """The rules as Celery has them."""
        return {pattern: {"queue": queue} for pattern, queue in self.queues.items()}


class Call:
    """How Celery calls a router: with what `apply_async` makes of a task's options and settings."""

    def __init__(self) -> None:
        with Celery("bench", broker="memory://", set_as_current=False) as app:
            app.conf.task_routes = (self._take,)
            try:
                app.task(_task).apply_async()
            except _Asked as asked:
                self.passed, self.named = asked.args

    @staticmethod
    def _take(_: str, *passed: Any, **named: Any) -> None:
        raise _Asked(passed, named)

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
    """What is sent; it never is."""


class _Asked(Exception):
    """Ends `apply_async` when it has asked for a route."""


def measure(rounds: int) -> list[Figure]:
    """Measures it.

    Parameters:
      rounds: How often.
    """
    call = Call()
    many = Rules(GLOBS, MANY)
    figures = [_known(call, rules, size, rounds) for rules, size in ((Rules(GLOBS, FEW), FEW), (many, MANY))]
    figures += _new(call, many, rounds)
    figures.append(_new_to_both(call, Rules(GENERAL, MANY), rounds))
    figures.append(_building(many, rounds))
    return [*figures, _memory(call, many)]


def _known(call: Call, rules: Rules, size: int, rounds: int) -> Figure:
    """A name that matched a pattern before, against one that Celery knows by itself."""
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
    """The router of rules that were loaded."""
    topology, task_routes = rules.topology(), rules.task_routes()
    contenders = {
        "ours": lambda: _seconds(lambda: Router.from_topology(topology)),
        "celery": lambda: _seconds(lambda: MapRoute(task_routes)),
    }
    seconds = alternate(contenders, rounds)
    return ratio(f"build a router, {MANY:,} globs / Celery", seconds["ours"], seconds["celery"], 1.0)


def _memory(call: Call, rules: Rules) -> Figure:
    """What a router holds more when it was asked for many names than before it was asked."""
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
    """Rounds after one that does not count."""
    alternate(contenders, 1)
    return alternate(contenders, rounds)


def _seconds(build: Callable[[], object]) -> float:
    re.purge()
    gc.collect()
    begun = time.perf_counter()
    build()
    return time.perf_counter() - begun
