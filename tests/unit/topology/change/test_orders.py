"""Queues declared elsewhere that need a consumer all the time, in profiles with an order."""

from __future__ import annotations

from typing import Any

import pytest

from routectl.topology.change.orders import order_notes
from routectl.topology.model import Topology
from tests.fakes import queue, state

SINGLE = {"x-single-active-consumer": True}


def notes(fields: dict[str, Any], *, arguments: dict[str, Any], order: str = "strict") -> list[str]:
    topology = Topology.model_validate(
        {
            "version": 1,
            "queues": {"high": {}, "theirs": {"external": True, **fields}},
            "workers": {"all": {"queues": ["high", "theirs"], "order": order}, "one": {"queues": ["theirs"]}},
        }
    )
    return list(order_notes(topology.bodies("/"), state(queue("theirs", arguments=arguments))))


@pytest.mark.parametrize(
    ("arguments", "setting"), [(SINGLE, "single_active_consumer"), ({"x-expires": 5000}, "expires")]
)
def test_a_setting_that_the_file_does_not_say_is_noted(arguments: dict[str, Any], setting: str) -> None:
    assert notes({}, arguments=arguments) == [
        f"queue theirs has `{setting}` on the broker, which the file does not say: RabbitMQ pushes its tasks to "
        "workers of `all`, each of which holds one until its turn"
    ]


def test_what_the_file_says_or_does_no_harm_is_not_noted() -> None:
    assert notes({"single_active_consumer": True}, arguments=SINGLE) == []
    assert notes({}, arguments=SINGLE, order="fair") == []
    assert notes({}, arguments={"x-max-priority": 5}) == []
