"""A watched file in threads, forked and spawned processes and greenlets: no waiting, no partial changes."""

from __future__ import annotations

import gc
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.utils.quorum_queues import detect_quorum_queues

from routectl.routing import Router
from routectl.routing.celery import configure
from routectl.routing.reload import watch
from routectl.topology.file.load import collector_paused

from ...loading import body

#: Enough for a check to be due, even on a busy machine.
PATIENCE = 60.0

TASKS = [f"task{number}" for number in range(50)]


def version(number: int) -> str:
    """A file whose tasks all go to queues of its own number, at an exchange and with a key of that number."""
    queues = "".join(
        f"\n  v{number}.{task}: {{bindings: [{{exchange: e{number}, key: {task}}}]}}" for task in TASKS
    )
    routes = "".join(
        f"\n  - {{tasks: {task}, queue: v{number}.{task}, headers: {{version: {number}}}}}" for task in TASKS
    )
    return body(
        f"exchanges: {{e{number}: {{type: topic}}}}\nqueues:{queues}\n  v{number}.zz: {{type: quorum}}\n"
        f"routes:{routes}\nunmatched: v{number}.zz"
    )


def put(file: Path, text: str) -> None:
    """Replaces a file atomically."""
    other = file.with_name(f"{file.name}.new")
    other.write_text(text)
    other.replace(file)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "queues.yaml"
    path.write_text(version(1))
    return path


def versions_of(route: dict[str, Any]) -> set[str]:
    """The versions of the file in a route: one, if it is consistent."""
    queue = getattr(route["queue"], "name", route["queue"])
    return {queue[1], route["exchange"][1], str(route["headers"]["version"])}


def until(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.005)


