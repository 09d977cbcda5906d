"""Two applies of one stack at a time: one waits, or says who is at it; a holder that dies frees the lock."""

from __future__ import annotations

import getpass
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from routectl.topology.base.resources import Key, lock_key
from routectl.topology.broker.address import Address
from routectl.topology.broker.amqp import lock, pipeline
from routectl.topology.broker.amqp.lock import ApplyLock
from routectl.topology.broker.sandbox.probe import wait_until
from routectl.topology.broker.writes import before
from routectl.topology.errors import LockLost
from tests.brokers import Broker, Management
from tests.conftest import delete_vhost
from tests.proxy import Proxy

from .conftest import Command, queues

ME = f"{getpass.getuser()}@{socket.gethostname()}"
PROGRAM = [sys.executable, "-c", "from routectl.cli.main import main; main()"]
NOWHERE = "http://localhost:9"
#: Times that two files are applied at once, with and without the vhost.
ROUNDS = int(os.environ.get("ROUTECTL_TEST_ROUNDS", "1"))


class Asking:
    """A `routectl apply` that has shown its plan, holds the lock, and waits for an answer."""

    def __init__(self, routectl: Command, **where: str) -> None:
        terminal, stdin = pty.openpty()
        self.process = subprocess.Popen(
            [*PROGRAM, *routectl.arguments("apply", **where)],
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        os.close(stdin)
        self._terminal, self.err = terminal, b""
        assert self.process.stderr is not None
        while b"[y/N]" not in self.err:
            read = os.read(self.process.stderr.fileno(), 4096)
            assert read, self.err
            self.err += read

    def answer(self, text: str = "y") -> tuple[int, str]:
        """Answers, and returns the exit code and what it wrote to stderr after the question."""
        os.write(self._terminal, text.encode() + b"\n")
        return self.wait()

    def wait(self) -> tuple[int, str]:
        _, err = self.process.communicate(timeout=120)
        os.close(self._terminal)
        return self.process.returncode, err.decode()


def close_lock_connection(management: Management, stack: str, vhost: str) -> None:
    """Does what an operator does on the management page."""
    name = f"routectl apply: lock of {stack}"

    def found() -> list[str]:
        return [
            item["name"]
            for item in management.get("connections")
            if item.get("client_properties", {}).get("connection_name") == name and item["vhost"] == vhost
        ]

    assert wait_until(found, timeout=60)
    for each in found():
        management.delete(f"connections/{each.replace(' ', '%20').replace('>', '%3E')}")


def test_a_second_apply_says_who_holds_the_lock_and_a_plan_takes_none(
    routectl: Command, management: Management, vhost: str
) -> None:
    routectl.write("name: shop\nqueues: {high: {}}\n")
    asking = Asking(routectl)
    refused = routectl("apply", "--yes", "--lock-timeout", "0")
    assert refused.code == 1
    holder = f"stack `shop` is locked by {ME} (process {asking.process.pid}) since "
    assert refused.err.startswith(f"error: {holder}")
    assert "UTC; nothing was changed\nhint: wait for it with `--lock-timeout 10m`" in refused.err
    assert routectl("apply", "--yes", "--lock-timeout", "1s").code == 1
    unseen = routectl("apply", "--yes", "--lock-timeout", "0", "--via", "amqp", management=NOWHERE)
    assert unseen.code == 1
    assert "stack `shop` is locked by another apply; nothing was changed" in unseen.err
    assert "AMQP alone does not show" in unseen.err
    assert "routectl.lock" not in routectl("plan", "--verbose").out
    assert queues(management, vhost) == []
    routectl.write("name: office\nqueues: {other: {}}\n")
    assert routectl("apply", "--yes", "--lock-timeout", "0").code == 0
    assert asking.answer() == (0, "")
    assert queues(management, vhost) == ["high", "other"]


def test_a_killed_holder_frees_the_lock(routectl: Command, management: Management, vhost: str) -> None:
    routectl.write("queues: {high: {}}\n")
    asking = Asking(routectl)
    asking.process.send_signal(signal.SIGKILL)
    assert asking.wait()[0] == -signal.SIGKILL
    assert routectl("apply", "--yes", "--lock-timeout", "60s").code == 0
    assert queues(management, vhost) == ["high"]


def test_a_second_apply_waits_and_applies_to_what_the_first_left(routectl: Command) -> None:
    routectl.write("queues: {high: {max_length: 1}}\n")
    asking = Asking(routectl)
    waiting = routectl.start("apply", "--yes", "--lock-timeout", "5m")
    assert waiting.stderr is not None
    line = waiting.stderr.readline()
    assert line.startswith(f"stack `default` is locked by {ME} (process {asking.process.pid}) since ")
    assert line.endswith(" UTC: waiting up to 5m for it\n")
    assert asking.answer() == (0, "")
    _, err = waiting.communicate(timeout=120)
    assert (waiting.returncode, err) == (0, "")
    assert routectl.matches()


def test_an_apply_whose_lock_is_lost_writes_nothing_more(
    routectl: Command, management: Management, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes: list[Key] = []

    def lose_at_the_fiftieth(operation: str, key: Key) -> None:
        if len(writes) == 50:
            close_lock_connection(management, "shop", vhost)
            for thread in threading.enumerate():
                if thread.name == "routectl-lock":
                    thread.join(60)
        before(operation, key)
        writes.append(key)

    monkeypatch.setattr(pipeline, "before", lose_at_the_fiftieth)
    routectl.write("name: shop\nqueues:\n" + "".join(f"  q{number}: {{}}\n" for number in range(100)))
    result = routectl("apply", "--yes")
    assert result.code == 3
    assert result.err == (
        "error: the lock of stack `shop` was lost: the broker closed its connection "
        "(Closed via management plugin); nothing more was changed\n"
        "hint: another apply may have changed the broker since: look at `routectl plan`, and apply again\n"
        "hint: fix the cause and rerun: apply resumes\n"
    )
    assert len(queues(management, vhost)) == len(writes) == 50
    monkeypatch.undo()
    assert routectl("apply", "--yes").code == 0
    assert len(queues(management, vhost)) == 100


def test_a_lock_that_is_lost_before_the_answer_lets_nothing_be_written(
    routectl: Command, management: Management, vhost: str
) -> None:
    routectl.write("queues: {high: {}}\npolicies: {all: {pattern: '.*', definition: {max_length: 5}}}\n")
    asking = Asking(routectl)
    close_lock_connection(management, "default", vhost)
    assert wait_until(lambda: management.get(f"queues/{vhost}?disable_stats=true") == [], timeout=60)
    code, err = asking.answer()
    assert (code, err.startswith("error: the lock of stack `default` was lost: ")) == (3, True)
    assert queues(management, vhost) == management.get(f"policies/{vhost}") == []


def apply_lock(url: str, vhost: str, timeout: float = 0) -> ApplyLock:
    return ApplyLock(
        Address.parse(url), lock_key(vhost, "s"), "s", find=lambda _: None, timeout=timeout, say=pytest.fail
    )


def test_behind_a_cut_network_the_lock_is_lost_before_another_has_it(
    broker: Broker, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "_HEARTBEAT", 5)
    monkeypatch.setattr(lock, "_LEASE", 7.5)
    proxy = Proxy(broker.url_for(vhost))
    said: list[str] = []
    first = apply_lock(proxy.url, vhost)
    second = apply_lock(broker.url_for(vhost), vhost, timeout=120)
    monkeypatch.setattr(second, "_say", said.append)
    key = lock_key(vhost, "s")
    with first, second:
        first.acquire()
        before("create", key)
        with proxy.stalled(both=True):
            second.acquire()
            with pytest.raises(LockLost):
                before("create", key)
    proxy.close()
    assert said


def test_without_permission_or_amqp_an_apply_goes_on_and_says_so(
    routectl: Command, user: Callable[..., str], vhost: str
) -> None:
    routectl.write("queues: {mine: {}}\n")
    name = user("administrator", "^mine")
    where = {
        "url": routectl.broker.url_for(vhost, name, name),
        "management": routectl.broker.management.replace("guest:guest", f"{name}:{name}"),
    }
    result = routectl("apply", "--yes", **where)
    assert result.code == 0
    assert result.err.startswith(
        "note: no lock for stack `default`, so another apply at the same time is not excluded: "
        "cannot create queue routectl.lock.default: "
    )
    _, of_prune = result.err.splitlines()
    assert of_prune.startswith(
        f"note: `--prune` will delete nothing in vhost `{vhost}`: cannot create exchange "
    )
    assert routectl("apply", "--yes", "-q", **where).err == ""
    routectl.write("queues: {mine: {}, more: {}}\n")
    over_http = routectl("apply", "--yes", url=f"amqp://localhost:9/{vhost}")
    assert over_http.code == 0
    assert over_http.err.startswith("note: no lock for stack `default`")
    assert "cannot connect to amqp://localhost:9" in over_http.err


def test_a_vhost_that_has_room_for_the_queues_of_the_file_alone_is_not_locked(
    routectl: Command, vhost: str
) -> None:
    routectl.write("limits: {max_queues: 2}\nqueues: {high: {}, low: {}}\n")
    result = routectl("apply", "--yes")
    assert result.code == 0
    assert result.err.startswith("note: no lock for stack `default`")
    assert result.err.endswith(f": `max_queues` of vhost `{vhost}` leaves no room for its queue\n")
    assert routectl.matches()


def test_a_queue_that_is_not_exclusive_cannot_be_the_lock(
    routectl: Command, management: Management, vhost: str
) -> None:
    management.put(f"queues/{vhost}/routectl.lock.default", {"durable": True})
    routectl.write("queues: {high: {}}\n")
    refused = routectl("apply", "--yes")
    assert refused.code == 1
    assert "queue routectl.lock.default exists and is not exclusive" in refused.err
    assert queues(management, vhost) == ["routectl.lock.default"]


@contextmanager
def new_vhost(management: Management, name: str) -> Iterator[str]:
    yield name
    delete_vhost(management, name)


def test_the_lock_of_a_new_vhost_is_taken_once_it_exists(
    routectl: Command, management: Management, vhost: str
) -> None:
    with new_vhost(management, f"new-{vhost}") as new:
        url = routectl.broker.url
        routectl.write(f"vhost: {new}\nqueues: {{high: {{}}}}\n")
        late, later = Asking(routectl, url=url), Asking(routectl, url=url)
        assert late.answer() == (0, "")
        routectl.write(f"vhost: {new}\nqueues: {{high: {{max_length: 5}}}}\n")
        assert routectl("apply", "--yes", "--allow", "destructive", url=url).code == 0
        code, err = later.answer()
        assert code == 1
        assert "another apply has changed the broker since this plan was made" in err
        assert management.get(f"queues/{new}/high")["arguments"]["x-max-length"] == 5


#: Two files of a stack that differ in all they declare; the objects of one are not those of the other.
EITHER = """
exchanges: {tasks: {type: %(type)s}}
queues:
%(queues)s
policies: {limit: {pattern: "^q", definition: {max_length: %(limit)s}}}
"""


def either(path: Path, vhost: str, limit: int, kind: str) -> Path:
    queues = "".join(
        f"  q{number}: {{message_ttl: {limit}s, bindings: [{{exchange: tasks, key: q{number}}}]}}\n"
        for number in range(20)
    )
    text = EITHER % {"type": kind, "queues": queues, "limit": limit}
    path.write_text(f"version: 1\nvhost: {vhost}\n{text}")
    return path


@pytest.mark.parametrize("exists", [True, False], ids=["vhost exists", "new vhost"])
def test_of_two_applies_at_once_one_file_results(
    broker: Broker, management: Management, vhost: str, tmp_path: Path, exists: bool
) -> None:
    for number in range(ROUNDS):
        with new_vhost(management, f"{number}-{vhost}") as new:
            if exists:
                management.put(f"vhosts/{new}")
            files = [
                either(tmp_path / f"{limit}.yaml", new, limit, kind)
                for limit, kind in ((1, "direct"), (2, "topic"))
            ]
            where = ["-b", broker.url, "--management", broker.management]
            words = [
                "apply",
                "--yes",
                "--lock-timeout",
                "5m",
                "--allow",
                "destructive",
                "--allow",
                "mass-change",
            ]
            applies = [
                subprocess.Popen(
                    [*PROGRAM, *words, "-f", file, *where],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                )
                for file in files
            ]
            results = [(apply.communicate(timeout=300)[1], apply.returncode) for apply in applies]
            codes = sorted(code for _, code in results)
            assert codes == [0, 0] or (not exists and codes == [0, 1]), results
            found = {queue["arguments"]["x-message-ttl"] for queue in management.get(f"queues/{new}")}
            last = found.pop()
            assert not found, results
            plan = subprocess.run(
                [*PROGRAM, "plan", "--exit-code", "-f", files[last // 1000 - 1], *where], check=False
            )
            assert plan.returncode == 0
