"""Workers that would have the same node name, or use the same file."""

from __future__ import annotations

import pytest

from routectl.routing.worker.manifests.processes import Setup, processes
from routectl.topology.errors import UsageError
from routectl.topology.model import Topology

from .made import found


@pytest.mark.parametrize(
    ("options", "containers", "message"),
    [
        (
            "--pidfile=run/w.pid",
            False,
            "workers of the profile `high` would use the same `--pidfile`, `run/w.pid`",
        ),
        ("-S state.db", False, "would use the same `--statedb`, `state.db`"),
        ("--pidfile=run/%h%I.pid", False, "would use the same `--pidfile`"),
        ("--pidfile=run/%n.pid -S %p.db", False, None),
        ("-n fixed@%h", False, None),
        ("-n fixed", False, None),
        ("-n fixed", True, "workers of the profile `high` would have the same node name, `celery@fixed`"),
        ("-n fixed@shop", True, "use `%h` in `--hostname`"),
        ("-n fixed@%h --pidfile=run/w.pid", True, None),
    ],
)
def test_replicas(options: str, containers: bool, message: str | None) -> None:
    setup = Setup("proj", replicas={None: 2}, containers=containers)
    if message is None:
        assert found("high", options=options, setup=setup)
    else:
        with pytest.raises(UsageError) as raised:
            found("high", options=options, setup=setup)
        assert message in f"{raised.value.message}; {raised.value.hint}"


def test_replicas_on_one_host_keep_the_node_name_of_the_profile() -> None:
    for node, first in (("shop@%h", "shop-1@%h"), ("fixed", "celery-1@fixed")):
        [process, _] = found("high", options=["-n", node], setup=Setup("proj", replicas={None: 2}))
        assert process.command[-2:] == ("-n", first)


@pytest.mark.parametrize(
    ("options", "containers", "message"),
    [
        ("-n w@%h", False, "workers of the profiles `a` and `b` would have the same node name, `w@%h`"),
        ("-n w@%h", True, None),
        ("-n w", True, "workers of the profiles `a` and `b` would have the same node name, `celery@w`"),
        ("--statedb=w.db", False, "would use the same `--statedb`"),
        ("--statedb=%n.db", False, None),
        ("--statedb=w.db", True, None),
    ],
)
def test_two_profiles(options: str, containers: bool, message: str | None) -> None:
    setup = Setup("proj", containers=containers)
    if message is None:
        assert found("a", "b", options=options, setup=setup)
    else:
        with pytest.raises(UsageError, match=message):
            found("a", "b", options=options, setup=setup)


def test_a_replica_does_not_have_the_name_of_another_profile() -> None:
    setup = Setup("proj", replicas={"high": 2})
    with pytest.raises(
        UsageError, match="profiles `high` and `high-1` would have the same node name, `high-1@%h`"
    ):
        found("high", "high-1", setup=setup)


def test_a_percent_sign_in_a_profile_is_not_an_abbreviation_of_celery() -> None:
    workers = {"50%z": {"queues": ["q"], "shares": 2}}
    file = Topology.model_validate({"version": 1, "queues": {"q": {"shards": 4}}, "workers": workers})
    assert [process.node for process in processes(file, Setup("proj"))] == ["50_z-1@%h", "50_z-2@%h"]
