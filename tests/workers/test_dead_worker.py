"""A worker whose host died keeps its name on the broker for a while: its successor consumes at once."""

from __future__ import annotations

import re
import signal

import pytest
from celery.app.defaults import DEFAULTS

from .conftest import QUICK, Project, publisher, until, until_it_hears

FILE = """
version: 1
queues: {high: {}}
unmatched: high
workers: {high: {queues: [high], concurrency: 1}}
"""

#: Whether Celery keeps a name for one worker; older ones let several share it.
EXCLUSIVE = "control_queue_exclusive" in DEFAULTS

WAITS = r"remote control of `high@\S+` waits, up to 240 s: the broker still has the connection of an earlier worker"


@pytest.mark.parametrize(("pool", "declare"), [("prefork", ""), ("solo", "1"), ("gevent", "")])
def test_a_successor_of_a_dead_worker_consumes_at_once(
    fresh_project: Project, pool: str, declare: str
) -> None:
    project = fresh_project
    project.environment["PROJ_DECLARE"] = declare
    project.provision()
    words = ("--profile=high", "-P", pool, *QUICK)
    with project.worker(*words) as old, publisher(project) as app:
        until_it_hears(app, old)
        # Stopped, it neither answers nor closes its connections, as if its host had lost its power.
        old.process.send_signal(signal.SIGSTOP)
        with project.worker(*words) as new:
            assert not EXCLUSIVE or re.search(WAITS, new.text), new.text
            sent = [app.send_task("report") for _ in range(2)]  # the broker gives one to each
            until(lambda: any(result.ready() for result in sent))
            old.process.kill()  # now its connections are closed
            if EXCLUSIVE:
                new.wait_for(r"remote control of `high@\S+` is available")
            until_it_hears(app, new)
            new.stop()
        assert "Traceback" not in new.text


@pytest.mark.skipif(not EXCLUSIVE, reason="this Celery lets workers share a name")
def test_every_connection_of_a_green_worker_has_heartbeats_by_which_the_broker_notices_that_its_host_died(
    fresh_project: Project,
) -> None:
    project = fresh_project
    project.provision()
    with project.worker("--profile=high", "-P", "gevent", *QUICK) as worker:
        worker.wait_for("pidbox: Connected")
        path = f"vhosts/{project.path}/connections"
        timeouts = until(
            lambda: (
                [each["timeout"] for each in found]
                if len(found := project.management.get(path)) > 2 and all("timeout" in each for each in found)
                else None
            )
        )
        assert set(timeouts) == {60}
