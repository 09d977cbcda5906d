"""Which changes delete a protected object, and how to go on."""

from __future__ import annotations

import pytest

from routectl.topology.base.resources import Key, Kind, Resource, queue_key
from routectl.topology.change.plan import Change
from routectl.topology.change.safety.protection import Protection
from tests.fakes import queue, state

Q = queue("q")
VHOST = Resource(Key(Kind.VHOST, "", ("/",)))


def deletion(resource: Resource) -> Change:
    return Change("delete", resource.key, resource.properties, None, "destructive", "")


def replacement() -> Change:
    after = {**Q.properties, "durable": False}
    return Change("replace", Q.key, Q.properties, after, "destructive", "")


def moved() -> Change:
    after = {**Q.properties, "type": "quorum"}
    return Change("move", Q.key, Q.properties, after, "disruptive", "", moved_from=("old",))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (deletion(Q), "queue q is protected, and would be deleted"),
        (deletion(VHOST), "vhost / would be deleted with queue old, queue q, which are protected"),
        (replacement(), "queue q is protected, and would have to be deleted to change `durable`"),
        (deletion(queue("r")), None),
        (moved(), None),
    ],
)
def test_deletions_and_replacements_are_problems_and_moves_are_not(
    change: Change, message: str | None
) -> None:
    found = Protection(recorded={Q.key: None, queue_key("/", "old"): None}).problems([change], {})
    assert [problem.message for problem in found.values()] == ([message] if message else [])
    assert all(not problem.allow for problem in found.values())


@pytest.mark.parametrize(
    ("protection", "wanted", "hint"),
    [
        (
            Protection(frozenset({Q.key})),
            state(Q),
            "leave `durable` as it is, or apply `protect: false` first",
        ),
        (
            Protection(recorded={Q.key: None}),
            state(Q),
            "apply `protect: false` alone first, and then this change",
        ),
        (
            Protection(recorded={Q.key: None}),
            {},
            "keep it, or put it back into the file with `protect: false`, and apply that first",
        ),
        (
            Protection(frozenset({Q.key}), {Q.key: "billing"}),
            state(Q),
            "apply the file of stack `billing` with `protect: false` first",
        ),
    ],
)
def test_the_way_out_is_an_edit_of_the_file_that_protects(
    protection: Protection, wanted: dict[Key, Resource], hint: str
) -> None:
    (problem,) = protection.problems([replacement()], wanted).values()
    assert problem.hint == hint
