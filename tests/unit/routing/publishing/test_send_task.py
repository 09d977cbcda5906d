"""The arguments of an app's `send_task` when workers handle delays of less than a second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery

from routectl.routing.publishing.send_task import wrap_send_task


class Noting(Celery):
    """An app that records the calls of `send_task`."""

    noted: list[tuple[tuple[Any, ...], dict[str, Any]]]

    def send_task(self, *args: Any, **options: Any) -> None:
        self.noted.append((args, options))


@pytest.fixture
def app() -> Noting:
    made = Noting("noting", set_as_current=False)
    made.noted = []
    wrap_send_task(made)
    return made


LATER = datetime.now(UTC) + timedelta(days=1)


@pytest.mark.parametrize(
    ("args", "options"),
    [
        (("x",), {}),
        (("x", [1], {"a": 2}), {"queue": "high"}),
        (("x", [1], {}, 5), {}),
        (("x", [1], {}, None, LATER, "id"), {}),
        (("x",), {"countdown": 1.5}),
        (("x",), {"countdown": -0.5}),
        (("x",), {"countdown": 0, "eta": None}),
        (("x",), {"eta": LATER.isoformat()}),
        (("x",), {"eta": LATER, "countdown": 3}),
        (("x",), {"eta": "soon"}),
        (("x",), {"eta": object}),
        (("x",), {"countdown": "soon"}),
    ],
)
def test_a_call_without_a_subsecond_delay_is_unchanged(
    app: Noting, args: tuple[Any, ...], options: dict[str, Any]
) -> None:
    app.send_task(*args, **options)
    assert app.noted == [(args, options)]


def test_a_subsecond_countdown_is_not_greater_than_zero_to_celery(app: Noting) -> None:
    app.send_task("x", countdown=0.5)
    app.send_task("x", [], {}, 0.5)
    for countdown in (app.noted[0][1]["countdown"], app.noted[1][0][3]):
        assert countdown == 0.5
        assert not countdown > 0


def test_a_near_eta_becomes_a_countdown(app: Noting) -> None:
    app.send_task("x", eta=datetime.now(UTC) + timedelta(seconds=5))
    app.send_task("x", [], {}, None, datetime.now(UTC) + timedelta(seconds=5))
    (_, named), (placed, _) = app.noted
    assert (named["eta"], placed[4]) == (None, None)
    assert 0 < named["countdown"] <= 5
    assert 0 < placed[3] <= 5


@pytest.mark.parametrize("as_text", [False, True])
def test_an_eta_without_a_timezone_is_unchanged(app: Noting, as_text: bool) -> None:
    eta = (datetime.now(UTC) + timedelta(seconds=5)).replace(tzinfo=None)
    app.send_task("x", eta=eta.isoformat() if as_text else eta)
    assert app.noted == [(("x",), {"eta": eta.isoformat() if as_text else eta})]


def test_a_method_replaced_on_the_class_later_is_used(app: Noting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tracing libraries and tests replace it."""
    seen = []
    monkeypatch.setattr(Noting, "send_task", lambda self, name: seen.append((self, name)))
    app.send_task("x")
    assert seen == [(app, "x")]


def test_the_apps_own_method_is_used() -> None:
    seen = []
    app = Celery("own", set_as_current=False)
    app.send_task = lambda name, **options: seen.append((name, options))
    for _ in range(2):
        wrap_send_task(app)
    app.send_task("x", countdown=0.5)
    assert seen == [("x", {"countdown": 0.5})]
