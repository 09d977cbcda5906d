"""Worker profiles: options and settings of Celery, and the queues of a worker without one."""

from __future__ import annotations

from typing import Any

import pytest

from routectl.routing.rules.default_queues import consumed_by_default
from routectl.routing.worker import profile as profiles
from routectl.topology.errors import UsageError
from routectl.topology.model import Topology


def body(*names: str, **profile: Any) -> Topology:
    return Topology.model_validate(
        {"version": 1, "queues": {"q": {}}, "workers": {name: {"queues": ["q"], **profile} for name in names}}
    )


def test_an_unknown_profile_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="has no worker profile `hgih`") as caught:
        profiles.find_profile(body("high", "low"), "hgih", "queues.yaml")
    assert caught.value.hint == "did you mean `high`?"


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ({"queues": {"a": {}, "b": {}}}, ("a", "b")),
        ({"queues": {"a": {}, "b": {}}, "unmatched": "b"}, ("b",)),
        ({"queues": {"a": {}, "b": {}}, "workers": {"w": {"queues": ["b"]}}, "unmatched": "a"}, ("b",)),
        (
            {
                "exchanges": {"dlx": {"type": "fanout"}},
                "queues": {
                    "a": {"dead_letter": {"exchange": "dlx"}},
                    "dead": {"bindings": [{"exchange": "dlx"}]},
                    "log": {"type": "stream"},
                },
                "routes": [{"tasks": "{q}:*", "queue": "{q}"}],
            },
            ("a",),
        ),
    ],
)
def test_queues_of_a_worker_without_a_profile(file: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert consumed_by_default(Topology.model_validate({"version": 1, **file})) == expected


@pytest.mark.parametrize(
    ("queues", "expected"),
    [
        (("high", "low"), ("all", "some")),
        (("low",), ("all",)),
        (("low", "shards.1"), ("all", "shards")),
        (("low", "free"), ()),
        (("free",), ()),
        ((), ()),
    ],
)
def test_profiles_that_would_order_the_queues_of_a_worker_without_one(
    queues: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    file = Topology.model_validate(
        {
            "version": 1,
            "queues": {"high": {}, "low": {}, "free": {}, "shards": {"shards": 2}},
            "workers": {
                "all": {"queues": ["high", "low"], "order": "strict"},
                "some": {"queues": ["high"], "order": "strict"},
                "shards": {"queues": ["shards"], "order": "strict"},
                "fair": {"queues": ["high", "low", "free"]},
            },
        }
    )
    assert profiles.with_order(file, queues) == expected


def test_a_profile_becomes_option_values_and_settings() -> None:
    profile = body("w", concurrency=2, prefetch_multiplier=0, acks_late=True, soft_time_limit="30s").workers[
        "w"
    ]
    assert profiles.option_values("w", profile) == {
        "hostname": "w@%h",
        "concurrency": 2,
        "prefetch_multiplier": 0,
        "soft_time_limit": 30,
    }
    assert profiles.settings(profile) == {"worker_prefetch_multiplier": 0, "task_acks_late": True}
