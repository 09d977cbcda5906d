"""Queues that a worker with an order serves in another way, or not at all.

It keeps a consumer of those that it cannot ask for a task.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amqp.exceptions import NotFound
from celery import Celery

from ..conftest import QUICK, Project, publisher, until

FILE = """
version: 1
queues:
  high: {}
  single: {single_active_consumer: true}
  quorum: {type: quorum, single_active_consumer: true}
  leaving: {auto_delete: true}
  unused: {expires: 2m}
  bare: {max_wait: 1m}
  elsewhere: {type: quorum, external: true} # with a single active consumer, which the file does not say
routes:
  - {tasks: "{queue}:*", queue: "{queue}"}
unmatched: high
delayed_delivery: never
workers:
  all: {queues: [high, single, quorum, leaving, unused], order: strict, concurrency: 1, pool: threads}
  other: {queues: [high, elsewhere], order: strict, concurrency: 1, pool: threads}
  full: {queues: [high, bare], order: strict, reserve: {high: 2}}
  alike: {queues: [high, bare], prefetch_multiplier: 1}
"""

#: A task that ends when the file `go` exists, and one for each queue.
TASKS = """
@app.task(name="high:hold")
def hold(folder):
    open(f"{folder}/holding", "w").close()
    while not os.path.exists(f"{folder}/go"):
        time.sleep(0.01)

for queue in ("high", "single", "quorum", "leaving", "unused", "elsewhere"):
    app.task(seen, bind=True, name=f"{queue}:run")
"""

PUSHED = ("single", "quorum", "leaving", "unused")


def consumers(app: Celery, queue: str) -> int | None:
    """How many consumers a queue has; None if it does not exist."""
    with app.connection_for_read() as connection, connection.channel() as channel:
        try:
            return int(channel.queue_declare(queue, passive=True).consumer_count)
        except NotFound:
            return None


def ready(app: Celery, queue: str) -> int:
    """How many of its tasks no worker has got."""
    with app.connection_for_read() as connection, connection.channel() as channel:
        return int(channel.queue_declare(queue, passive=True).message_count)


def test_a_busy_worker_keeps_its_consumers_and_starts_their_tasks_in_turn(
    fresh_project: Project, tmp_path: Path
) -> None:
    project = fresh_project
    with (project.folder / "proj.py").open("a") as module:
        module.write(TASKS)
    for queue, arguments in {
        "high": {},
        "single": {"x-single-active-consumer": True},
        "quorum": {"x-queue-type": "quorum", "x-single-active-consumer": True},
        "unused": {"x-expires": 120_000},
    }.items():
        project.put("queues", queue, {"durable": True, "arguments": arguments})
    project.put("queues", "leaving", {"durable": True, "auto_delete": True})
    with publisher(project) as app, project.worker("--profile", "all", *QUICK):
        until(lambda: [consumers(app, queue) for queue in PUSHED] == [1] * len(PUSHED))
        held = app.send_task("high:hold", [str(tmp_path)])
        until((tmp_path / "holding").exists)
        results = {queue: app.send_task(f"{queue}:run") for queue in (*reversed(PUSHED), "high")}
        until(lambda: not any(ready(app, queue) for queue in PUSHED))
        assert [consumers(app, queue) for queue in PUSHED] == [1] * len(PUSHED)
        (tmp_path / "go").touch()
        held.get(timeout=60)
        ran: dict[str, Any] = {queue: result.get(timeout=60)[-1] for queue, result in results.items()}
        assert sorted(ran, key=ran.__getitem__) == ["high", *PUSHED]
        assert [consumers(app, queue) for queue in PUSHED] == [1] * len(PUSHED)


def test_a_queue_that_turns_out_to_refuse_gets_is_pushed(fresh_project: Project) -> None:
    project = fresh_project
    with (project.folder / "proj.py").open("a") as module:
        module.write(TASKS)
    single = {"x-queue-type": "quorum", "x-single-active-consumer": True}
    project.put("queues", "high", {"durable": True, "arguments": {}})
    project.put("queues", "elsewhere", {"durable": True, "arguments": single})
    with publisher(project) as app, project.worker("--profile", "other", *QUICK) as worker:
        for queue in ("elsewhere", "high", "elsewhere"):
            assert app.send_task(f"{queue}:run").get(timeout=60)[0] == "other"
        worker.wait_for("queue `elsewhere` has a single active consumer, which the file does not say")


def test_a_worker_without_slots_for_a_queue_says_so(fresh_project: Project) -> None:
    fresh_project.provision()
    with fresh_project.worker("--profile", "full", "-P", "threads", "-c", "2", *QUICK) as worker:
        worker.wait_for("tasks of `bare` never start: the worker has 2 slots, all reserved for higher queues")
    with fresh_project.worker("--profile", "full", "-P", "threads", "-c", "3", *QUICK) as worker:
        worker.wait_for("starts tasks in strict order")
        assert "never start" not in worker.text


def test_a_worker_logs_the_order_of_the_queues_that_it_consumes(fresh_project: Project) -> None:
    fresh_project.provision()
    with fresh_project.worker("--profile", "full", "-Q", "bare", "-c", "3", *QUICK) as worker:
        worker.wait_for("starts tasks in strict order: `bare`\n")


def test_a_worker_without_the_profile_that_orders_its_queues_says_so(fresh_project: Project) -> None:
    fresh_project.provision()
    warning = r"takes its queues in turn: without `--profile`, it has no order \(`--profile full`\)"
    with fresh_project.worker("-Q", "bare", "-c", "1", *QUICK) as worker:
        worker.wait_for(warning)
    with fresh_project.worker("--profile", "alike", "-c", "1", *QUICK) as worker:
        worker.wait_for(r"ready\.")
        assert "takes its queues in turn" not in worker.text
