"""Queues for dead letters that have a delivery limit, or that workers consume."""

from __future__ import annotations

from pathlib import Path

import pytest

from .....loading import warnings

TOP = "defaults: {queue: {type: quorum}}\nexchanges: {tasks: {type: topic}, lost: {type: fanout}}\n"
HIGH = "  high: {dead_letter: {exchange: lost}, bindings: [{exchange: tasks, key: high}]}\n"
ROUTES = "routes: [{tasks: a, queue: high}]\n"


def found(folder: Path, dead: str, rest: str = "", top: str = TOP, high: str = HIGH) -> list[str]:
    """The warnings about dead letters, by code and message."""
    text = f"{top}queues:\n{high}  dead: {dead}\n{ROUTES}{rest}"
    lines = [line.partition(" ")[2] for line in warnings(folder, text)]
    return [line.partition(" | ")[0] for line in lines if "dead-letter" in line.partition(":")[0]]


def limit(number: str, source: str = "`high`") -> list[str]:
    return [
        f"dead-letter-limit: `dead` receives the dead letters of {source}, and discards a message after {number} "
        "deliveries"
    ]


@pytest.mark.parametrize(
    ("dead", "number"),
    [
        ("{bindings: [{exchange: lost}]}", "20 (the default of RabbitMQ 4.x)"),
        ("{bindings: [{exchange: lost}], delivery_limit: 5}", "5"),
    ],
)
def test_a_limit(tmp_path: Path, dead: str, number: str) -> None:
    assert found(tmp_path, dead) == limit(number)


def test_a_limit_that_is_inherited_is_found_at_the_queue(tmp_path: Path) -> None:
    top = TOP.replace("{type: quorum}", "{type: quorum, delivery_limit: 7}")
    assert found(tmp_path, "{bindings: [{exchange: lost}]}", top=top) == limit("7")
    text = f"{top}queues:\n{HIGH}  dead: {{bindings: [{{exchange: lost}}]}}\n{ROUTES}"
    assert any(line.startswith("6:3 dead-letter-limit") for line in warnings(tmp_path, text))


@pytest.mark.parametrize(
    ("dead", "rest"),
    [
        ("{bindings: [{exchange: lost}], delivery_limit: none}", ""),
        ("{bindings: [{exchange: lost}], delivery_limit: -1}", ""),
        ("{bindings: [{exchange: lost}], type: classic}", ""),
        ("{bindings: [{exchange: lost}], external: true, type: quorum}", ""),
        ("{bindings: [{exchange: lost}]}", "targets: ['3.12', '3.13']"),
        (
            "{bindings: [{exchange: lost}]}",
            "policies: {p: {pattern: ^dead$, definition: {delivery_limit: none}}}",
        ),
        ("{bindings: [{exchange: lost}]}", "unmatched: dead"),
        # Its messages go on to another queue instead of being lost: this is how retries are delayed.
        (
            "{bindings: [{exchange: lost}], message_ttl: 30s, dead_letter: {exchange: tasks, routing_key: high}}",
            "",
        ),
        ("{bindings: [{exchange: tasks, key: other}]}", ""),
    ],
)
def test_no_limit_that_could_lose_a_message(tmp_path: Path, dead: str, rest: str) -> None:
    assert found(tmp_path, dead, rest) == []


def test_a_policy_limits_a_queue_without_a_limit(tmp_path: Path) -> None:
    policy = "policies: {p: {pattern: dead, definition: {delivery_limit: 9}}}"
    assert found(tmp_path, "{bindings: [{exchange: lost}], delivery_limit: none}", policy) == limit("9")


@pytest.mark.parametrize(
    "high",
    [
        "  high: {dead_letter: {exchange: '', routing_key: dead}}\n",
        "  high: {dead_letter: {exchange: tasks, routing_key: dead}}\n",
        "  high: {dead_letter: {exchange: amq.direct}, bindings: [{exchange: tasks, key: dead}]}\n",
        "  high: {}\n",
    ],
)
def test_every_way_to_a_dead_letter_queue(tmp_path: Path, high: str) -> None:
    policy = "policies: {p: {pattern: high, definition: {dead_letter: {exchange: lost}}}}\n"
    rest = policy if "dead_letter" not in high else ""
    dead = "{bindings: [{exchange: lost}, {exchange: tasks, key: dead}, {exchange: amq.direct, key: dead}]}"
    assert found(tmp_path, dead, rest, high=high) == limit("20 (the default of RabbitMQ 4.x)")


def test_a_profile_that_consumes_dead_letters(tmp_path: Path) -> None:
    dead = "{bindings: [{exchange: lost}], delivery_limit: none}"
    assert found(tmp_path, dead, "workers: {all: {queues: [high, dead]}, other: {queues: [high]}}") == [
        "consumed-dead-letters: `dead` receives the dead letters of `high`, and workers of `all` would run them again"
    ]


def test_a_queue_that_delays_retries_of_a_consumed_queue(tmp_path: Path) -> None:
    dead = "{bindings: [{exchange: lost}], message_ttl: 30s, dead_letter: {exchange: '', routing_key: high}}"
    assert found(tmp_path, dead, "workers: {all: {queues: [high]}}") == []
