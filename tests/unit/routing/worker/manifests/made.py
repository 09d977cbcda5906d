"""Processes of profiles with plain and unusual names."""

from __future__ import annotations

from typing import Any

from routectl.routing.worker.manifests.processes import Process, Setup, processes
from routectl.topology.model import Topology

UNUSUAL = [
    "high",
    "a b",
    'x"y',
    "it's",
    "50%",
    "$(rm -rf /)",
    "${HOME}",
    "ünï/côdé",
    "-x",
    "high!",
    "\\n",
    "x\\",
    "a$$b",
    ";",
    "`id`",
    "HIGH",
]


def body(*names: str, **profile: Any) -> Topology:
    """A file with profiles of these names and fields."""
    workers = {name: {"queues": ["q"], **profile} for name in names}
    return Topology.model_validate({"version": 1, "queues": {"q": {"shards": 4}}, "workers": workers})


def found(*names: str, setup: Setup | None = None, **profile: Any) -> list[Process]:
    """The processes of profiles of these names and fields."""
    return processes(body(*names, **profile), setup or Setup("proj"))
