"""The fixtures that all live tests use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import celery
import kombu
import pika
import pytest

from routectl.routing.celery import configure
from tests.brokers import Broker, Management
from tests.children.sitecustomize import CONNECT_TIMEOUT, PUBLISH_TIMEOUT


def test_broker_answers_on_both_ports(broker: Broker, management: Management) -> None:
    assert ".".join(map(str, broker.version)) == management.get("overview")["rabbitmq_version"]
    with pika.BlockingConnection(pika.URLParameters(broker.url_for("/"))) as connection:
        assert connection.is_open


@pytest.mark.parametrize("number", [1, 2])
def test_vhost_is_fresh_and_usable(broker: Broker, management: Management, vhost: str, number: int) -> None:
    with pika.BlockingConnection(pika.URLParameters(broker.url_for(vhost, "guest", "guest"))) as connection:
        connection.channel().queue_declare("orders")
    assert [queue["name"] for queue in management.get(f"queues/{quote(vhost, safe='')}")] == ["orders"]


def test_an_error_of_the_api_fails_the_test(management: Management) -> None:
    with pytest.raises(AssertionError, match="404"):
        management.get("queues/%2f/no such queue")
    assert management.request("GET", "vhosts/none")[0] == 404


def test_a_busy_broker_has_a_minute_to_accept_a_task(tmp_path: Path) -> None:
    file = tmp_path / "queues.yaml"
    file.write_text("version: 1\nqueues: {high: {}}\nunmatched: high\n")
    code = (
        "import celery; from routectl.routing.celery import configure; "
        f"print(configure(celery.Celery(), {str(file)!r}).publish_timeout)"
    )
    limits = [
        float(subprocess.check_output([sys.executable, "-c", code])),
        configure(celery.Celery(set_as_current=False), file).publish_timeout,
    ]
    assert limits == [PUBLISH_TIMEOUT] * 2


def test_a_busy_broker_has_a_minute_to_accept_a_connection() -> None:
    code = "import celery; print(celery.Celery().connection().connect_timeout)"
    limits = [
        int(subprocess.check_output([sys.executable, "-c", code])),
        celery.Celery(set_as_current=False).connection().connect_timeout,
        kombu.Connection().connect_timeout,
        pika.URLParameters("amqp://").stack_timeout,
    ]
    assert limits == [CONNECT_TIMEOUT] * 4
