"""URLs in, addresses out; and nothing of a credential in any message."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.cli.main import run
from routectl.topology.broker.address import Address, Host, Tls
from routectl.topology.errors import UsageError


def test_everything_in_one_url() -> None:
    address = Address.parse(
        "amqp://us%65r:p%40ss%2F@one:5673,two,[::1]:5674/a%2Fb?heartbeat=30&retry_delay=0.5"
    )
    assert address.hosts == (Host("one", 5673), Host("two", 5672), Host("::1", 5674))
    assert (address.user, address.password.reveal(), address.vhost) == ("user", "p@ss/", "a/b")
    assert address.options == {"heartbeat": 30, "retry_delay": 0.5}
    assert not address.secure


@pytest.mark.parametrize(
    ("path", "vhost"),
    [("", None), ("/", None), ("//", "/"), ("/%2F", "/"), ("/%2f", "/"), ("/shop", "shop"), ("/a/b", "a/b")],
)
def test_vhost(path: str, vhost: str | None) -> None:
    assert Address.parse(f"amqp://host{path}").vhost == vhost


def test_defaults() -> None:
    address = Address.parse("amqp://host")
    assert (address.user, address.password.reveal()) == ("guest", "guest")
    assert address.hosts == (Host("host", 5672),)
    assert Address.parse("amqps://host").hosts == (Host("host", 5671),)
    assert Address.parse("AMQP://host").hosts == (Host("host", 5672),)
    assert Address.parse("amqp://:@host").user == ""


def test_management_is_derived() -> None:
    plain = Address.parse("amqp://u:p@one:5,two").management
    assert (str(plain), plain.user, plain.derived) == ("http://one:15672,two:15672", "u", True)
    assert str(Address.parse("amqps://u:p@[fe80::1]").management) == "https://[fe80::1]:15671"


def test_management_is_given() -> None:
    given = Address.parse("amqp://u:p@h", management="https://a:b@one:444,two/rabbit/api/").management
    assert (given.secure, given.hosts) == (True, (Host("one", 444), Host("two", 443)))
    assert (given.user, given.password.reveal(), given.prefix, given.derived) == ("a", "b", "/rabbit", False)
    inherited = Address.parse("amqp://u:p@h", management="http://h:1").management
    assert (inherited.user, inherited.password.reveal(), inherited.prefix) == ("u", "p", "")


def test_tls_by_query_or_by_argument() -> None:
    url = "amqps://h?cacertfile=/ca.pem&certfile=/c.pem&keyfile=/k.pem&verify=verify_none&server_name_indication=n"
    assert Address.parse(url).tls == Tls("/ca.pem", "/c.pem", "/k.pem", False, "n")
    assert Address.parse(url, tls=Tls(ca_file="x")).tls == Tls(ca_file="x")


WRONG = [
    ("", "does not start with amqp:// or amqps://"),
    ("host:5672", "does not start"),
    ("http://secret:secret@host", "does not start"),
    (
        "redis://:secret@host:6379/0",
        "is redis://, and only RabbitMQ has exchanges, queues and bindings to provision",
    ),
    ("sqs://secret:secret@", "only RabbitMQ has"),
    ("amqp://", "has no host"),
    ("amqp://secret:secret@", "has no host"),
    ("amqp://secret:secret@one,,two", "has no host"),
    ("amqp://secret:sec/ret@host", "an `@` after the host"),
    ("amqp://secret:sec?ret@host", "an `@` after the host"),
    ("amqp://secret:12#ret@host", "an `@` after the host"),
    ("amqp://secret:secret@host/v#x", "contains a `#`"),
    ("amqp://secret:secret@host:port", "invalid host or port"),
    ("amqp://secret:secret@[::1", "invalid host or port"),
    ("amqp://secret:secret@ho st", "invalid host or port"),
    ("amqp://secret:secret@host:0", "outside 1..65535"),
    ("amqp://secret:secret@host:65536", "outside 1..65535"),
    ("amqp://secret:%ff@host", "not UTF-8"),
    ("amqp://secret:secret@host/%ff", "not UTF-8"),
    ("amqp://secret:secret@host?hartbeat=1", "unknown option `hartbeat`"),
    ("amqp://secret:secret@host?heartbeat=soon", "must be a number"),
    ("amqp://secret:secret@host?heartbeat=-1", "must be a number"),
    ("amqp://secret:secret@host?verify=no", "must be `verify_peer` or"),
]


@pytest.mark.parametrize(("url", "message"), WRONG)
def test_wrong_urls(url: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Address.parse(url)
    assert message in caught.value.message
    assert "secret" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("command", [["plan"], ["apply", "--yes"]])
def test_a_url_of_another_broker_is_one_sentence(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "queues.yaml").write_text("version: 1\nqueues: {high: {}}\n")
    assert run([*command, "-b", "redis://:hush@localhost:6379/0"]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == (
        "",
        "error: the broker URL is redis://, and only RabbitMQ has exchanges, queues and bindings to provision\n"
        "hint: routing by the file works with this broker, too: start apps and workers without `apply`\n",
    )


@pytest.mark.parametrize("url", ["localhost:15672", "amqp://h", "http://h?x=1", "http://", "http://h:x"])
def test_wrong_management_urls(url: str) -> None:
    with pytest.raises(UsageError, match="the management URL"):
        Address.parse("amqp://h", management=url)


def test_credentials_are_never_shown() -> None:
    address = Address.parse("amqp://joe:hush@h/v", management="http://ann:quiet@m")
    for text in (str(address), repr(address), str(address.management), f"{address.management!r}"):
        assert "hush" not in text
        assert "quiet" not in text
    assert str(address) == "amqp://h:5672"


@given(user=st.text(), password=st.text(), vhost=st.text(min_size=1))
def test_any_text_survives_percent_encoding(user: str, password: str, vhost: str) -> None:
    url = f"amqp://{quote(user, safe='')}:{quote(password, safe='')}@h/{quote(vhost, safe='')}"
    address = Address.parse(url)
    assert (address.user, address.password.reveal(), address.vhost) == (user, password, vhost)


@given(st.text())
def test_any_invalid_text_is_a_usage_error(url: str) -> None:
    for text in (url, f"amqp://{url}", f"amqps://h/{url}", f"amqp://{url}@h?{url}"):
        with suppress(UsageError):
            Address.parse(text, management=f"http://{url}" if url else None)
