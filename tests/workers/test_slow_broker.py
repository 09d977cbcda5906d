"""A broker under load answers a new connection late: a worker asks it again about its queues."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from kombu import Connection

from routectl.routing.worker.consumer import passive
from routectl.routing.worker.consumer.passive import absent_queues
from tests.brokers import Broker
from tests.proxy import Proxy


@pytest.fixture
def proxy(broker: Broker, vhost: str) -> Iterator[Proxy]:
    proxy = Proxy(broker.url_for(vhost))
    yield proxy
    proxy.close()


def test_queues_are_looked_for_by_another_attempt_if_the_first_has_no_answer(proxy: Proxy) -> None:
    with Connection(proxy.url) as connection:
        connection.ensure_connection()
        connection.connect_timeout = 2  # of the next connections
        with proxy.stalled():
            threading.Timer(3, proxy.resume).start()
            assert absent_queues(connection, ["nowhere"]).missing == ["nowhere"]


def test_a_broker_that_never_answers_is_an_error_for_which_celery_connects_again(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passive, "_CONNECT_RETRIES", 0)
    with (
        Connection(proxy.url, connect_timeout=0.1) as connection,
        proxy.stalled(),
        pytest.raises(connection.recoverable_connection_errors),
    ):
        absent_queues(connection, ["nowhere"])
