"""Secrets in message settings and conditions of rules appear in messages, but in no `repr`, error or explanation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from routectl.cli.main import run
from routectl.routing import Router
from routectl.routing.rules.call import Call
from routectl.topology.errors import RoutingError
from routectl.topology.file.load import load

from ..loading import body

FILE = body(
    """\
queues: {a: {}}
routes:
  - tasks: sent
    queue: a
    headers: {authorization: "Bearer ${W1}", callback: "https://u:${W2}@host/x", x-tenant: acme, x-as: basic hunter7}
    options: {password: "${W3}", nested: [{api_key: "${W4}"}]}
  - tasks: asked
    queue: a
    when:
      kwargs.url: https://u:hunter5@host
      headers.token: [hunter6, "${TOKEN}"]
      args.0: ${NUMBER}
      args.1: [b, "${TEXT}"]
"""
)

#: What no output may contain: every secret of the file, and what came from the environment.
SECRETS = [*(f"hunter{number}" for number in range(1, 8)), "very-secret", "271828"]

URL = "https://u:hunter5@host"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOKEN", "very-secret-token")
    monkeypatch.setenv("TEXT", "very-secret-text")
    monkeypatch.setenv("NUMBER", "271828")
    for number in range(1, 5):
        monkeypatch.setenv(f"W{number}", f"hunter{number}")
    path = tmp_path / "queues.yaml"
    path.write_text(FILE)
    return path


def tells_none(text: str) -> bool:
    return not any(secret in text for secret in SECRETS)


def test_a_message_carries_what_the_rule_says(file: Path) -> None:
    assert Router.from_file(file)("sent") == {
        "queue": "a",
        "exchange": "",
        "exchange_type": "direct",
        "routing_key": "a",
        "password": "hunter3",
        "nested": [{"api_key": "hunter4"}],
        "headers": {
            "authorization": "Bearer hunter1",
            "callback": "https://u:hunter2@host/x",
            "x-tenant": "acme",
            "x-as": "basic hunter7",
        },
    }


@pytest.mark.parametrize("token", ["hunter6", "very-secret-token"])
def test_a_condition_compares_with_what_the_file_and_the_environment_say(file: Path, token: str) -> None:
    router = Router.from_file(file)
    assert router.route("asked", (271828, "very-secret-text"), {"url": URL}, headers={"token": token})
    with pytest.raises(RoutingError):
        router.route("asked", (271828, "very-secret-text"), {"url": URL}, headers={"token": "${TOKEN}"})


def test_a_decision_and_what_it_is_made_of_show_none(file: Path) -> None:
    router = Router.from_file(file)
    decision = router.route("sent")
    shown = [repr(decision), str(decision), json.dumps(decision.as_dict()), repr(router.table.entries)]
    shown += [repr(load(file)), repr(router.body), str(router.body)]
    assert all(tells_none(text) for text in shown)
    assert decision.as_dict()["options"] == {
        "password": "***",
        "nested": [{"api_key": "***"}],
        "headers": {
            "authorization": "***",
            "callback": "***",
            "x-tenant": "acme",
            "x-as": "basic ***",
        },
    }


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (Call(kwargs={"url": "x"}), "`kwargs.url` is not `https://***@host`"),
        (Call(kwargs={"url": 5}), "`kwargs.url` is a number, and not the text `https://***@host`"),
        (
            Call(headers={"token": "x"}, kwargs={"url": URL}),
            "`headers.token` is not one of `***`, `${TOKEN}`",
        ),
        (
            Call((5, "b"), {"url": URL}, {"token": "hunter6"}),
            "`args.0` is not `${NUMBER}`",
        ),
        (
            Call(("5", "b"), {"url": URL}, {"token": "hunter6"}),
            "`args.0` is a text, and not the number `${NUMBER}`",
        ),
        (
            Call((271828, "c"), {"url": URL}, {"token": "hunter6"}),
            "`args.1` is not one of `b`, `${TEXT}`",
        ),
    ],
    ids=["url", "kind of url", "token", "number", "kind of number", "list"],
)
def test_why_a_call_is_not_taken_shows_none(file: Path, call: Call, why: str) -> None:
    router = Router.from_file(file)
    with pytest.raises(RoutingError) as caught:
        router.route("asked", call.args, call.kwargs, headers=call.headers)
    assert caught.value.message.endswith(f"queues.yaml:8 {why}")
    assert caught.value.hint == "add a route for such calls, or name a queue in `unmatched`"
    assert [attempt.why for attempt in router.explain("asked", call).attempts if attempt.matched] == [why]


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_command_shows_none(file: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    assert run(["route", "-f", str(file), "sent", "asked", "--verbose", "--format", form]) == 1
    assert run(["lint", "-f", str(file), "--format", form]) in (0, 1)
    out = capsys.readouterr()
    assert "acme" in out.out
    assert tells_none(out.out + out.err)
