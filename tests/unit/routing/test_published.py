"""The time of publication in a message: who sets it, since when it counts, and when it is not believed."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from routectl.routing.published import HEADER, PublicationTimes, stamped, time_of


def published(options: dict[str, Any], eta: str | None = None) -> float | None:
    """The time that a message with these options has."""
    sent = stamped(options, eta)
    return time_of({"timestamp": sent["timestamp"], "application_headers": sent["headers"]})


def test_a_task_counts_since_it_is_published() -> None:
    before = time.time()
    found = published({"queue": "low"})
    assert found is not None
    assert before - 1e-6 <= found <= time.time() + 1e-6


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=5, minutes=30))])
def test_a_delayed_task_counts_since_it_is_due(zone: timezone) -> None:
    due = datetime.now(zone) + timedelta(hours=2, microseconds=250_000)
    assert published({}, due.isoformat()) == pytest.approx(due.timestamp(), abs=1e-3)


def test_an_eta_without_a_zone_is_utc_as_for_the_delay_on_the_broker() -> None:
    due = datetime.now(UTC) + timedelta(hours=2)
    assert published({}, due.replace(tzinfo=None).isoformat()) == pytest.approx(due.timestamp(), abs=1e-3)


@pytest.mark.parametrize("eta", ["2001-01-01T00:00:00+00:00", "no time", ""])
def test_an_eta_that_has_passed_or_is_invalid_does_not_count(eta: str) -> None:
    assert published({}, eta) == pytest.approx(time.time(), abs=30)


def test_a_retry_does_not_keep_the_time_that_its_headers_have() -> None:
    stale = {HEADER: time.time() - 1000.5, "tenant": "acme"}
    sent = stamped({"headers": stale}, None)
    assert sent["headers"]["tenant"] == "acme"
    assert sent["headers"][HEADER] > stale[HEADER] + 900
    assert stale.keys() == {HEADER, "tenant"}  # those of a running task's request stay


def test_a_callers_own_timestamp_wins() -> None:
    sent = stamped({"timestamp": 1_000, "headers": {HEADER: 5.5}}, None)
    assert sent == {"timestamp": 1_000, "headers": {}}
    assert published({"timestamp": 1_000, "headers": {HEADER: 1_000.5}}) == 1_000


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, None),
        ({"application_headers": {HEADER: 1_000.5}}, None),  # copied by an app that does not say when
        ({"timestamp": 1_000}, 1_000),  # another tool's
        ({"timestamp": 1_000, "application_headers": None}, 1_000),
        ({"timestamp": 1_000, "application_headers": {HEADER: 1_000.5}}, 1_000.5),
        ({"timestamp": 2_000, "application_headers": {HEADER: 1_000.5}}, 2_000),  # copied by such a tool
        ({"timestamp": 1_000, "application_headers": {HEADER: "soon"}}, 1_000),
        ({"timestamp": 1_000, "application_headers": {HEADER: float("nan")}}, 1_000),
        ({"timestamp": 1_000, "application_headers": {HEADER: float("inf")}}, 1_000),
        ({"timestamp": datetime(2020, 1, 1)}, None),
        ({"timestamp": 0}, None),  # of a client that sends 0 for none
        ({"timestamp": 0, "application_headers": {HEADER: 0.5}}, None),
        ({"timestamp": -1}, None),
    ],
)
def test_a_time_is_believed_only_if_both_parts_agree(
    properties: dict[str, Any], expected: float | None
) -> None:
    assert time_of(properties) == expected


class Clocks:
    """A monotonic clock, and a wall clock that is 5,000 seconds ahead of it."""

    def __init__(self) -> None:
        self.now = 100.0
        self.times = PublicationTimes(lambda: self.now, lambda: self.now + 5_000)


def message(task: str = "1", **properties: Any) -> dict[str, Any]:
    return {"application_headers": {"id": task}, **properties}


def test_a_time_of_publication_is_converted_to_the_workers_clock() -> None:
    clocks = Clocks()
    assert clocks.times.of(message(timestamp=5_040)) == 40
    exact = {"id": "1", HEADER: 5_040.25}
    assert clocks.times.of({"timestamp": 5_040, "application_headers": exact}) == 40.25


@pytest.mark.parametrize("properties", [{}, {"timestamp": 9_000}, {"timestamp": 1 << 62}])
def test_a_task_without_a_time_or_from_the_future_counts_from_when_it_was_first_seen(
    properties: dict[str, Any],
) -> None:
    clocks = Clocks()
    assert clocks.times.of(message("1", **properties)) == 100
    clocks.now = 130
    assert clocks.times.of(message("2", **properties)) == 130
    assert clocks.times.of(message("1", **properties)) == 100


def test_a_message_that_nothing_identifies_is_always_new() -> None:
    clocks = Clocks()
    assert clocks.times.of({}) == 100
    clocks.now = 130
    assert clocks.times.of({}) == 130


def test_what_was_seen_first_is_forgotten_first() -> None:
    clocks = Clocks()
    for number in range(2_000):
        clocks.now += 1
        clocks.times.of(message(str(number)))
    first_kept = clocks.times.of(message("1500"))
    clocks.now += 1
    assert first_kept == 1601
    assert clocks.times.of(message("0")) == clocks.now
