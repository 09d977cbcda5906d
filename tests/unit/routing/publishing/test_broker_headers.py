"""Headers that RabbitMQ added to the message of a task are not sent again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from routectl.routing.celery import configure, settings

DEATHS = {
    f"x-{which}-death-{what}": "q" for which in ("first", "last") for what in ("queue", "reason", "exchange")
}
BROKERS = {
    "x-death": [{"queue": "celery_delayed_0"}],
    **DEATHS,
    "x-delivery-count": 2,
    "x-received-from": ["there"],
}
OWN = {"x-tenant": "acme", "trace": "1"}

SET_UP = [configure, lambda app, file: app.config_from_object(settings(file))]


@pytest.mark.parametrize("set_up", SET_UP, ids=["configure", "settings"])
def test_a_task_is_sent_with_the_callers_headers_only(tmp_path: Path, set_up: Callable[..., Any]) -> None:
    file = tmp_path / "queues.yaml"
    file.write_text("version: 1\nqueues: {high: {type: quorum}}\nunmatched: high\n")
    headers = {**BROKERS, **OWN}
    with Celery("shop", broker="memory://", set_as_current=False) as app:
        set_up(app, file)
        app.send_task("billing.charge", headers=headers)
        with app.connection_for_read() as connection:
            message = connection.default_channel.basic_get("high", no_ack=True)
    assert {name: value for name, value in message.headers.items() if name in headers} == OWN
    assert headers.keys() >= BROKERS.keys()  # those of a running task's request stay
