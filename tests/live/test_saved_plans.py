"""A saved plan is applied by the command that `plan --out` prints, also when it is pasted unchanged."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from routectl.cli.main import run
from tests.brokers import Management

from .conftest import Command

SHOP = "exchanges: {tasks: }\nqueues: {high: {bindings: [{exchange: tasks, key: high}]}}\n"


def printed_command(err: str) -> list[str]:
    """The command that applies the plan, from what `plan --out` printed."""
    found = re.search(r"apply it with `routectl (.+?)`", err)
    assert found, err
    return shlex.split(found[1])


@pytest.mark.parametrize("via", ["management", "amqp"])
def test_the_printed_command_applies_the_plan_as_it_was_made(
    routectl: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, via: str
) -> None:
    path = routectl.write(SHOP)
    monkeypatch.setenv("ROUTECTL_BROKER", routectl.broker.url_for(routectl.vhost))
    monkeypatch.setenv("ROUTECTL_MANAGEMENT", routectl.broker.management)
    out = str(tmp_path / "my plan.json")
    words = ["-f", str(path), "--via", via, "--timeout", "50", "--out", out]
    assert run(["plan", *words]) == 0
    command = printed_command(routectl.capsys.readouterr().err)
    assert command == ["apply", out, "--timeout", "50"]
    monkeypatch.setenv("ROUTECTL_FILE", str(tmp_path / "another.yaml"))
    assert run([*command, "--yes"]) == 0
    assert "Applied: 3 created." in routectl.capsys.readouterr().out
    assert run([*command, "--yes"]) == 0
    assert routectl.matches()


def test_a_url_with_a_password_is_replaced_by_its_variable(
    routectl: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    routectl.write(SHOP)
    planned = routectl("plan", "--out", str(tmp_path / "plan.json"))
    assert "with ROUTECTL_BROKER and ROUTECTL_MANAGEMENT set to the same URLs, apply it with" in planned.err
    assert "guest" not in planned.err
    monkeypatch.setenv("ROUTECTL_BROKER", routectl.broker.url_for(routectl.vhost))
    monkeypatch.setenv("ROUTECTL_MANAGEMENT", routectl.broker.management)
    assert run([*printed_command(planned.err), "--yes"]) == 0
    assert routectl.matches()


def test_the_printed_command_allows_the_risks_that_the_plan_shows(
    routectl: Command, management: Management, vhost: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    management.put(f"queues/{vhost}/legacy", {"durable": True})
    routectl.write(SHOP)
    out = str(tmp_path / "plan.json")
    command = printed_command(routectl("plan", "--delete", "queue:legacy", "--out", out).err)
    assert command == ["apply", out, "--allow", "destructive"]
    monkeypatch.setenv("ROUTECTL_BROKER", routectl.broker.url_for(vhost))
    monkeypatch.setenv("ROUTECTL_MANAGEMENT", routectl.broker.management)
    assert run([*command, "--yes"]) == 0
    assert "legacy" not in [queue["name"] for queue in management.get(f"queues/{vhost}")]


def test_a_plan_that_apply_would_refuse_says_so(routectl: Command, tmp_path: Path) -> None:
    routectl.write("exchanges: {theirs: {type: fanout, external: true}}\n")
    planned = routectl("plan", "--out", str(tmp_path / "plan.json"))
    assert (
        "plan.json; `apply` would refuse it: exchange theirs is `external` but does not exist" in planned.err
    )


@pytest.mark.parametrize(
    "option",
    [["--exit-code"], ["--delete", "queue:old"], ["--run", "shovel:move"]],
    ids=lambda words: words[0],
)
def test_what_amqp_cannot_know_is_refused(routectl: Command, option: list[str]) -> None:
    routectl.write(SHOP)
    refused = routectl("plan", "--via", "amqp", *option)
    assert (refused.code, refused.out) == (2, "")
    assert f"`{option[0]}` needs the management API" in refused.err


def test_another_cluster_is_refused_over_amqp_too(
    routectl: Command, management: Management, vhost: str
) -> None:
    routectl.write(SHOP)
    refused = routectl("apply", "--yes", "--via", "amqp", "--cluster", "production")
    assert refused.code == 1
    assert "not `production`" in refused.err
    assert management.get(f"queues/{vhost}") == []
    name = management.get("overview")["cluster_name"]
    assert routectl("apply", "--yes", "--via", "amqp", "--cluster", name).code == 0