def test_threads_see_one_version_of_a_changing_file_or_the_other(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through Celery's own router, which has to know each queue, and looks for quorum queues among all of them."""
    monkeypatch.setattr(watch, "INTERVAL", 0.01)
    sys.setswitchinterval(1e-5)
    app = Celery("threads", broker="memory://", set_as_current=False)
    router = configure(app, file, watch=True)
    app.amqp.router.route({}, TASKS[0])
    done, seen = threading.Event(), set[str]()

    def publish(start: int) -> int:
        count = 0
        while not done.is_set():
            task = TASKS[(start + count) % len(TASKS)]
            route = app.amqp.router.route({}, task)
            found = versions_of(route)
            assert len(found) == 1
            assert route["queue"].routing_key == route["routing_key"] == task
            assert detect_quorum_queues(app, "amqp")[0]
            decision, explained = router.route(task), router.explain(task)
            assert decision.queue[:2] == f"v{decision.exchange[1]}"
            assert explained.decision is not None
            assert explained.workers == ("",)
            seen.update(found)
            count += 1
        return count

    try:
        with ThreadPoolExecutor(8) as pool:
            publishers = [pool.submit(publish, start) for start in range(8)]
            try:
                for number in (*range(2, 10), 1):
                    put(file, version(number))
                    until(
                        lambda n=number: (
                            f"v{n}.task0" in router.body.queues or any(p.done() for p in publishers)
                        )
                    )
            finally:
                done.set()
            assert min(publisher.result() for publisher in publishers) > 0
    finally:
        sys.setswitchinterval(0.005)
    assert seen == set("123456789")


def test_one_thread_reads_the_file_and_the_others_continue(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "INTERVAL", 0)
    router = Router.from_file(file, watch=True)
    reading, go_on, reads = threading.Event(), threading.Event(), list[int]()
    assert router._watch is not None
    load = router._watch._load

    def slowly(seen: Any) -> Any:
        reads.append(threading.get_ident())
        reading.set()
        assert go_on.wait(PATIENCE)
        return load(seen)

    monkeypatch.setattr(router._watch, "_load", slowly)
    put(file, version(2))
    with ThreadPoolExecutor(2) as pool:
        reader = pool.submit(router.route, "task1")
        assert reading.wait(PATIENCE)
        assert router.route("task1").queue == "v1.task1"
        go_on.set()
        assert reader.result().queue == "v2.task1"
    assert len(reads) == 1


def in_child(function: Any) -> Any:
    """A function's result in a forked process, which is killed if it hangs."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.alarm(int(PATIENCE))
            os.write(write, json.dumps(function()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return json.loads(text)


def test_a_child_forked_while_a_thread_reads_the_file_reads_it_itself(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "INTERVAL", 0)
    router = Router.from_file(file, watch=True)
    reading, go_on = threading.Event(), threading.Event()
    assert router._watch is not None
    load = router._watch._load

    def slowly(seen: Any) -> Any:
        if not reading.is_set():
            reading.set()
            assert go_on.wait(PATIENCE)
        return load(seen)

    monkeypatch.setattr(router._watch, "_load", slowly)
    put(file, version(2))
    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(router.route, "task1")
        assert reading.wait(PATIENCE)
        assert in_child(lambda: router.route("task1").queue) == "v2.task1"
        go_on.set()
        assert reader.result().queue == "v2.task1"


def test_a_child_forked_while_a_thread_reads_a_file_has_garbage_collection() -> None:
    reading, go_on = threading.Event(), threading.Event()

    def read() -> None:
        with collector_paused():
            reading.set()
            assert go_on.wait(PATIENCE)

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        assert reading.wait(PATIENCE)
        assert not gc.isenabled()
        assert in_child(gc.isenabled)
        go_on.set()
        reader.result()
    assert gc.isenabled()


def test_each_forked_child_reloads_a_change(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "INTERVAL", 0)
    router = Router.from_file(file, watch=True)
    put(file, version(2))
    assert [in_child(lambda: router.route("task1").queue) for _ in range(2)] == ["v2.task1"] * 2
    assert router.route("task1").queue == "v2.task1"
    put(file, version(1))
    assert in_child(lambda: in_child(lambda: router.route("task1").queue)) == "v1.task1"


@pytest.mark.parametrize("kind", ["plain", "configured"])
def test_a_pickled_router_keeps_watching(file: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "INTERVAL", 0)
    router = Router.from_file(file, watch=True)
    if kind == "configured":
        router = configure(Celery("pickled", broker="memory://", set_as_current=False), router)
    copy = pickle.loads(pickle.dumps(router))
    assert copy.route("task1") == router.route("task1")
    put(file, version(2))
    assert copy.route("task1") == router.route("task1")
    assert copy.route("task1").queue == "v2.task1"


SPAWN = """
import multiprocessing, sys
from routectl.routing import Router
from routectl.routing.reload import watch

watch.INTERVAL = 0

def route(router, results, changed):
    results.put(router.route("task1").queue)
    assert changed.wait(60)
    watch.INTERVAL = 0
    results.put(router.route("task1").queue)

if __name__ == "__main__":
    spawn = multiprocessing.get_context("spawn")
    router = Router.from_file("queues.yaml", watch=True)
    results, changed = spawn.Queue(), spawn.Event()
    child = spawn.Process(target=route, args=(router, results, changed))
    child.start()
    print(results.get(timeout=60))
    with open("queues.yaml", "w") as file:
        file.write(sys.argv[1])
    changed.set()
    print(results.get(timeout=60))
    child.join(60)
"""


def test_a_spawned_process_reloads_a_change(file: Path) -> None:
    script = file.with_name("spawn.py")
    script.write_text(SPAWN)
    done = subprocess.run(
        [sys.executable, str(script), version(2)],
        cwd=file.parent,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.stdout.split() == ["v1.task1", "v2.task1"], done.stderr


GREEN = """
import gevent.monkey; gevent.monkey.patch_all()
import gevent, json, logging, os, sys, time
from collections import Counter
from celery import Celery
from celery.utils.quorum_queues import detect_quorum_queues
from routectl.routing.reload import watch
from routectl.routing.celery import configure

logging.basicConfig(level="ERROR", stream=sys.stdout)
watch.INTERVAL = 0.02
app = Celery("green", broker="memory://")
router = configure(app, "queues.yaml", watch=True)
seen, texts = Counter(), sys.argv[1:]
stop = time.monotonic() + 60

def publish(number):
    mine = set()
    while len(mine) < 2:
        assert time.monotonic() < stop, mine
        route = app.amqp.router.route({}, f"task{number % 50}")
        versions = {route["queue"].name[1], route["exchange"][1], str(route["headers"]["version"])}
        assert len(versions) == 1, versions
        mine |= versions
        seen.update(versions)
        gevent.sleep(0.001)

def change():
    while True:
        for text in texts:
            with open("new.yaml", "w") as file:
                file.write(text)
            os.replace("new.yaml", "queues.yaml")
            gevent.sleep(0.1)

changing = gevent.spawn(change)
gevent.joinall([gevent.spawn(publish, number) for number in range(100)], raise_error=True)
changing.kill()
print(json.dumps(sorted(seen)))
"""


def test_a_hundred_greenlets_route_while_the_file_changes(file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", GREEN, version(2), version(1)],
        cwd=file.parent,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE,
    )
    assert (done.stdout, done.stderr) == ('["1", "2"]\n', "")


#: Runs as an unprivileged user.
NOT_ALLOWED = """
import logging, os, sys
from routectl.routing import Router
from routectl.routing.reload import watch

logging.basicConfig(format="%(message)s", stream=sys.stdout)
watch.INTERVAL = 0
router = Router.from_file("queues.yaml", watch=True)
router.route("task1")
if os.getuid() == 0:
    os.chown("queues.yaml", 65534, 65534)
    os.setuid(65534)
for mode, text in ((0o200, None), (0o600, None), (0o600, sys.argv[1])):
    os.chmod("queues.yaml", mode)
    if text:
        with open("queues.yaml", "w") as file:
            file.write(text)
    print(*[router.route("task1").queue for _ in range(3)])
"""


def test_a_file_that_is_temporarily_unreadable() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        file = Path(folder, "queues.yaml")
        file.write_text(version(1))
        done = subprocess.run(
            [sys.executable, "-c", NOT_ALLOWED, version(2)], cwd=folder, capture_output=True, text=True
        )
        assert done.stderr == ""
        first, finding, *rest = done.stdout.splitlines()
        assert first == "reload failed, keeping the previous routes: 1 mistake in the file"
        assert f"`{file}` cannot be read: permission denied" in finding
        assert rest == [" ".join([f"v{number}.task1"] * 3) for number in (1, 1, 2)]
