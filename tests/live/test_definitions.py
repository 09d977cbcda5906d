"""Definitions of public projects: planned, applied, and unchanged in the next plan."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.brokers import Broker, Management
from tests.conftest import delete_vhost
from tests.definitions import queues_yaml

from .conftest import Command

CORPUS = Path(__file__).parent.parent / "corpus" / "definitions"
MIRRORED = ["cmqv1-2mirrors", "cmqv1-3mirrors"]


@pytest.fixture
def project(
    routectl: Command, management: Management, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Command]:
    """The command; what a project's file creates outside the test's vhost is deleted afterwards."""
    monkeypatch.setenv("PASSWORD", "s3cret")
    yield routectl
    # A vhost of another test that is being deleted is listed without its name.
    names = {
        collection: [item["name"] for item in management.get(collection) if "name" in item]
        for collection in ("vhosts", "users")
    }
    for name in names["vhosts"]:
        if name.startswith(f"{vhost}-"):
            delete_vhost(management, name)
    for name in names["users"]:
        if name.startswith(f"{vhost}-"):
            management.delete(f"users/{quote(name, safe='')}")


def write(routectl: Command, name: str, *, unchecked: bool = False) -> None:
    """Writes a project's definitions as a queues.yaml, with the test's own vhosts and users.

    Parameters:
      routectl: The command that is to take it.
      name: The project.
      unchecked: Write the policies' keys so that no file check knows them.
    """
    text = (CORPUS / f"{name}.json").read_text()
    first = json.loads(text)["vhosts"][0]["name"]
    definitions = json.loads(text.replace(f"amqp:///{first}", f"amqp:///{routectl.vhost}"))
    file = queues_yaml(
        definitions, first, lambda item: routectl.vhost if item == first else f"{routectl.vhost}-{item}"
    )
    if unchecked:
        for policy in definitions["policies"]:
            file["policies"][policy["name"]]["definition"] = {"arguments": policy["definition"]}
    routectl.path.write_text(json.dumps(file))


@pytest.mark.parametrize(
    "name",
    [
        "AlexanderGlzPrd-LMS-MicroservicesArchitecture",
        "FernandoBDAF-coppice",
        "NilenduGanguli-document-simple-rag",
        "neicnordic-sensitive-data-archive",
        "rabbitmq-rabbitmq-server",
    ],
)
def test_a_projects_topology_is_applied_and_found_again_unchanged(project: Command, name: str) -> None:
    write(project, name)
    applied = project("apply", "--yes")
    assert applied.code == 0, applied.out + applied.err
    assert "Broker matches" in applied.out
    assert "s3cret" not in applied.out + applied.err
    assert project.matches()


def test_policies_that_newer_versions_lack_are_mistakes_in_the_file(project: Command, broker: Broker) -> None:
    write(project, "rabbitmq-sample-configs")
    applied = project("apply", "--yes")
    if broker.version < (4, 0):
        assert applied.code == 0
        assert project.matches()
    else:
        assert applied.code == 2
        assert all(name in applied.err for name in ("ha_mode", "ha_params", "ha_sync_mode"))


def test_policies_that_the_broker_refuses_fail_one_by_one(project: Command, broker: Broker) -> None:
    write(project, "rabbitmq-sample-configs", unchecked=True)
    applied = project("apply", "--yes", "--format", "json")
    outcomes = applied.json["outcomes"]
    failed = [outcome for outcome in outcomes if outcome["status"] == "failed"]
    if broker.version < (4, 0):
        assert (applied.code, failed) == (0, [])
        assert project.matches()
        return
    assert applied.code == 3
    assert {tuple(outcome["name"]) for outcome in failed} >= {(name,) for name in MIRRORED}
    assert all("ha-mode" in outcome["error"] for outcome in failed if outcome["name"][0] in MIRRORED)
    left = project("plan", "--format", "json").json["changes"]
    assert [change["name"] for change in left] == [outcome["name"] for outcome in failed]
