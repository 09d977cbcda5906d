"""Failed connections: one sentence for each, with a hint and without credentials; and TLS."""

from __future__ import annotations

import http.server
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from routectl.topology.base.resources import Kind, Resource, queue_key
from routectl.topology.broker.address import Address, Tls
from routectl.topology.broker.amqp.connection import Amqp
from routectl.topology.broker.amqp.handshake import greeting
from routectl.topology.broker.amqp.pipeline import declare_all
from routectl.topology.broker.management.client import Management
from routectl.topology.broker.sandbox.node import PLUGINS
from routectl.topology.errors import AccessRefused, BrokerError, Unreachable
from tests.brokers import Broker, free_port

NOWHERE = "127.0.0.1:1"


def sentence(error: BrokerError) -> str:
    """The message, after checking the form that all messages have."""
    assert error.hint
    assert "hush" not in f"{error.message}{error.hint}"
    assert not error.message.endswith(".")
    assert "\n" not in error.message
    return error.message


def management_error(address: Address, **options: Any) -> str:
    with Management(address, **{"retries": 0, "timeout": 60, **options}) as api:
        with pytest.raises(BrokerError) as caught:
            api.server()
        return sentence(caught.value)


def amqp_error(address: Address, vhost: str = "/") -> str:
    with pytest.raises(BrokerError) as caught:
        Amqp(address, vhost, retries=0).__enter__()
    return sentence(caught.value)


def port_of(url: str) -> str:
    return url.rpartition("@")[2].rstrip("/")


