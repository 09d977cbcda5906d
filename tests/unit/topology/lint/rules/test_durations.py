"""Durations without a unit: everywhere a duration is accepted, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from ....loading import Folder, body, warnings

KOMBU = "rules and kombu count seconds"


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            "queues: {q: {expires: 3600}}",
            f"2:23 bare-duration: `expires: 3600` has no unit: here it counts milliseconds, so it is 3.6s; {KOMBU}"
            " | write `expires: 3.6s`, or `expires: 1h` if seconds are meant",
        ),
        (
            "defaults: {queue: {message_ttl: '30'}}\nqueues: {a: , b: }",
            f"2:33 bare-duration: `message_ttl: 30` has no unit: here it counts milliseconds, so it is 30ms; {KOMBU}"
            " | write `message_ttl: 30ms`, or `message_ttl: 30s` if seconds are meant",
        ),
        (
            "queues: {q: }\npolicies: {p: {pattern: q, definition: {message_ttl: 1500}}}",
            f"3:54 bare-duration: `message_ttl: 1500` has no unit: here it counts milliseconds, so it is 1.5s; {KOMBU}"
            " | write `message_ttl: 1.5s`, or `message_ttl: 25m` if seconds are meant",
        ),
        (
            "queues: {q: }\nroutes: [{tasks: a, queue: q, expires: 3600}]",
            "3:40 bare-duration: `expires: 3600` has no unit: here it counts seconds, elsewhere milliseconds"
            " | write `expires: 1h`",
        ),
        (
            "queues: {q: }\nworkers: {w: {queues: q, soft_time_limit: 1.5}}",
            "3:43 bare-duration: `soft_time_limit: 1.5` has no unit: here it counts seconds, elsewhere milliseconds"
            " | write `soft_time_limit: 1.5s`",
        ),
        (
            "vhosts: {v: {shovels: {s: {src_uri: 'amqp://', src_queue: a, dest_uri: 'amqp://', dest_queue: b, "
            "reconnect_delay: 5}}}}",
            "2:115 bare-duration: `reconnect_delay: 5` has no unit: here it counts seconds, elsewhere milliseconds"
            " | write `reconnect_delay: 5s`",
        ),
        (
            "federation: {upstreams: {u: {uri: 'amqp://'}}, upstream_sets: {s: [{upstream: u, expires: 60000}]}}",
            f"2:91 bare-duration: `expires: 60000` has no unit: here it counts milliseconds, so it is 1m; {KOMBU}"
            " | write `expires: 1m`, or `expires: 16h40m` if seconds are meant",
        ),
    ],
)
def test_a_bare_number_is_a_warning(tmp_path: Path, text: str, warning: str) -> None:
    assert warnings(tmp_path, text) == [warning]


def test_a_value_from_the_environment_is_shown_as_written(tmp_path: Path) -> None:
    text = body("queues: {q: {expires: '${EXPIRES}'}}")
    (warning,) = Folder(tmp_path).load(text, {"EXPIRES": "77777"}).warnings
    assert warning.message == "`expires: ${EXPIRES}` has no unit: here it counts milliseconds"
    assert warning.help == "write `expires: ${EXPIRES}ms`"
    assert Folder(tmp_path).load(text, {"EXPIRES": "7s"}).warnings == ()


@pytest.mark.parametrize(
    "text",
    [
        "queues: {q: {message_ttl: 0, expires: 1500ms, max_length: 5}}",
        "queues: {q: {type: quorum, delivery_limit: 5}}",
        "exchanges: {e: {type: x-recent-history, recent_history_length: 5}}",
        "queues: {q: }\nroutes: [{tasks: a, queue: q, options: {retry_policy: {interval_start: 5}}}]",
    ],
)
def test_units_zero_and_other_numbers_are_quiet(tmp_path: Path, text: str) -> None:
    assert warnings(tmp_path, text) == []
