"""The way to the management API: through the proxy that the environment names, or without one."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from routectl.topology.broker.address import Address
from routectl.topology.broker.management.http import Http
from routectl.topology.errors import Unreachable, UsageError

FAR = "http://rabbit.example:15672"


class Proxy:
    """A proxy that answers every request itself, and opens no tunnel.

    Parameters:
      url: Its URL.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[tuple[str, str, str | None]] = []


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy, named by the environment for all hosts."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self, status: int, body: bytes) -> None:
            found.requests.append((self.command, self.path, self.headers["Proxy-Authorization"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.answer(200, b'{"through": "proxy"}')

        def do_CONNECT(self) -> None:
            self.answer(403, b"")

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        found = Proxy(f"http://127.0.0.1:{server.server_port}")
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, found.url)
            monkeypatch.delenv(name.upper(), raising=False)
        for name in ("no_proxy", "NO_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        yield found
        server.shutdown()


def http(management: str) -> Http:
    return Http(Address.parse("amqp://elsewhere.invalid", management=management), timeout=5, retries=0)


def test_requests_go_through_the_proxy_of_the_environment(proxy: Proxy) -> None:
    assert http(f"{FAR}/prefix").get("/overview?columns=a") == {"through": "proxy"}
    assert proxy.requests == [("GET", f"{FAR}/prefix/api/overview?columns=a", None)]


def test_the_proxys_own_credentials_are_sent_to_it(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", proxy.url.replace("://", "://me:p%40ss@"))
    http(FAR).get("/overview")
    ((_, _, sent),) = proxy.requests
    assert sent == "Basic " + base64.b64encode(b"me:p@ss").decode()


def test_https_needs_a_tunnel_and_its_refusal_is_told_with_the_remedy(proxy: Proxy) -> None:
    with pytest.raises(Unreachable) as caught:
        http("https://rabbit.example:15671").get("/overview")
    assert [request[:2] for request in proxy.requests] == [("CONNECT", "rabbit.example:15671")]
    host = proxy.url.removeprefix("http://")
    assert str(caught.value).startswith(f"the proxy {host} does not connect to https://rabbit.example:15671")
    assert "NO_PROXY" in (caught.value.hint or "")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_this_machine_is_never_reached_through_a_proxy(proxy: Proxy, host: str) -> None:
    with pytest.raises(Unreachable, match="cannot connect"):
        http(f"http://{host}:9").get("/overview")
    assert proxy.requests == []


def test_hosts_of_no_proxy_are_reached_directly(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "other.example,.invalid")
    with pytest.raises(Unreachable):
        http("http://rabbit.invalid:15672").get("/overview")
    assert proxy.requests == []


@pytest.mark.parametrize(
    ("url", "message"),
    [("socks5://127.0.0.1:1080", "is socks5://"), ("http://[broken", "is not a URL")],
)
def test_a_proxy_that_cannot_be_used_is_an_error(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, url: str, message: str
) -> None:
    monkeypatch.setenv("http_proxy", url)
    with pytest.raises(UsageError, match=message):
        http(FAR)