@contextmanager
def listening(answer: bytes | None) -> Iterator[str]:
    """A port that sends these bytes to a client and closes the connection, or sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        kept: list[socket.socket] = []

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                kept.append(client)
                if answer is not None:
                    client.sendall(answer)
                    client.close()

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        for client in kept:
            client.close()


@contextmanager
def website(status: int, text: bytes) -> Iterator[str]:
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_nothing_listens() -> None:
    address = Address.parse(f"amqp://joe:hush@{NOWHERE}/", management=f"http://{NOWHERE}")
    assert management_error(address) == "cannot connect to http://127.0.0.1:1"
    assert amqp_error(address) == "cannot connect to amqp://127.0.0.1:1"
    with pytest.raises(Unreachable, match="cannot connect to"):
        declare_all(address, "/", [Resource(queue_key("/", "q"))])


def test_an_unknown_host() -> None:
    address = Address.parse("amqp://joe:hush@no-such-host.invalid/")
    assert management_error(address).startswith("the host `no-such-host.invalid` of http://")
    assert amqp_error(address).startswith("the host `no-such-host.invalid` of amqp://")


def test_the_management_plugin_is_off(broker: Broker) -> None:
    address = Address.parse(broker.url, management=f"http://{NOWHERE}")
    with Management(address, retries=0) as api, pytest.raises(Unreachable) as caught:
        api.server()
    assert "the broker on `127.0.0.1` is running, but its management API" in sentence(caught.value)
    assert "rabbitmq-plugins enable rabbitmq_management" in (caught.value.hint or "")
    assert "--via amqp" in (caught.value.hint or "")


@pytest.mark.parametrize(("status", "text"), [(200, b"<html>"), (404, b"<html>"), (404, b"{}"), (302, b"")])
def test_a_website_is_not_a_management_api(status: int, text: bytes) -> None:
    with website(status, text) as host:
        address = Address.parse("amqp://joe:hush@h", management=f"http://{host}/some/where")
        assert management_error(address) == f"http://{host}/some/where is not RabbitMQ's management API"


def test_json_that_is_not_from_rabbitmq() -> None:
    with website(200, b'{"hello": []}') as host:
        address = Address.parse("amqp://joe:hush@h", management=f"http://{host}")
        assert "is not RabbitMQ's management API" in management_error(address)


def test_an_error_response_of_a_proxy() -> None:
    with website(502, b"<html>Bad Gateway") as host:
        address = Address.parse("amqp://joe:hush@h", management=f"http://{host}")
        assert "answered 502" in management_error(address)


def test_no_answer_in_time() -> None:
    with listening(None) as host:
        address = Address.parse(f"amqp://joe:hush@{host}?connection_timeout=300", management=f"http://{host}")
        assert management_error(address, timeout=0.3) == f"http://{host} did not answer in time"
        assert amqp_error(address) == f"connecting to amqp://{host} timed out"


def test_amqp_and_management_ports_swapped(broker: Broker) -> None:
    amqp, http = port_of(broker.url), port_of(broker.management)
    address = Address.parse(f"amqp://joe:hush@{http}/", management=f"http://{amqp}")
    assert "does not speak AMQP" in amqp_error(address) or "closed" in amqp_error(address)
    assert management_error(address) == f"http://{amqp} closed the connection"
    with listening(b"SSH-2.0-hello\r\n") as host:
        address = Address.parse(f"amqp://joe:hush@{host}/", management=f"http://{host}")
        assert "does not speak AMQP" in amqp_error(address)
        assert management_error(address) == f"http://{host} closed the connection"
    address = Address.parse(f"amqps://joe:hush@{amqp}/", management=f"https://{http}")
    assert f"the TLS handshake with amqps://{amqp} failed: " in amqp_error(address)
    assert f"the TLS handshake with https://{http} failed: " in management_error(address)


def test_a_wrong_password(broker: Broker) -> None:
    amqp, http = port_of(broker.url), port_of(broker.management)
    for user in ("guest", "nobody"):
        address = Address.parse(f"amqp://{user}:hush@{amqp}/", management=f"http://{http}")
        failed, why = f"authentication of user `{user}` failed at", "wrong user name or password"
        assert management_error(address) == f"{failed} http://{http}: {why}"
        assert amqp_error(address) == f"{failed} amqp://{amqp}: {why}"


def test_the_next_host_is_tried(broker: Broker, vhost: str) -> None:
    amqp, http = port_of(broker.url), port_of(broker.management)
    address = Address.parse(
        f"amqp://guest:guest@{NOWHERE},no-such-host.invalid,{amqp}/",
        management=f"http://guest:guest@{NOWHERE},no-such-host.invalid,{http}",
    )
    with Management(address, retries=0) as api:
        assert api.server().version == broker.version
        assert api.read([vhost], [Kind.QUEUE]) == {}
    wanted = [
        Resource(
            queue_key(vhost, f"q{number}"),
            {"type": "classic", "durable": True, "auto_delete": False, "arguments": {}},
        )
        for number in range(100)
    ]
    assert declare_all(address, vhost, wanted, connections=4) == []


def test_connecting_is_tried_again(broker: Broker) -> None:
    target = ("127.0.0.1", int(port_of(broker.management).rpartition(":")[2]))
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))  # reserves the port without listening on it
        threading.Timer(0.3, _forward_once, (server, target)).start()
        port = server.getsockname()[1]
        address = Address.parse(broker.url, management=f"http://guest:guest@127.0.0.1:{port}")
        with Management(address, retries=8) as api:
            assert api._http.get("/whoami")["name"] == "guest"


def _forward_once(server: socket.socket, target: tuple[str, int]) -> None:
    """Listens, and forwards one connection until it ends."""
    server.listen()
    client, _ = server.accept()
    with client, socket.create_connection(target) as broker:
        threading.Thread(target=_copy, args=(client, broker)).start()
        _copy(broker, client)


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):  # either side may have closed
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA and its certificates: `server` for localhost, `other` for another host, and `client`."""
    folder = tmp_path_factory.mktemp("certificates")
    new_key = ["-newkey", "rsa:2048", "-nodes"]
    openssl(folder, "req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "1",
            "-subj", "/CN=Test authority")  # fmt: skip
    for name, host in (("server", "localhost"), ("other", "elsewhere"), ("client", "guest")):
        (folder / "san").write_text(f"subjectAltName=DNS:{host}")
        openssl(
            folder, "req", *new_key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={host}"
        )
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "1", "-out", f"{name}.pem", "-extfile", "san")  # fmt: skip
    for file in folder.iterdir():
        file.chmod(0o644)
    folder.chmod(0o755)
    return folder


