"""Definitions of public projects: as a file they give the same broker as when RabbitMQ imports them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.brokers import Broker, Management
from tests.conftest import delete_vhost
from tests.definitions import completed, queues_yaml, renamed

from .conftest import Command, Result
from .snapshot import snapshot

Json = dict[str, Any]

CORPUS = Path(__file__).parent.parent / "corpus" / "definitions"

#: How many of a section are enough: 1,000 vhosts, 1,200 queues or 100 shovels show nothing more, and take minutes.
MANY = {"vhosts": 20, "permissions": 20, "parameters": 20, "queues": 250}


@dataclass(frozen=True)
class Difference:
    """Something in definitions that does not become the same on a broker, and why.

    Parameters:
      projects: The numbers of the files.
      why: The reason.
      without: Removes it from the definitions; the rest must give the same broker.
      imported: What RabbitMQ says when it imports it; None if it leaves it out without a word.
      applied: What routectl says of the file.
      since: The first version for which this is so.
      said_since: The first version that says it; earlier ones leave it out without a word.
    """

    projects: tuple[str, ...]
    why: str
    without: Callable[[Json], None]
    imported: str | None
    applied: str
    since: tuple[int, int] = (3, 10)
    said_since: tuple[int, int] = (3, 10)


def without_policy_keys(*prefixes: str) -> Callable[[Json], None]:
    def remove(definitions: Json) -> None:
        for policy in definitions["policies"]:
            keys = policy["definition"].items()
            policy["definition"] = {name: value for name, value in keys if not name.startswith(prefixes)}
        definitions["policies"] = [policy for policy in definitions["policies"] if policy["definition"]]

    return remove


def without_exchanges_of_plugins(definitions: Json) -> None:
    types = ("direct", "fanout", "headers", "topic")
    definitions["exchanges"] = [item for item in definitions["exchanges"] if item["type"] in types]
    without_bindings_of_nothing(definitions)


def without_bindings_of_nothing(definitions: Json) -> None:
    known = {item["name"] for item in definitions["exchanges"]}
    definitions["bindings"] = [item for item in definitions["bindings"] if item["source"] in known]


def without_reserved_queues(definitions: Json) -> None:
    definitions["queues"] = [item for item in definitions["queues"] if not item["name"].startswith("amq.")]


def without_shovels(definitions: Json) -> None:
    definitions["parameters"] = [item for item in definitions["parameters"] if item["component"] != "shovel"]


DIFFERENCES = (
    Difference(
        ("043", "075", "079", "083", "103"),
        "RabbitMQ 4.0 removed mirrored queues",
        without_policy_keys("ha-"),
        "not recognised policy settings",
        "does not support the policy key `ha_mode`",
        since=(4, 0),
    ),
    Difference(
        ("091", "083"),
        "RabbitMQ 4.3 does not permit the deprecated locator of queue masters",
        without_policy_keys("queue-master-locator"),
        "queue-master-locator argument is not permitted",
        "does not support the policy key `queue_master_locator`",
        since=(4, 3),
    ),
    Difference(
        ("025", "095"),
        "no plugin of the test's brokers defines the type of an exchange",
        without_exchanges_of_plugins,
        "unknown exchange type",
        "does not support the exchange type",
    ),
    Difference(
        ("085", "093", "095"),
        "RabbitMQ alone names queues `amq.…`: it leaves them out of an import without a word",
        without_reserved_queues,
        None,
        "names that begin with `amq.` are reserved by RabbitMQ",
    ),
    Difference(
        ("023",),
        "a binding from an exchange that nothing declares",
        without_bindings_of_nothing,
        "customers_events",
        "there is no exchange `customers_events` in this file",
        said_since=(4, 0),
    ),
    Difference(
        ("107",),
        "an AMQP 1.0 shovel has addresses, not queues",
        without_shovels,
        "Unrecognised terms",
        "`src_protocol: amqp10` needs `src_address`",
    ),
)


@dataclass(frozen=True)
class Project:
    """The definitions of a project, to be used twice on one broker.

    Parameters:
      routectl: The command.
      management: The management API.
      definitions: The definitions.
    """

    routectl: Command
    management: Management
    definitions: Json

    @property
    def applied(self) -> str:
        """What names of vhosts and users begin with that routectl creates."""
        return f"{self.routectl.vhost}-file-"

    @property
    def imported(self) -> str:
        """What names of vhosts and users begin with that RabbitMQ creates from the definitions."""
        return f"{self.routectl.vhost}-import-"

    def load(self) -> tuple[int, str]:
        """Imports the definitions, the shovels last: one that starts earlier declares classic queues.

        Returns:
          The status of the response, and its text.
        """
        definitions = renamed(self.definitions, lambda name: self.imported + name)
        self._create_users(self.imported)
        first = copy.deepcopy(definitions)
        without_shovels(first)
        status, answer = self.management.request("POST", "definitions", first)
        if status < 400 and first != definitions:
            status, answer = self.management.request("POST", "definitions", definitions)
        return status, str(answer)

    def apply(self, monkeypatch: pytest.MonkeyPatch) -> Result:
        """Applies the same as a file."""
        self._create_users(self.applied)
        converted = queues_yaml(renamed(self.definitions, lambda name: self.applied + name))
        for name, value in converted.environment.items():
            monkeypatch.setenv(name, value)
        self.routectl.path.write_text(json.dumps(converted.file))
        return self.routectl("apply", "--yes")

    def _create_users(self, prefix: str) -> None:
        """Creates the users who have permissions, and whom nothing declares: neither way creates those."""
        known = {item["name"] for item in self.definitions["users"]}
        for item in self.definitions["permissions"]:
            if item["user"] not in known:
                self.management.put(f"users/{quote(prefix + item['user'], safe='')}", {"tags": ""})

    def delete(self) -> None:
        """Deletes what both ways created."""
        for collection in ("vhosts", "users"):
            # A vhost of another test that is being deleted is listed without its name.
            for name in [item["name"] for item in self.management.get(collection) if "name" in item]:
                if not name.startswith((self.applied, self.imported)):
                    continue
                if collection == "vhosts":
                    delete_vhost(self.management, name)
                else:
                    self.management.remove(f"users/{quote(name, safe='')}")


Open = Callable[[str], Project]


@pytest.fixture
def project(routectl: Command, management: Management) -> Iterator[Open]:
    """Opens the definitions with a number, with as many of its objects as are enough."""
    opened: list[Project] = []

    def open_(number: str) -> Project:
        (path,) = CORPUS.glob(f"{number}-*.json")
        definitions = completed(json.loads(path.read_text()))
        for section, count in MANY.items():
            definitions[section] = definitions[section][:count]
        opened.append(Project(routectl, management, definitions))
        return opened[-1]

    yield open_
    for item in opened:
        item.delete()


@pytest.mark.parametrize("number", [path.name[:3] for path in sorted(CORPUS.glob("*.json"))])
def test_a_file_gives_the_same_broker_as_an_import_of_the_definitions(
    project: Open, broker: Broker, number: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = project(number)
    for difference in DIFFERENCES:
        if number in difference.projects and broker.version >= difference.since:
            difference.without(found.definitions)
    status, answer = found.load()
    assert status < 400, answer
    applied = found.apply(monkeypatch)
    assert applied.code == 0, applied.out + applied.err
    assert "Broker matches" in applied.out
    assert found.routectl.matches()
    imported = renamed(found.definitions, lambda name: found.imported + name)
    written = renamed(found.definitions, lambda name: found.applied + name)
    expected = snapshot(found.management, imported, found.imported)
    assert snapshot(found.management, written, found.applied) == expected
    assert expected


@pytest.mark.parametrize(
    "difference", DIFFERENCES, ids=[f"{'-'.join(item.projects)} {item.why}" for item in DIFFERENCES]
)
def test_what_differs_is_refused_by_both_ways(
    project: Open, broker: Broker, difference: Difference, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = project(difference.projects[0])
    if broker.version < difference.since:
        assert found.load()[0] == 204
        assert found.apply(monkeypatch).code == 0
        return
    status, answer = found.load()
    if difference.imported is None or broker.version < difference.said_since:
        assert status == 204
    else:
        assert status == 400
        assert broker.version < (4, 0) or difference.imported in answer
    applied = found.apply(monkeypatch)
    assert applied.code != 0
    assert difference.applied in applied.out + applied.err
