"""Which processes run: a worker for each profile, and optionally beat and `routectl apply`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ....topology.lint.rules.workers.options import parsed
from .. import profile as profiles
from ..share import queues_of_share, shares
from . import conflicts

if TYPE_CHECKING:
    from ....topology.model import Body, Profile
    from ..share import Share

#: Seconds that a worker has to finish its tasks if its profile has no time limit.
DEFAULT_STOP_TIMEOUT = 60

#: Where beat keeps its schedule in a container, whose working directory may not be writable.
_SCHEDULE_IN_CONTAINER = "/tmp/celerybeat-schedule"


class Role(StrEnum):
    """What a process does."""

    WORKER = "worker"
    BEAT = "beat"
    APPLY = "apply"


@dataclass(frozen=True, slots=True)
class Process:
    """A process to run.

    Parameters:
      name: Its name, a unique DNS label: lower case letters, digits and `-`.
      title: What to call it for people: `Celery worker orders 2/3`.
      command: The words of its command.
      role: What it does.
      stop_timeout: Seconds that it has to finish when it is stopped.
      replicas: How many of it run, each in a container of its own.
      profile: A worker's profile.
      queues: The queues that a worker consumes.
      share: A worker's share of queues with shards.
      node: A worker's node name, as for `celery worker -n`.
      alone: Whether two of it must not run at once, not even while one replaces the other.
      ping: A shell command that succeeds if the worker in the same container answers; None if it cannot be asked.
    """

    name: str
    title: str
    command: tuple[str, ...]
    role: Role = Role.WORKER
    stop_timeout: int = 10
    replicas: int = 1
    profile: str | None = None
    queues: tuple[str, ...] = ()
    share: Share | None = None
    node: str | None = None
    alone: bool = False
    ping: str | None = None


@dataclass(frozen=True, slots=True)
class Setup:
    """How the processes run.

    Parameters:
      app: The app, as for `celery -A`.
      celery: The command that runs Celery.
      routectl: The command that runs routectl.
      prefix: The first part of every process's name.
      log_level: The log level of workers and beat; default: Celery's.
      replicas: How many workers run, by profile; None is for all others.
      beat: Whether `celery beat` runs, once.
      apply: The files of a `routectl apply` that runs before the workers; empty: it does not run.
      containers: Whether replicas have hosts of their own, and hence the same command.
    """

    app: str
    celery: tuple[str, ...] = ("celery",)
    routectl: tuple[str, ...] = ("routectl",)
    prefix: str = "worker"
    log_level: str | None = None
    replicas: Mapping[str | None, int] = field(default_factory=dict)
    beat: bool = False
    apply: tuple[str, ...] = ()
    containers: bool = False


def worker_command(
    profile: str,
    pool: str | None,
    app: str,
    program: Sequence[str] = ("celery",),
    share: Share | None = None,
) -> tuple[str, ...]:
    """The words that start a worker with a profile.

    Parameters:
      profile: The profile's name.
      pool: The profile's pool; green ones must be on the command line to be patched early enough.
      app: The app, as for `celery -A`.
      program: The command that runs Celery.
      share: The worker's share of queues with shards.
    """
    green = ("-P", pool) if pool in profiles.GREEN_POOLS and pool else ()
    part = () if share is None else (f"--share={share}",)
    return (*program, "-A", app, "worker", f"--profile={profile}", *part, *green)


def processes(body: Body, setup: Setup) -> list[Process]:
    """What runs: `apply` first, then the workers in the order of the file, and beat.

    Raises:
      UsageError: A profile has more `shares` than its queues have shards, there is no profile for some of the
        replicas, or processes conflict, such as two that would send the tasks of the schedule.
    """
    for name in setup.replicas:
        if name is not None:
            profiles.find_profile(body, name)
    found = [_apply(setup)] if setup.apply else []
    for name, profile in body.workers.items():
        count = setup.replicas.get(name, setup.replicas.get(None, 1))
        conflicts.check_beat(name, profile, count, beat=setup.beat)
        for share in shares(profile.shares):
            found += _workers(body, name, profile, share, count, setup)
    if setup.beat:
        found.append(_beat(setup))
    workers = ((each.profile, each.node, each.replicas) for each in found if each.profile and each.node)
    conflicts.check_names(workers, body.workers, containers=setup.containers)
    return _uniquely_named(found)


def _workers(
    body: Body, name: str, profile: Profile, share: Share | None, count: int, setup: Setup
) -> list[Process]:
    """The workers of a profile, or of one of its shares; on one host, each replica is a process with its own name."""
    command = worker_command(name, profile.pool, setup.app, setup.celery, share)
    node = _node(name, profile, share)
    worker = Process(
        name=f"{setup.prefix}-{_label(name)}" + (f"-{share.part}" if share else ""),
        title=f"Celery worker {name}" + (f" {share}" if share else ""),
        command=(*command, *_log_level(setup)),
        stop_timeout=int(profile.time_limit or DEFAULT_STOP_TIMEOUT) + 10,
        profile=name,
        queues=queues_of_share(body, body.consumed(profile), share),
        share=share,
        node=node,
        alone="%h" not in node or conflicts.has_beat(profile),
    )
    if setup.containers:
        return [replace(worker, replicas=count, ping=_ping(node, profile, setup))]
    if count == 1:
        return [worker]
    nodes = {number: node.replace("@", f"-{number}@", 1) for number in range(1, count + 1)}
    return [
        replace(
            worker,
            name=f"{worker.name}-{number}",
            title=f"{worker.title} ({number} of {count})",
            command=(*worker.command, "-n", nodes[number]),
            node=nodes[number],
        )
        for number in nodes
    ]


def _beat(setup: Setup) -> Process:
    schedule = ("-s", _SCHEDULE_IN_CONTAINER) if setup.containers else ()
    command = (*setup.celery, "-A", setup.app, "beat", *schedule, *_log_level(setup))
    return Process(f"{setup.prefix}-beat", "Celery beat", command, Role.BEAT, alone=True)


def _apply(setup: Setup) -> Process:
    files = () if setup.apply == ("queues.yaml",) else tuple(f"--file={file}" for file in setup.apply)
    command = (*setup.routectl, "apply", "--yes", *files)
    return Process(f"{setup.prefix}-apply", "routectl apply", command, Role.APPLY)


def _node(name: str, profile: Profile, share: Share | None) -> str:
    """The node name of a worker: that in its profile's `options`, or Celery's default."""
    found = next((each.value for each in parsed(profile.options) if each.name == "--hostname"), None)
    node = found or profiles.node_name(name, share)
    return node if "@" in node else f"celery@{node}"


def _ping(node: str, profile: Profile, setup: Setup) -> str | None:
    """Celery's ping of the node in this container. A busy worker with the pool `solo` does not answer."""
    if profile.pool == "solo" or not re.fullmatch(r"[\w.-]+@%h", node):
        return None
    words = " ".join((*map(_quoted, setup.celery), "-A", _quoted(setup.app), "inspect", "ping", "-t", "10"))
    return f'{words} -d "{node.removesuffix("%h")}$(hostname)"'


def _quoted(word: str) -> str:
    return word if re.fullmatch(r"[\w@%+=:,./-]+", word) else "'" + word.replace("'", "'\"'\"'") + "'"


def _log_level(setup: Setup) -> tuple[str, ...]:
    return () if setup.log_level is None else (f"--loglevel={setup.log_level}",)


def _label(text: str) -> str:
    """A name as a DNS label."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower())[:40].strip("-") or "worker"


def _uniquely_named(found: Sequence[Process]) -> list[Process]:
    named: dict[str, Process] = {}
    for process in found:
        name, number = process.name, 2
        while name in named:
            name, number = f"{process.name}-{number}", number + 1
        named[name] = replace(process, name=name)
    return list(named.values())


def documents(found: Sequence[Process]) -> list[dict[str, Any]]:
    """The workers as plain data for JSON."""
    return [
        {
            "name": process.name,
            "role": str(process.role),
            "profile": process.profile,
            "share": None if process.share is None else str(process.share),
            "queues": list(process.queues),
            "replicas": process.replicas,
            "command": list(process.command),
        }
        for process in found
    ]