def test_tls(private_broker: Callable[..., Any], certificates: Path) -> None:
    amqps, https = free_port(), free_port()
    conf: list[str] = [f"listeners.ssl.1 = 127.0.0.1:{amqps}", f"management.ssl.port = {https}"]
    for section in ("ssl_options", "management.ssl"):
        conf += [
            f"{section}.cacertfile = {certificates}/ca.pem",
            f"{section}.certfile = {certificates}/server.pem",
            f"{section}.keyfile = {certificates}/server.key",
            f"{section}.verify = verify_peer",
            f"{section}.fail_if_no_peer_cert = true",
        ]
    conf += ["auth_mechanisms.1 = PLAIN", "auth_mechanisms.2 = EXTERNAL", "ssl_cert_login_from = common_name"]
    private_broker(conf=tuple(conf), plugins=(*PLUGINS, "rabbitmq_auth_mechanism_ssl"))
    ca, cert, key = (str(certificates / name) for name in ("ca.pem", "client.pem", "client.key"))
    url, management = f"amqps://guest:guest@localhost:{amqps}/", f"https://localhost:{https}"

    address = Address.parse(url, management=management, tls=Tls(ca, cert, key))
    _works(address)
    _works(Address.parse(f"{url}?cacertfile={ca}&certfile={cert}&keyfile={key}", management=management))
    _works(Address.parse(url, management=management, tls=Tls(None, cert, key, verify=False)))
    _works(Address.parse(f"amqps://localhost:{amqps}/?auth_mechanism=external", tls=Tls(ca, cert, key),
                         management=f"https://guest:guest@localhost:{https}"))  # fmt: skip
    stranger = Tls(ca, *(str(certificates / name) for name in ("server.pem", "server.key")))
    nobody = Address.parse(f"amqps://localhost:{amqps}/?auth_mechanism=external", tls=stranger)
    assert "refuses the login by client certificate" in amqp_error(nobody)
    by_number = url.replace("localhost", "127.0.0.1"), management.replace("localhost", "127.0.0.1")
    named = Tls(ca, cert, key, server_name="localhost")
    _works(Address.parse(by_number[0], management=by_number[1], tls=named))

    def errors(tls: Tls, urls: tuple[str, str] = (url, management)) -> list[str]:
        wrong = Address.parse(urls[0], management=urls[1], tls=tls)
        return [management_error(wrong), amqp_error(wrong)]

    assert all("self-signed" in text or "self signed" in text for text in errors(Tls(None, cert, key)))
    assert all(
        "127.0.0.1" in text and "certificate" in text for text in errors(Tls(ca, cert, key), by_number)
    )
    no_certificate = errors(Tls(ca))
    assert all("TLS" in text or "closed" in text for text in no_certificate), no_certificate


def _works(address: Address) -> None:
    with Management(address, retries=0) as api:
        server = api.server()
    assert server.tags >= {"administrator"}
    assert greeting(address, timeout=60) == (server.cluster_name, server.product_version)
    wanted = [
        Resource(
            queue_key("/", f"q{number}"),
            {"type": "classic", "durable": True, "auto_delete": False, "arguments": {}},
        )
        for number in range(40)
    ]
    assert declare_all(address, "/", wanted, connections=3) == []


@pytest.mark.parametrize(
    ("file", "text"), [("missing.pem", "no such file"), ("ca.key", "no certificate or crl")]
)
def test_tls_files_that_are_wrong(certificates: Path, file: str, text: str) -> None:
    address = Address.parse("amqps://joe:hush@localhost/", tls=Tls(str(certificates / file)))
    for make in (lambda: Management(address), lambda: Amqp(address, "/").__enter__()):
        with pytest.raises(Unreachable, match=text) as caught:
            make()
        assert file in sentence(caught.value)
    bad_key = Tls(None, str(certificates / "client.pem"), str(certificates / "server.key"))
    with pytest.raises(Unreachable, match="key values mismatch"):
        Management(Address.parse("amqps://localhost/", tls=bad_key))


def test_an_access_error_is_final(broker: Broker) -> None:
    """A wrong password is not retried, which could lock the user out."""
    amqp = port_of(broker.url)
    with pytest.raises(AccessRefused):
        Amqp(Address.parse(f"amqp://guest:hush@{amqp},{amqp}/"), "/", retries=50).__enter__()
