"""`make demo`: from queues.yaml to running workers on a throwaway RabbitMQ, in under two minutes.

Stops what it started, and nothing else, even if it is interrupted or fails.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celery.exceptions import TimeoutError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from . import waits
from .tasks import TASKS, TIERS

ROOT = Path(__file__).resolve().parent.parent
WORKERS = TIERS  # each tier has a profile of its name
COUNT = 300
#: One in DELAYED tasks is sent with a countdown of COUNTDOWN seconds.
DELAYED, COUNTDOWN = 30, 2
SECONDS = 0.05

console = Console(highlight=False)


class Failed(Exception):
    """A step of the demo failed."""


def main() -> int:
    """Runs the demo.

    Returns:
      The exit code.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    try:
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="routectl-demo-")))
            (folder / "results").mkdir()
            os.environ["DEMO_RESULTS"] = str(folder / "results")
            stack.enter_context(sandbox())
            show_topology()
            with workers(folder):
                publish()
            compare(folder)
            title("Stopping everything")
    except KeyboardInterrupt:
        console.print("interrupted; everything was stopped", style="yellow")
        return 130
    except Failed as error:
        console.print(f"error: {error}", style="red", markup=False)
        return 1
    console.print(f"Done in {time.monotonic() - began:.0f} s; nothing is left running.", style="bold green")
    return 0


@contextlib.contextmanager
def sandbox() -> Iterator[None]:
    """A broker for the demo."""
    title("Starting a throwaway RabbitMQ")
    name = f"demo-{os.getpid()}"
    try:
        started = json.loads(routectl("sandbox", "start", "--name", name, "--install", "--format", "json"))
        os.environ.update(ROUTECTL_BROKER=started["broker"], ROUTECTL_MANAGEMENT=started["management"])
        console.print(f"RabbitMQ {started['rabbitmq']} is up.")
        yield
    finally:
        with uninterrupted():
            subprocess.run(
                [*ROUTECTL, "sandbox", "stop", "--name", name], stdout=subprocess.DEVNULL, check=False
            )


def show_topology() -> None:
    """The file's tests, the plan, the apply, and a second plan without changes."""
    title("Running the file's tests", "check")
    show(routectl("check"))
    title("Planning the changes", "plan")
    show(routectl("plan"))
    title("Applying them", "apply --yes")
    show(routectl("apply", "--yes").splitlines()[-1])
    title("Planning again", "plan")
    again = routectl("plan")
    show(again)
    if "No changes" not in again:
        raise Failed("the second plan has changes")
    title("Routes of ten tasks", "route " + " ".join(TASKS))
    show(routectl("route", *TASKS))


@contextlib.contextmanager
def workers(folder: Path) -> Iterator[None]:
    """A worker for each profile, ready to run tasks."""
    title("Starting three workers", *(f"worker {name} -A demo.app" for name in WORKERS))
    with contextlib.ExitStack() as stack:
        running = [
            stack.enter_context(worker(name, folder, *ROUTECTL, "worker", name, "-A", "demo.app", "--"))
            for name in WORKERS
        ]
        for started in running:
            started.wait()
        console.print("All three are ready.")
        yield


def publish() -> None:
    """Sends the tasks, waits for them, and shows which worker ran them."""
    from .app import app, router  # needs the broker's address

    title(f"Sending {COUNT} tasks")
    shuffled = random.Random(1)
    began = time.monotonic()
    sent: dict[str, str] = {}
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bars:
        publishing, running = bars.add_task("published", total=COUNT), bars.add_task("run", total=COUNT)
        for number in range(COUNT):
            name = shuffled.choice(TASKS)
            delay = COUNTDOWN if number % DELAYED == 0 else None
            sent[app.send_task(name, (SECONDS,), countdown=delay).id] = name
            bars.advance(publishing)
        waiting = set(sent)
        while waiting:
            if time.monotonic() - began > 90:
                raise Failed(f"{len(waiting)} tasks have not run")
            waiting = {each for each in waiting if not app.AsyncResult(each).ready()}
            bars.update(running, completed=COUNT - len(waiting))
            time.sleep(0.1)
    took = time.monotonic() - began
    results = {each: app.AsyncResult(each).get() for each in sent}
    console.print(table([(name, results[each]) for each, name in sent.items()], router))
    check([(name, results[each]) for each, name in sent.items()], router)
    console.print(
        f"{COUNT} tasks in {took:.1f} s, {COUNT // DELAYED} of them delayed by {COUNTDOWN} s on the broker: "
        "each went through its queue in queues.yaml, and ran on a worker that consumes it.",
        soft_wrap=True,
    )


