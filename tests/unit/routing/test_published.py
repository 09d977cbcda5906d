"""The time of publication in a message: who sets it, since when it counts, and when it is not believed."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from routectl.routing.published import HEADER, stamped, time_of


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
    ],
)
def test_a_time_is_believed_only_if_both_parts_agree(
    properties: dict[str, Any], expected: float | None
) -> None:
    assert time_of(properties) == expected
