"""No secret is in any output, whatever it consists of, and whatever a real broker says about it."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from routectl.topology.base.resources import Key, Kind, Resource
from routectl.topology.base.secret import Secret
from routectl.topology.broker.address import Address
from routectl.topology.broker.management.client import Management as Client
from routectl.topology.errors import BrokerError
from tests.brokers import Broker, Management
from tests.markdown import ROOT

from .conftest import Command

_SECRETS = st.text(
    st.one_of(
        st.sampled_from("#/?%@:\"\\ '<&ü🐇=+"), st.characters(codec="ascii", categories=["L", "N", "P"])
    ),
    min_size=6,
    max_size=24,
).filter(lambda text: text.strip() == text)

#: What is shown without any secret is from here: hypothesis also draws texts of the program, such as `create`.
_SOURCE = "\n".join(
    path.read_text(encoding="utf-8")
    for path in (Path(__file__), *(ROOT / "topology").rglob("*.py"), *(ROOT / "cli").rglob("*.py"))
)

FILE = """
users: {{app-{vhost}: {{password: "${{APP_PASSWORD}}"}}}}
queues:
  differs: {{arguments: {{x-note: "${{APP_TOKEN}}"}}}}
shovels:
  accepted: {{src_uri: "amqp://a:${{LINK_PASSWORD}}@127.0.0.1:1", src_queue: a, dest_uri: "amqp://", dest_queue: b}}
  refused: {{src_uri: "amqp://a:${{LINK_PASSWORD}}@/none", src_queue: a, dest_uri: "amqp://", dest_queue: b}}
federation: {{upstreams: {{accepted: {{uri: "amqp://a:${{LINK_PASSWORD}}@h"}}}}}}
"""

#: What a plan refuses beforehand, and the broker with the value of what it does not know.
ECHOED = {
    "shovel": {"src-uri": "amqp://", "src-queue": "a", "dest-uri": "amqp://", "dest-queue": "b"},
    "federation-upstream": {"uri": "amqp://h"},
}

#: Random sets of secrets; more with `make proof`.
CASES = int(os.environ.get("ROUTECTL_TEST_CASES", "4"))


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(secrets=st.lists(_SECRETS, min_size=3, max_size=3, unique=True))
def test_no_secret_is_shown_when_a_broker_refuses_it(
    routectl: Command,
    broker: Broker,
    management: Management,
    vhost: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    secrets: list[str],
) -> None:
    own = f"{_SOURCE}{vhost}{routectl.path}"
    assume(not any(secret in own for secret in secrets))
    password, link, token = secrets
    monkeypatch.setenv("APP_PASSWORD", password)
    monkeypatch.setenv("LINK_PASSWORD", quote(link, safe=""))
    monkeypatch.setenv("APP_TOKEN", token)
    where = f"queues/{quote(vhost, safe='')}/differs"
    management.put(where, {"durable": True, "arguments": {"x-note": f"other {token}"}})
    routectl.write(FILE.format(vhost=vhost))
    shown = []
    try:
        with caplog.at_level(logging.DEBUG, "routectl"):
            saved = routectl.folder / "plan.json"
            for options in (["-v"], ["--format", "json"], ["--debug", "--out", str(saved)]):
                planned = routectl("plan", *options)
                shown += [planned.out, planned.err]
            shown.append(saved.read_text())
            routectl.path.write_text(routectl.path.read_text().replace("differs:", "created:"))
            for options in (["--format", "json"], ["-v", "--debug"]):
                applied = routectl("apply", "--yes", *options)
                shown += [applied.out, applied.err]
        assert "Applied: 1 failed." in applied.out
        with Client(Address.parse(broker.url, management=broker.management)) as client:
            for component, value in ECHOED.items():
                key = Key(Kind.PARAMETER, vhost, (component, "echoed"))
                with pytest.raises(BrokerError) as caught:
                    client.put(Resource(key, {"value": {**value, "x-token": Secret(token)}}))
                shown += [caught.value.message, str(caught.value.hint)]
    finally:
        for path in (where, where.replace("differs", "created"), f"users/{quote(f'app-{vhost}', safe='')}"):
            management.remove(path)
    everything = "\n".join([*shown, caplog.text])
    for secret in (*secrets, quote(link, safe="")):
        assert secret not in everything
        assert json.dumps(secret)[1:-1] not in everything


@pytest.mark.parametrize("secret", ["S3cr3tPw#1", 'a"b', "x", "<&>", "ü"])
def test_an_exception_contains_no_secret_that_the_broker_echoes(
    broker: Broker, vhost: str, secret: str
) -> None:
    broken = {
        Key(Kind.USER, "", (f"no-{vhost}",)): {"tags": [], "password_hash": Secret(secret)},
        Key(Kind.PARAMETER, vhost, ("shovel", "s")): {
            "value": {"src-uri": Secret(f"amqp://a:{secret}/1@h:{secret}"), "dest-uri": Secret("amqp://")}
        },
    }
    with Client(Address.parse(broker.url, management=broker.management)) as client:
        for key, properties in broken.items():
            with pytest.raises(BrokerError) as caught:
                client.put(Resource(key, properties))
            reason = f"{caught.value.message.partition(': ')[2]} {caught.value.hint}"
            assert secret not in reason.replace("a URI is not valid", "").replace("not_base64", "")


def test_a_password_hash_and_a_uri_on_the_broker_are_not_shown(
    routectl: Command, management: Management, vhost: str, tmp_path: Path
) -> None:
    user, path = f"other-{vhost}", quote(vhost, safe="")
    stored = "A3wzwHYVMG4PH/2RDGFxmYJgxSQhe4u4YxQ1FBDUQjVTEcUr"
    management.put(f"users/{quote(user, safe='')}", {"password_hash": stored, "tags": ""})
    value = {
        "src-uri": ["amqp://a:S3cr3t1@127.0.0.1:1"],
        "src-queue": "a",
        "dest-uri": "amqp://a:S3cr3t2@h:1",
    }
    management.put(f"parameters/shovel/{path}/s", {"value": value})
    try:
        for source in ("src_queue: a", "src_queue: b"):
            routectl.write(
                f"users: {{{user}: {{tags: [management]}}}}\n"
                f"shovels: {{s: {{src_uri: 'amqp://h', {source}, dest_uri: 'amqp://'}}}}"
            )
            for options in ([], ["--format", "json"], ["-v"]):
                planned = routectl("plan", *options)
                for secret in (stored, "S3cr3t"):
                    assert secret not in planned.out + planned.err
    finally:
        management.remove(f"users/{quote(user, safe='')}")
