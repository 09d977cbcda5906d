"""Which processes run, with which commands."""

from __future__ import annotations

import json
import re

import pytest

from routectl.routing.worker.manifests.processes import Setup, documents
from routectl.topology.errors import UsageError

from .made import UNUSUAL, found


def test_a_command_has_the_profile_and_a_green_pool() -> None:
    [plain] = found("high", pool="threads")
    [green] = found("high", pool="gevent")
    assert plain.command == ("celery", "-A", "proj", "worker", "--profile=high")
    assert green.command == (*plain.command, "-P", "gevent")


def test_every_name_is_a_unique_dns_label() -> None:
    names = [
        process.name
        for process in found(*UNUSUAL, "x" * 60, "x" * 61, shares=2, setup=Setup("proj", beat=True))
    ]
    assert len(set(names)) == len(names) == 2 * (len(UNUSUAL) + 2) + 1
    assert all(re.fullmatch("[a-z]([a-z0-9-]{0,61}[a-z0-9])?", name) for name in names)


def test_apply_runs_first_and_beat_once() -> None:
    setup = Setup(
        "proj",
        celery=("/srv/bin/celery",),
        routectl=("/srv/bin/routectl",),
        prefix="shop",
        log_level="INFO",
        beat=True,
        apply=("base.yaml", "prod.yaml"),
    )
    assert [(each.name, " ".join(each.command)) for each in found("high", setup=setup)] == [
        ("shop-apply", "/srv/bin/routectl apply --yes --file=base.yaml --file=prod.yaml"),
        ("shop-high", "/srv/bin/celery -A proj worker --profile=high --loglevel=INFO"),
        ("shop-beat", "/srv/bin/celery -A proj beat --loglevel=INFO"),
    ]


def test_replicas_on_one_host_have_names_of_their_own() -> None:
    setup = Setup("proj", replicas={"high": 2})
    assert [(each.name, each.command[5:]) for each in found("high", "low", setup=setup)] == [
        ("worker-high-1", ("-n", "high-1@%h")),
        ("worker-high-2", ("-n", "high-2@%h")),
        ("worker-low", ()),
    ]
    [first, *_] = found("high", shares=2, setup=setup)
    assert first.command[5:] == ("--share=1/2", "-n", "high-1-1@%h")


def test_replicas_in_containers_have_the_same_command() -> None:
    setup = Setup("proj", replicas={None: 3, "low": 1}, containers=True)
    assert [(each.replicas, each.command[5:]) for each in found("high", "low", setup=setup)] == [
        (3, ()),
        (1, ()),
    ]


def test_replicas_of_an_unknown_profile_are_an_error() -> None:
    with pytest.raises(UsageError, match="has no worker profile `hihg`"):
        found("high", setup=Setup("proj", replicas={"hihg": 2}))


@pytest.mark.parametrize("setup", [Setup("proj", beat=True), Setup("proj", replicas={None: 2})])
def test_a_schedule_is_not_sent_by_two_processes(setup: Setup) -> None:
    with pytest.raises(UsageError, match="would each send every scheduled task"):
        found("high", options="-B", setup=setup)


@pytest.mark.parametrize(
    ("options", "pool", "ping"),
    [
        ("", "prefork", 'celery -A proj inspect ping -t 10 -d "high@$(hostname)"'),
        ("-n shop-high@%h", "prefork", 'celery -A proj inspect ping -t 10 -d "shop-high@$(hostname)"'),
        ("-n fixed", "prefork", None),
        ("", "solo", None),  # does not answer while it runs a task
    ],
)
def test_a_worker_in_a_container_is_asked_by_its_node_name(options: str, pool: str, ping: str | None) -> None:
    [worker] = found("high", options=options, pool=pool, setup=Setup("proj", containers=True))
    assert worker.ping == ping


def test_processes_are_plain_data_for_json() -> None:
    assert json.loads(json.dumps(documents(found("high", shares=2))))[1] == {
        "name": "worker-high-2",
        "role": "worker",
        "profile": "high",
        "share": "2/2",
        "queues": ["q.1", "q.3"],
        "replicas": 1,
        "command": ["celery", "-A", "proj", "worker", "--profile=high", "--share=2/2"],
    }
