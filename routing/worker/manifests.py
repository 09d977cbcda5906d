"""Commands and manifests for worker profiles: systemd, Procfile, compose, Kubernetes."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from .profile import GREEN_POOLS
from .share import queues_of_share, shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...topology.model import Body
    from .share import Share

#: Seconds that a worker has to finish its tasks if its profile has no time limit.
DEFAULT_STOP_TIMEOUT = 60


@dataclass(frozen=True, slots=True)
class WorkerUnit:
    """One worker to start.

    Parameters:
      profile: The profile's name.
      queues: The queues that it consumes.
      command: The words of the command.
      stop_timeout: Seconds that it has to finish its tasks when it is stopped.
      share: Its share of queues with shards.
    """

    profile: str
    queues: tuple[str, ...]
    command: tuple[str, ...]
    stop_timeout: int
    share: Share | None = None

    @property
    def label(self) -> str:
        """The profile's name and share as a DNS label: lower case letters, digits and `-`."""
        name = re.sub(r"[^a-z0-9]+", "-", self.profile.lower()).strip("-")[:40] or "worker"
        return name if self.share is None else f"{name}-{self.share.part}"

    @property
    def title(self) -> str:
        """The name to display: `orders`, or `orders 2/3`."""
        return self.profile if self.share is None else f"{self.profile} {self.share}"


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
    green = ("-P", pool) if pool in GREEN_POOLS and pool else ()
    part = () if share is None else (f"--share={share}",)
    return (*program, "-A", app, "worker", f"--profile={profile}", *part, *green)


def worker_units(body: Body, app: str, program: Sequence[str] = ("celery",)) -> list[WorkerUnit]:
    """A worker for every profile, or for each of its `shares`, in the order of the file.

    Raises:
      UsageError: A profile has more `shares` than its queues have shards.
    """
    return [
        WorkerUnit(
            name,
            queues_of_share(body, body.consumed(profile), share),
            worker_command(name, profile.pool, app, program, share),
            int(profile.time_limit or DEFAULT_STOP_TIMEOUT) + 10,
            share,
        )
        for name, profile in body.workers.items()
        for share in shares(profile.shares)
    ]


def shell_commands(workers: Sequence[WorkerUnit]) -> str:
    """One shell command per line."""
    return "\n".join(shlex.join(worker.command) for worker in workers)


def documents(workers: Sequence[WorkerUnit]) -> list[dict[str, Any]]:
    """The workers as plain data for JSON."""
    return [
        {
            "profile": worker.profile,
            "share": None if worker.share is None else str(worker.share),
            "queues": list(worker.queues),
            "command": list(worker.command),
        }
        for worker in workers
    ]


def procfile(workers: Sequence[WorkerUnit]) -> str:
    """A Procfile for honcho, foreman or Heroku."""
    return "\n".join(f"{label}: {shlex.join(worker.command)}" for label, worker in _labelled(workers))


def systemd(workers: Sequence[WorkerUnit], directory: str = "/srv/app", user: str = "celery") -> str:
    """systemd services, each with the path of its unit file in a comment.

    Parameters:
      workers: The workers.
      directory: The working directory, from which the app is imported.
      user: The user that the workers run as; the default of systemd is root.
    """
    return "\n\n".join(
        f"# /etc/systemd/system/{label}.service\n"
        "[Unit]\n"
        f"Description=Celery worker {_systemd_text(worker.title)}\n"
        "Wants=network-online.target\n"
        "After=network-online.target\n"
        "\n"
        "[Service]\n"
        "Type=exec\n"
        f"User={_systemd_text(user)}\n"
        f"WorkingDirectory={_systemd_text(directory)}\n"
        f"ExecStart={' '.join(map(_systemd_word, worker.command))}\n"
        "KillMode=mixed\n"
        f"TimeoutStopSec={worker.stop_timeout}\n"
        "Restart=always\n"
        "RestartSec=5\n"
        "\n"
        "[Install]\n"
        "WantedBy=multi-user.target"
        for label, worker in _labelled(workers)
    )


def compose(workers: Sequence[WorkerUnit], image: str = "app") -> str:
    """Services of a compose file.

    Parameters:
      workers: The workers.
      image: The image that contains the app.
    """
    services = {
        label: {
            "image": image,
            "command": [word.replace("$", "$$") for word in worker.command],
            "stop_grace_period": f"{worker.stop_timeout}s",
            "restart": "unless-stopped",
        }
        for label, worker in _labelled(workers)
    }
    return _yaml({"services": services})


def kubernetes(workers: Sequence[WorkerUnit], image: str = "app") -> str:
    """A Deployment for each worker.

    Parameters:
      workers: The workers.
      image: The image that contains the app.
    """
    return "\n---\n".join(_yaml(_deployment(worker, label, image)) for label, worker in _labelled(workers))


def _deployment(worker: WorkerUnit, label: str, image: str) -> dict[str, Any]:
    # Kubernetes reads `$(NAME)` as a variable; `$$` is a dollar sign.
    words = [word.replace("$(", "$$(") for word in worker.command]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": label, "labels": {"app": label}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": label}},
            "template": {
                "metadata": {"labels": {"app": label}},
                "spec": {
                    "terminationGracePeriodSeconds": worker.stop_timeout,
                    "containers": [{"name": "worker", "image": image, "command": words}],
                },
            },
        },
    }


def _labelled(workers: Sequence[WorkerUnit]) -> list[tuple[str, WorkerUnit]]:
    """Every worker with a unique label."""
    labels: dict[str, WorkerUnit] = {}
    for worker in workers:
        label, number = f"worker-{worker.label}", 2
        while label in labels:
            label, number = f"worker-{worker.label}-{number}", number + 1
        labels[label] = worker
    return list(labels.items())


def _yaml(document: Any) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=10_000).rstrip("\n")


def _systemd_text(value: str) -> str:
    """A value with `%` escaped."""
    return value.replace("%", "%%").replace("\n", " ")


def _systemd_word(word: str) -> str:
    """A word of `ExecStart`, quoted if necessary."""
    escaped = word.replace("%", "%%").replace("$", "$$")
    if re.fullmatch(r"[\w@%+=:,./$-]+", escaped):
        return escaped
    quoted = escaped.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{quoted}"'
