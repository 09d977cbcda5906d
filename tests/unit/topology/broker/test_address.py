"""Broker URLs: the login by client certificate."""

from __future__ import annotations

import pytest

from routectl.topology.broker.address import Address, Tls
from routectl.topology.broker.management.http import Http
from routectl.topology.errors import UsageError

CERTIFICATE = "certfile=me.pem&keyfile=me.key"


@pytest.mark.parametrize("mechanisms", ["external", "EXTERNAL", "plain&auth_mechanism=external"])
def test_a_client_certificate_is_the_login_if_the_url_says_so(mechanisms: str) -> None:
    address = Address.parse(f"amqps://rabbit/?{CERTIFICATE}&auth_mechanism={mechanisms}")
    assert (address.external, address.user) == (True, "")


@pytest.mark.parametrize("mechanism", ["plain", "amqplain"])
def test_other_mechanisms_use_the_password(mechanism: str) -> None:
    address = Address.parse(f"amqp://joe:hush@rabbit/?auth_mechanism={mechanism}")
    assert (address.external, address.user) == (False, "joe")


def test_a_certificate_of_the_command_line_will_do() -> None:
    assert Address.parse("amqps://rabbit/?auth_mechanism=external", tls=Tls(cert_file="me.pem")).external


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("amqps://rabbit/?auth_mechanism=external", "needs amqps:// and a client certificate"),
        (f"amqp://rabbit/?auth_mechanism=external&{CERTIFICATE}", "needs amqps:// and a client certificate"),
        ("amqps://rabbit/?auth_mechanism=kerberos", "must be one of plain, amqplain, external"),
    ],
)
def test_a_login_that_cannot_work_is_an_error(url: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Address.parse(url)


def test_the_management_api_needs_a_user_of_its_own() -> None:
    url = f"amqps://rabbit/?auth_mechanism=external&{CERTIFICATE}"
    with pytest.raises(UsageError, match="no login by client certificate") as caught:
        Http(Address.parse(url))
    assert "--via amqp" in (caught.value.hint or "")
    Http(Address.parse(url, management="http://joe:hush@rabbit"))
