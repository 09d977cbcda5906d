"""Shovels that delete themselves when they are done are started by name, never because they are missing."""

from __future__ import annotations

from typing import Any

import pytest

from routectl.topology.base.resources import Key, Kind, Resource
from routectl.topology.change.safety.self_deleting import not_started, self_deleting
from routectl.topology.errors import UsageError


def shovel(name: str, vhost: str = "v", **value: Any) -> Resource:
    settings = {key.replace("_", "-"): item for key, item in value.items()}
    return Resource(Key(Kind.PARAMETER, vhost, ("shovel", name)), {"value": settings})


STEADY = [shovel("a"), shovel("b", src_delete_after="never")]
ONCE = [
    shovel("c", src_delete_after="queue-length"),
    shovel("d", src_delete_after=0),
    shovel("e", src_delete_after_duration=60),
]
WANTED = {resource.key: resource for resource in STEADY + ONCE}


def test_only_shovels_that_delete_themselves_are_found() -> None:
    assert self_deleting(WANTED) == {resource.key for resource in ONCE}


def test_a_missing_one_waits_until_it_is_named() -> None:
    waiting, notes = not_started(WANTED, {}, ["shovel:c", "shovel:e@v"], "v")
    assert waiting == {ONCE[1].key}
    assert notes == [
        "shovel d deletes itself when it is done: start it with `apply --run shovel:d`",
    ]


def test_one_that_is_running_is_compared_like_any_other() -> None:
    assert not_started(WANTED, WANTED, [], "v") == (set(), [])


def test_the_vhost_is_named_where_it_is_another() -> None:
    _, notes = not_started(WANTED, {}, [], "other")
    assert notes[0].endswith("`apply --run shovel:c@v`")


@pytest.mark.parametrize("text", ["shovel:a", "shovel:nope", "c", "queue:c"])
def test_what_is_no_such_shovel_cannot_be_started(text: str) -> None:
    with pytest.raises(UsageError, match="names no shovel of the file that deletes itself"):
        not_started(WANTED, {}, [text], "v")
