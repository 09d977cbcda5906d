"""A broker that others change at the same time."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from routectl.topology.base.resources import Kind
from routectl.topology.broker.address import Address
from routectl.topology.broker.management.client import Management
from routectl.topology.errors import BrokerError
from tests.fakes import queue, vhost_key

VHOST = {"name": "/", "description": "", "tags": [], "metadata": {}}


@contextmanager
def answering(*answers: tuple[int, Any]) -> Iterator[Management]:
    """A management API that sends these responses, one after the other, all of which must be used."""
    pending = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, answer = pending.pop(0)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_PUT = do_DELETE = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        with Management(Address.parse("amqp://localhost", management=url)) as management:
            yield management
        server.shutdown()
    assert not pending


@pytest.mark.parametrize("gone", [[], {"metadata": {"default_queue_type": "classic"}}], ids=["3.10", "4.3"])
def test_a_vhost_that_is_being_deleted_is_left_out(gone: Any) -> None:
    with answering((200, [gone, VHOST])) as management:
        assert set(management.read(["/"], [Kind.VHOST])) == {vhost_key("/")}


def test_a_list_that_fails_temporarily_is_requested_again() -> None:
    with answering((500, ""), (200, [VHOST])) as management:
        assert set(management.read(["/"], [Kind.VHOST])) == {vhost_key("/")}


def test_a_change_that_fails_temporarily_is_retried() -> None:
    with answering(
        (500, ""), (201, ""), (500, ""), (404, {"error": "Not Found", "reason": "Not Found"})
    ) as management:
        management.put(queue("q"))
        management.delete(queue("q"))


def test_a_change_that_keeps_failing_is_an_error() -> None:
    with (
        answering((500, ""), (500, ""), (500, "")) as management,
        pytest.raises(BrokerError, match="cannot delete queue q: the broker answered 500"),
    ):
        management.delete(queue("q"))
