"""Processes in containers: Compose and Kubernetes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import yaml

from .processes import Process, Role

#: Seconds between two probes, and until one fails: each starts Python and imports the app.
_PROBE_INTERVAL, _PROBE_TIMEOUT = 60, 30


def compose(
    found: Sequence[Process], image: str, env_files: Sequence[str] = (), *, probe: bool = False
) -> str:
    """Services of a Compose file.

    Parameters:
      found: The processes.
      image: The image that contains the app.
      env_files: Files with environment variables, such as `ROUTECTL_BROKER`.
      probe: Whether workers have a health check.
    """
    first = [process.name for process in found if process.role is Role.APPLY]
    services = {process.name: _service(process, image, env_files, first, probe=probe) for process in found}
    return _yaml({"services": services})


def kubernetes(
    found: Sequence[Process],
    image: str,
    secrets: Sequence[str] = (),
    config_maps: Sequence[str] = (),
    *,
    probe: bool = False,
) -> dict[str, str]:
    """A Deployment for each process, and a Job for `apply`, by file name.

    Parameters:
      found: The processes.
      image: The image that contains the app.
      secrets: Names of Secrets whose keys are environment variables, such as `ROUTECTL_BROKER`.
      config_maps: The same of ConfigMaps.
      probe: Whether workers have a readiness probe.
    """
    sources = [{"secretRef": {"name": name}} for name in secrets]
    sources += [{"configMapRef": {"name": name}} for name in config_maps]
    documents = {}
    for process in found:
        container = _container(process, image, sources, probe=probe)
        make = _job if process.role is Role.APPLY else _deployment
        documents[f"{process.name}.yaml"] = _yaml(make(process, container))
    return documents


def _service(
    process: Process, image: str, env_files: Sequence[str], first: Sequence[str], *, probe: bool
) -> dict[str, Any]:
    found: dict[str, Any] = {"image": image, "command": [_escaped(word) for word in process.command]}
    if env_files:
        found["env_file"] = list(env_files)
    if process.role is Role.APPLY:
        return {**found, "restart": "on-failure"}
    if first:
        found["depends_on"] = {name: {"condition": "service_completed_successfully"} for name in first}
    if process.replicas > 1:
        found["deploy"] = {"replicas": process.replicas}
    if probe and process.ping is not None:
        found["healthcheck"] = {
            "test": ["CMD-SHELL", _escaped(process.ping)],
            "interval": f"{_PROBE_INTERVAL}s",
            "timeout": f"{_PROBE_TIMEOUT}s",
            "start_period": f"{_PROBE_INTERVAL}s",
        }
    return {**found, "stop_grace_period": f"{process.stop_timeout}s", "restart": "unless-stopped"}


def _escaped(word: str) -> str:
    """A word in which Compose and Kubernetes replace no variable."""
    return word.replace("$", "$$")


def _container(process: Process, image: str, sources: list[Any], *, probe: bool) -> dict[str, Any]:
    words = [_escaped(word) for word in process.command]
    found: dict[str, Any] = {"name": str(process.role), "image": image, "command": words}
    if sources:
        found["envFrom"] = sources
    if probe and process.ping is not None:
        found["readinessProbe"] = {
            "exec": {"command": ["sh", "-c", process.ping]},
            "periodSeconds": _PROBE_INTERVAL,
            "timeoutSeconds": _PROBE_TIMEOUT,
        }
    return found


def _deployment(process: Process, container: dict[str, Any]) -> dict[str, Any]:
    labels = {"app": process.name}
    # Two beats, even for a moment, would send a task twice; a worker whose name is in use does not start.
    strategy = {"strategy": {"type": "Recreate"}} if process.alone else {}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": process.name, "labels": labels},
        "spec": {
            "replicas": process.replicas,
            **strategy,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "terminationGracePeriodSeconds": process.stop_timeout,
                    "containers": [container],
                },
            },
        },
    }


def _job(process: Process, container: dict[str, Any]) -> dict[str, Any]:
    # A Job cannot be changed: a new image or command needs a new name.
    content = hashlib.sha256(_yaml(container).encode()).hexdigest()[:8]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{process.name}-{content}", "labels": {"app": process.name}},
        "spec": {
            "backoffLimit": 10,
            "ttlSecondsAfterFinished": 86400,
            "template": {
                "metadata": {"labels": {"app": process.name}},
                "spec": {"restartPolicy": "OnFailure", "containers": [container]},
            },
        },
    }


class _Dumper(yaml.SafeDumper):
    """Repeats equal values instead of referring to the first."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _yaml(document: Any) -> str:
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)
    return text.rstrip("\n")
