"""The loader and the router agree: what loads can be routed by, and what the router refuses does not load."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from routectl.routing import Decision, Router
from routectl.topology.delivery.addresses import AddressBook
from routectl.topology.errors import FileError, RoutingError
from routectl.topology.file.load import Loaded, load
from routectl.topology.model import Topology

EXCHANGES = {
    "topics": {"type": "topic"},
    "directs": {"type": "direct"},
    "fans": {"type": "fanout"},
    "heads": {"type": "headers"},
    "later": {"type": "x-delayed-message", "delayed_type": "topic"},
}
QUEUES = ["high", "low", "app", "high.0", "low.1"]
KEYS = st.sampled_from(["high", "low", "app.high", "x.high", "high.0", "0", "k", "", "#", "*.high"])
PATTERNS = ["task", "app.*", "*.task", "*", "a.?.*", "/[ab]+/", "{q}:*", "{q}.*", "{q}.{r}.*", "/(?P<q>.+)/"]
TEMPLATES = ["{q}", "l{q}", "{q}.0"]
PARTS = st.sampled_from(["args.0", "kwargs.account", "headers.tenant", "options.priority"])
BOUNDS = st.integers(-2, 2) | st.sampled_from(["a", "b"])
SCALARS = BOUNDS | st.booleans()
CONDITIONS = st.one_of(
    SCALARS,
    st.lists(SCALARS, max_size=2),
    st.dictionaries(st.sampled_from(["gt", "ge", "lt", "le", "ne"]), BOUNDS, max_size=2),
    st.fixed_dictionaries({}, optional={"present": st.booleans(), "one_of": st.lists(SCALARS), "gt": BOUNDS}),
)


def seldom(draw: st.DrawFn, wrong: list[Any], right: list[Any]) -> Any:
    """One of what is right, and every now and then of what is wrong."""
    return draw(st.sampled_from(wrong if draw(st.integers(0, 11)) == 7 else right))


@st.composite
def queues(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """Queues with and without shards, most of them bound to a topic exchange."""
    found = {}
    for name in draw(st.lists(st.sampled_from(QUEUES), min_size=1, max_size=4, unique=True)):
        queue: dict[str, Any] = {"type": seldom(draw, ["stream"], ["classic", "quorum"]), "bindings": []}
        for _ in range(draw(st.integers(0, 2))):
            exchange = seldom(draw, [*EXCHANGES, "amq.fanout", "gone"], ["topics", "amq.topic", "directs"])
            queue["bindings"].append({"exchange": exchange, "key": draw(KEYS)})
        if draw(st.integers(0, 3)) == 0:
            queue["shards"] = seldom(draw, [0, 1, 5000], [2, 3])
        found[name] = queue
    return found


@st.composite
def rules(draw: st.DrawFn, declared: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A rule that mostly leads to a queue."""
    queue = seldom(draw, [*TEMPLATES, *QUEUES, "gone", "{q}{r}"], [*declared, *declared, "{q}"])
    shards = declared.get(queue, {}).get("shards")
    captures = PATTERNS[6:9] if "{" in queue else PATTERNS
    wrong = ["/(a+)+b/", "/(/", "{q", "*.{a}.*.{b}.*.{c}.*", "{r}:*"]
    rule: dict[str, Any] = {"tasks": [seldom(draw, wrong, captures)], "queue": queue}
    if seldom(draw, [True], [bool(shards)]):
        rule["shard_by"] = draw(st.lists(PARTS, min_size=1, max_size=2, unique=True))
    elif draw(st.integers(0, 2)) == 0:
        own = [binding["key"] for binding in declared.get(queue, {}).get("bindings", [])]
        rule["key"] = seldom(draw, ["gone", "{q}", "high", ""], [*own, queue])
    if draw(st.integers(0, 3)) == 0:
        rule["when"] = draw(st.dictionaries(PARTS, CONDITIONS, min_size=1, max_size=2))
    return rule | seldom(draw, [{"rate_limit": "1/m"}], [{}, {"priority": 3}])


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    """A file with routes, of which about half have no mistake."""
    declared = draw(queues())
    names = [*declared, *(f"{name}.1" for name, queue in declared.items() if queue.get("shards", 0) > 1)]
    plain = [name for name, queue in declared.items() if "shards" not in queue]
    return {
        "version": 1,
        "exchanges": EXCHANGES,
        "queues": declared,
        "routes": draw(st.lists(rules(declared), max_size=3)),
        "unmatched": seldom(draw, [*names, "gone"], [*plain, "refuse"]),
        "delayed_delivery": draw(st.sampled_from(["auto", "always", "never"])),
        "workers": {"w": {"queues": seldom(draw, [names, ["gone"]], [[*declared]])}},
        "tests": seldom(
            draw, [[{"task": "task", "queue": "gone"}]], [[], [{"task": "task", "queue": names[-1]}]]
        ),
    }


NAMES = ("task", "app.x", "high:x", "low.high.x", "a.b.c", "high.0", "")

often = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def loaded(data: dict[str, Any]) -> Loaded | None:
    """What the loader makes of a file; None if it finds a mistake in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "queues.yaml"
        path.write_text(yaml.dump(data))
        try:
            return load(path, {})
        except FileError:
            return None


@often
@given(files())
def test_by_what_loads_every_task_is_routed_or_refused(data: dict[str, Any]) -> None:
    found = loaded(data)
    if found is None:
        return
    router = Router.from_loaded(found)
    for name in NAMES:
        try:
            decision = router.route(name, ("b",), {"account": 1}, headers={"tenant": "a"})
        except RoutingError:
            continue
        assert isinstance(decision, Decision)
        assert decision.queue in found.topology.queues


@often
@given(files())
def test_what_the_router_refuses_does_not_load(data: dict[str, Any]) -> None:
    try:
        Router.from_topology(Topology.model_validate(data))
    except (ValidationError, RoutingError):
        assert loaded(data) is None


@often
@given(files())
def test_every_queue_that_delayed_tasks_keep_from_its_key_is_warned_of(data: dict[str, Any]) -> None:
    found = loaded(data)
    if found is None:
        return
    book = AddressBook(found.topology)
    kept = {queue for queue, (_, others) in book.ambiguous_when_delayed.items() if others}
    if book.delays and found.topology.delayed_delivery != "never":
        kept |= {queue for queue, _, _ in book.shared()}
        kept |= {target.queue for target in book.undelayed}
    warned = [warning for warning in found.warnings if warning.code == "delay-key"]
    assert bool(kept) == bool(warned)
    assert len(warned) <= len(kept) + len(book.undelayed)
