"""Why a connection could not be opened, from what pika reports."""

from __future__ import annotations

import pytest
from pika import exceptions

from routectl.topology.broker.address import Address, Host
from routectl.topology.broker.amqp.connect import connection_failure
from routectl.topology.broker.amqp.connection import refusal
from routectl.topology.errors import AccessRefused, BrokerError, NotFound, Rejected, Unreachable


def failure(error: BaseException) -> BrokerError:
    address = Address.parse("amqp://app:hush@rabbit:5672/shop")
    return connection_failure(address, "shop", Host("rabbit", 5672), error)


def denied(code: int, text: str) -> BrokerError:
    closed = repr(exceptions.ConnectionClosedByBroker(code, text))
    return failure(exceptions.ProbableAccessDeniedError(closed))


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "NOT_ALLOWED - access to vhost 'shop' refused for user 'app': connection limit (3) is reached",
            "accepts no further connection: access to vhost 'shop' refused for user 'app': connection limit (3)",
            "close connections, or raise the limit",
        ),
        (
            "NOT_ALLOWED - connection refused for user 'app': user connection limit (0) is reached",
            "accepts no further connection",
            "close connections, or raise the limit",
        ),
        (
            "INTERNAL_ERROR - access to vhost 'shop' refused for user 'app': vhost 'shop' is down",
            "the vhost `shop` is down",
            "restart it with `rabbitmqctl restart_vhost -p shop`, or use another node",
        ),
    ],
)
def test_a_limit_or_a_vhost_that_is_down_is_not_a_missing_permission(
    text: str, message: str, hint: str
) -> None:
    error = denied(530, text)
    assert isinstance(error, Unreachable)
    assert message in error.message
    assert error.hint == hint


def test_a_missing_permission_and_a_missing_vhost() -> None:
    assert isinstance(
        denied(530, "NOT_ALLOWED - access to vhost 'shop' refused for user 'app'"), AccessRefused
    )
    assert isinstance(denied(530, "NOT_ALLOWED - vhost shop not found"), NotFound)


@pytest.mark.parametrize(
    "guess", [exceptions.ProbableAuthenticationError, exceptions.ProbableAccessDeniedError]
)
def test_a_connection_that_is_dropped_is_neither_a_wrong_password_nor_a_missing_permission(
    guess: type[exceptions.AMQPError],
) -> None:
    error = failure(guess(repr(exceptions.StreamLostError("Transport indicated EOF"))))
    assert isinstance(error, Unreachable)
    assert "closed the connection during the handshake" in error.message


def test_a_refused_login_is_a_wrong_password() -> None:
    login = repr(exceptions.ConnectionClosedByBroker(403, "ACCESS_REFUSED - Login was refused"))
    assert "wrong user name or password" in failure(exceptions.ProbableAuthenticationError(login)).message


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (
            "NOT_FOUND - failed to perform operation on queue 'q' in vhost 'shop' due to timeout",
            "cluster_status",
        ),
        (
            "NOT_FOUND - home node 'a@b' of durable queue 'q' in vhost '/' is down or inaccessible",
            "start the node",
        ),
    ],
)
def test_a_queue_whose_node_is_down_is_not_missing(text: str, hint: str) -> None:
    error = refusal(404, text, "check queue q")
    assert isinstance(error, Rejected)
    assert hint in (error.hint or "")
    assert isinstance(refusal(404, "NOT_FOUND - no queue 'q' in vhost '/'", "check queue q"), NotFound)
