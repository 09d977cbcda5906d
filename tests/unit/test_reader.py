"""Reading a broker on which others are at work."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from routectl.topology.broker.address import Address
from routectl.topology.broker.management import Management
from routectl.topology.state import Key, Kind
from tests.fakes import vhost_key

VHOST = {"name": "/", "description": "", "tags": [], "metadata": {}}


def vhosts_read_from(*answers: tuple[int, Any]) -> set[Key]:
    """The vhosts that are found where the management API gives these answers, one after the other."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, answer = left.pop(0)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        with Management(Address.parse("amqp://localhost", management=url)) as management:
            found = management.read(["/"], [Kind.VHOST])
        server.shutdown()
    assert not left
    return set(found)


@pytest.mark.parametrize("gone", [[], {"metadata": {"default_queue_type": "classic"}}], ids=["3.10", "4.3"])
def test_a_vhost_that_is_being_deleted_is_left_out(gone: Any) -> None:
    assert vhosts_read_from((200, [gone, VHOST])) == {vhost_key("/")}


def test_a_list_that_fails_for_a_moment_is_asked_for_again() -> None:
    assert vhosts_read_from((500, ""), (200, [VHOST])) == {vhost_key("/")}
