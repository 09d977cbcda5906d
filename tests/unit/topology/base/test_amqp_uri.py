"""URIs of links are read as RabbitMQ reads them, and mistakes are named without quoting the URI."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.topology.base.amqp_uri import AmqpUri, BadUri, parse_amqp_uri


@pytest.mark.parametrize(
    ("uri", "host", "path"),
    [
        ("amqp://", "", ""),
        ("amqp:///shop", "", "/shop"),
        ("amqp://app@/shop", "", "/shop"),
        ("amqp://app:pw@host", "host", ""),
        ("amqps://app:p%2Fw@host:5671/%2F", "host:5671", "/%2F"),
        ("amqp://[::1]:5672/v", "[::1]:5672", "/v"),
        ("amqp://host?heartbeat=10&connection_timeout=5000", "host", ""),
        ("amqps://host/v?cacertfile=/ca.pem&verify=verify_peer&fail_if_no_peer_cert=true", "host", "/v"),
        ("amqp://app:pässword@host/v@lue", None, None),
        ("amqp://app:pässword^@host/välue", "host", "/välue"),
    ],
)
def test_uris_that_rabbitmq_accepts(uri: str, host: str | None, path: str | None) -> None:
    if host is None:
        with pytest.raises(BadUri):
            parse_amqp_uri(uri)
    else:
        found = parse_amqp_uri(uri)
        assert (found.host, found.path) == (host, path)


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("http://host", "must begin with amqp:// or amqps://"),
        ("host:5672", "must begin with amqp:// or amqps://"),
        ("amqp://app:S3#x@host", "must have `#` percent-encoded as `%23`"),
        ("amqp://app:S3%x@host", "must have `%` percent-encoded as `%25`"),
        ("amqp://app:S3%", "must have `%` percent-encoded as `%25`"),
        ("amqp://app:S3@x@host", "must have `@` percent-encoded as `%40`"),
        ("amqp://app:S3:x@host", "must have `:` percent-encoded as `%3A`"),
        ("amqp://app:S3 x@host", "must have spaces and control characters percent-encoded, a space as `%20`"),
        ("amqp://host/v\n", "must have spaces and control characters percent-encoded, a space as `%20`"),
        ("amqp://host/a/b", "must have `/` in its vhost percent-encoded as `%2F`"),
        ("amqp://host//", "must have `/` in its vhost percent-encoded as `%2F`"),
        ("amqp://:5672", "must have a host"),
        ("amqps://", "must have a host"),
        ("amqps://app:pw@/v", "must have a host"),
        ("amqp://host:", "must have a port from 1 to 65535"),
        ("amqp://host:0", "must have a port from 1 to 65535"),
        ("amqp://host:65536", "must have a port from 1 to 65535"),
        ("amqp://host:x", "must have a port from 1 to 65535"),
        ("amqp://a,b", "must have a single host"),
        ("amqp://[::1", "must have a valid host and port"),
        ("amqp://host?hartbeat=5", "must not have unknown options after the `?`"),
        ("amqp://host?heartbeat=5s", "must have a whole number as its option `heartbeat`"),
        ("amqp://host?heartbeat", "must have a value for its option `heartbeat`"),
        (
            "amqps://host?verify=none",
            "must have one of verify_peer, verify_none as its option `verify`",
        ),
    ],
)
def test_uris_that_rabbitmq_refuses_or_misreads(uri: str, message: str) -> None:
    with pytest.raises(BadUri) as caught:
        parse_amqp_uri(uri)
    assert caught.value.message == message


@pytest.mark.parametrize("password", ["S3/x", "12/x", "S3?x", "12?x"])
def test_a_separator_in_the_password_is_named_although_rabbitmq_may_accept_it(password: str) -> None:
    with pytest.raises(
        BadUri, match=r"has an `@` after a `[/?]`: in a user name or password, `[/?]` is written"
    ):
        parse_amqp_uri(f"amqp://app:{password}@host/shop")


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_any_user_password_and_vhost_can_be_written_percent_encoded(
    user: str, password: str, vhost: str
) -> None:
    def encoded(text: str) -> str:
        return quote(text, safe="", errors="surrogatepass")

    uri = f"amqp://{encoded(user)}:{encoded(password)}@host/{encoded(vhost)}"
    assert parse_amqp_uri(uri) == AmqpUri("host", f"/{encoded(vhost)}", strict=True)


@given(st.text(alphabet="S#/?%@:&= \\\"'{}[]ü1", min_size=4, max_size=20))
def test_no_error_contains_a_part_of_the_password(password: str) -> None:
    secret = f"hunter2{password}hunter3"
    try:
        parse_amqp_uri(f"amqp://app:{secret}@host/v")
    except BadUri as error:
        shown = f"{error} {error!r} {error.message} {error.help}"
        assert "hunter2" not in shown
        assert "hunter3" not in shown