def table(ran: list[tuple[str, dict[str, str]]], router: Any) -> Table:
    """A row for each task: its queue, and how many each worker ran."""
    found = Table("task", "queue", *(f"{name} worker" for name in WORKERS), title="Which worker ran what")
    counts = Counter((name, result["worker"]) for name, result in ran)
    for name in sorted({name for name, _ in ran}, key=lambda name: WORKERS.index(router.route(name).queue)):
        cells = (str(counts[name, worker] or "·") for worker in WORKERS)
        found.add_row(name, router.route(name).queue, *cells)
    totals = Counter(result["worker"] for _, result in ran)
    found.add_section()
    found.add_row("all", "", *(str(totals[worker]) for worker in WORKERS))
    return found


def check(ran: list[tuple[str, dict[str, str]]], router: Any) -> None:
    """Compares the results with the file."""
    for name, result in ran:
        decision, consumed = router.route(name), router.body.workers[result["worker"]].queues
        if result["key"] != decision.routing_key or decision.queue not in consumed:
            raise Failed(
                f"task {name} of queue {decision.queue} had key {result['key']} and ran on {result['worker']}"
            )


def compare(folder: Path) -> None:
    """Sends more than a worker can run, by order and by Celery's own, and shows how long tasks waited."""
    from .app import app, router

    title("One worker, more tasks than it can run", "worker low -A demo.app")
    stock = ("-A", "demo.stock", "worker", "-Q", ",".join(TIERS), "-c", "2", "--prefetch-multiplier", "1")
    console.print(f"$ celery {shlex.join(stock)}", style="cyan", markup=False, soft_wrap=True)
    found = []
    for name, command in (
        ("low", (*ROUTECTL, "worker", "low", "-A", "demo.app", "--")),
        ("stock", (sys.executable, "-m", "celery", *stock)),
    ):
        with worker(name, folder, *command) as running:
            running.wait()
            try:
                found.append(waits.measure(app, router, 60))
            except TimeoutError:
                raise Failed(f"worker {name} has not run all tasks") from None
    console.print(waits.table(*found))
    console.print(waits.SUMMARY, soft_wrap=True)


@contextlib.contextmanager
def worker(name: str, folder: Path, *command: str) -> Iterator[Worker]:
    """A worker, which ends with the block: it finishes its tasks, or is killed after ten seconds."""
    log = folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "-l", "INFO"],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C must only reach the demo, which stops the workers
        )
    try:
        yield Worker(name, process, log)
    finally:
        with uninterrupted():
            stop(process)


@dataclass(frozen=True)
class Worker:
    """A running worker and its log."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def wait(self) -> None:
        """Waits until it is ready."""
        deadline = time.monotonic() + 60
        while " ready." not in self.log.read_text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Failed(f"worker {self.name} did not start:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.1)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Stops a worker."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignores a second Ctrl-C during the shutdown."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def routectl(*words: str) -> str:
    """Runs a command and returns its output.

    Raises:
      Failed: The command failed.
    """
    done = subprocess.run([*ROUTECTL, *words], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Failed(f"`routectl {shlex.join(words)}` exited with {done.returncode}")
    return done.stdout.rstrip()


def title(heading: str, *commands: str) -> None:
    """Prints a heading and the commands that follow."""
    console.print()
    console.rule(f"[bold]{heading}", align="left")
    for words in commands:
        console.print(f"$ routectl {words}", style="cyan", markup=False, soft_wrap=True)


def show(text: str) -> None:
    """Prints the output of a command unchanged."""
    console.print(text, markup=False, soft_wrap=True)


ROUTECTL = (sys.executable, "-c", "from routectl.cli.main import main; main()")

if __name__ == "__main__":
    sys.exit(main())
