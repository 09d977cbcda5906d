"""Worker profiles as commands, and as what starts them: systemd, Procfile, compose, Kubernetes. Pure."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from .profile import GREEN_POOLS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...topology.model import Body

#: Seconds that a worker is given to finish its tasks when its profile has no time limit.
PATIENCE = 60


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker to start.

    Parameters:
      profile: The profile's name.
      queues: The queues that it takes.
      command: The words of the command.
      patience: Seconds that it is given to finish its tasks when it is stopped.
    """

    profile: str
    queues: tuple[str, ...]
    command: tuple[str, ...]
    patience: int

    @property
    def label(self) -> str:
        """The profile's name as a DNS label: lower case letters, digits and `-`."""
        return re.sub(r"[^a-z0-9]+", "-", self.profile.lower()).strip("-")[:40] or "worker"


def command(
    profile: str, pool: str | None, app: str, program: Sequence[str] = ("celery",)
) -> tuple[str, ...]:
    """The words that start a worker with a profile.

    Parameters:
      profile: The profile's name.
      pool: The profile's pool; green ones have to stand on the command line to be patched early enough.
      app: What `celery -A` takes.
      program: How to call Celery.
    """
    green = ("-P", pool) if pool in GREEN_POOLS and pool else ()
    return (*program, "-A", app, "worker", f"--profile={profile}", *green)


def workers(body: Body, app: str, program: Sequence[str] = ("celery",)) -> list[Worker]:
    """A worker for every profile, in the file's order."""
    return [
        Worker(
            name,
            body.consumed(profile),
            command(name, profile.pool, app, program),
            int(profile.time_limit or PATIENCE) + 10,
        )
        for name, profile in body.workers.items()
    ]


def text(found: Sequence[Worker]) -> str:
    """One shell command a line."""
    return "\n".join(shlex.join(worker.command) for worker in found)


def documents(found: Sequence[Worker]) -> list[dict[str, Any]]:
    """The workers as plain data for JSON."""
    return [
        {"profile": worker.profile, "queues": list(worker.queues), "command": list(worker.command)}
        for worker in found
    ]


def procfile(found: Sequence[Worker]) -> str:
    """A Procfile, as honcho, foreman and Heroku read it."""
    labels = _labels(found)
    return "\n".join(f"{labels[worker.profile]}: {shlex.join(worker.command)}" for worker in found)


def systemd(found: Sequence[Worker], directory: str = "/srv/app") -> str:
    """One service after the other, each under the name of its file.

    Parameters:
      found: The workers.
      directory: Where the app is imported from.
    """
    labels = _labels(found)
    return "\n\n".join(
        f"# /etc/systemd/system/{labels[worker.profile]}.service\n"
        "[Unit]\n"
        f"Description=Celery worker {_systemd_text(worker.profile)}\n"
        "Wants=network-online.target\n"
        "After=network-online.target\n"
        "\n"
        "[Service]\n"
        "Type=exec\n"
        f"WorkingDirectory={_systemd_text(directory)}\n"
        f"ExecStart={' '.join(map(_systemd_word, worker.command))}\n"
        "KillMode=mixed\n"
        f"TimeoutStopSec={worker.patience}\n"
        "Restart=always\n"
        "RestartSec=5\n"
        "\n"
        "[Install]\n"
        "WantedBy=multi-user.target"
        for worker in found
    )


def compose(found: Sequence[Worker], image: str = "app") -> str:
    """Services of a compose file.

    Parameters:
      found: The workers.
      image: The image that holds the app.
    """
    labels = _labels(found)
    services = {
        labels[worker.profile]: {
            "image": image,
            "command": [word.replace("$", "$$") for word in worker.command],
            "stop_grace_period": f"{worker.patience}s",
            "restart": "unless-stopped",
        }
        for worker in found
    }
    return _yaml({"services": services})


def kubernetes(found: Sequence[Worker], image: str = "app") -> str:
    """A Deployment for each worker.

    Parameters:
      found: The workers.
      image: The image that holds the app.
    """
    labels = _labels(found)
    return "\n---\n".join(_yaml(_deployment(worker, labels[worker.profile], image)) for worker in found)


def _deployment(worker: Worker, label: str, image: str) -> dict[str, Any]:
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
                    "terminationGracePeriodSeconds": worker.patience,
                    "containers": [{"name": "worker", "image": image, "command": words}],
                },
            },
        },
    }


def _labels(found: Sequence[Worker]) -> dict[str, str]:
    """A label for each profile, unlike any other's."""
    labels: dict[str, str] = {}
    for worker in found:
        label, number = f"worker-{worker.label}", 2
        while label in labels.values():
            label, number = f"worker-{worker.label}-{number}", number + 1
        labels[worker.profile] = label
    return labels


def _yaml(document: Any) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=10_000).rstrip("\n")


def _systemd_text(value: str) -> str:
    """A value in which `%` stands for itself."""
    return value.replace("%", "%%").replace("\n", " ")


def _systemd_word(word: str) -> str:
    """A word of `ExecStart`, quoted where it has to be."""
    escaped = word.replace("%", "%%").replace("$", "$$")
    if re.fullmatch(r"[\w@%+=:,./$-]+", escaped):
        return escaped
    quoted = escaped.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{quoted}"'
