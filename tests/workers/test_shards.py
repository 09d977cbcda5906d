"""Workers and shards: all of them for one worker, or a share for each, and an account's tasks always in the same."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from celery import Celery, chord
from celery.exceptions import QueueNotFound

from .conftest import CELERY, QUICK, Project, WorkerProcess, publisher
from .test_commands import ROUTECTL

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  orders: {type: quorum, shards: 6, bindings: [{exchange: tasks, key: orders}]}
  normal: {type: quorum, bindings: [{exchange: tasks, key: normal}]}
routes: [{tasks: "orders.*", queue: orders, shard_by: [kwargs.account_id, args.0]}]
unmatched: normal
workers:
  orders: {queues: [orders, normal], shares: 2, concurrency: 1, pool: threads}
  normal: {queues: [normal]}
"""

SHOP = """
import os
from celery import Celery
from routectl.routing.celery import configure

app = Celery("shop", broker=os.environ["PROJ_BROKER"], backend="file://" + os.environ["PROJ_RESULTS"])
app.conf.broker_connection_retry_on_startup = True
configure(app, "queues.yaml")

def seen(task):
    # A task that waited on the broker comes with the key that it waited with.
    shard = ".".join(task.request.delivery_info["routing_key"].split(".")[-2:])
    return [task.request.hostname.split("@")[0], shard]

@app.task(bind=True, name="orders.place")
def place(self, account_id): return seen(self)

@app.task(bind=True, name="orders.retry", max_retries=1)
def retry(self, account_id, countdown):
    # Celery stores RETRY after it has sent the retry, and so may store it over the retry's own SUCCESS.
    self.backend.mark_as_retry = lambda *_, **__: None
    if self.request.retries == 0:
        raise self.retry(countdown=countdown)
    return seen(self)

@app.task(bind=True, name="orders.total")
def total(self, found, account_id): return seen(self)

@app.task(name="orders.note")
def note(account_id, number):
    with open(os.environ["PROJ_RESULTS"] + f"/notes-{account_id}", "a") as notes:
        notes.write(f"{number}\\n")

@app.task(bind=True, name="other")
def other(self): return seen(self)
"""

WORKER = (*CELERY, "-A", "shop", "worker")


@pytest.fixture(scope="module", autouse=True)
def _provisioned(project: Project) -> None:
    (project.folder / "shop.py").write_text(SHOP)
    project.provision()


@pytest.fixture(scope="module")
def app(project: Project) -> Iterator[Celery]:
    with publisher(project) as made:
        yield made


@pytest.fixture(scope="module")
def workers(project: Project) -> Iterator[list[WorkerProcess]]:
    """Both workers of the profile, by the commands that `routectl workers` prints."""
    printed = project.run(*ROUTECTL, "workers", "-A", "shop", "--format", "json")
    commands = [each["command"] for each in json.loads(printed.stdout)["workers"] if each["share"]]
    with ExitStack() as stack:
        yield [
            stack.enter_context(project.worker(*QUICK, program=(*CELERY, *command[1:])))
            for command in commands
        ]


def where(app: Celery, accounts: range) -> dict[int, list[str]]:
    """The worker and the shard of a task for each account."""
    sent = {account: app.send_task("orders.place", kwargs={"account_id": account}) for account in accounts}
    return {account: result.get(timeout=60) for account, result in sent.items()}


def queues(worker: WorkerProcess) -> list[str]:
    """The queues that the worker's banner lists, by name."""
    return re.findall(r"\.> (\S+)\s+exchange=", worker.text)


def test_two_shares_run_all_tasks_and_each_only_its_own(app: Celery, workers: list[WorkerProcess]) -> None:
    shards = defaultdict(set)
    for node, shard in where(app, range(60)).values():
        shards[node].add(shard)
    assert shards == {
        "orders-1": {"orders.0", "orders.2", "orders.4"},
        "orders-2": {"orders.1", "orders.3", "orders.5"},
    }


def test_an_account_has_one_shard_however_it_is_named(app: Celery, workers: list[WorkerProcess]) -> None:
    found = where(app, range(20))
    assert where(app, range(20)) == found
    for named in (int, str):
        sent = [app.send_task("orders.place", (named(account),)) for account in found]
        assert [result.get(timeout=60) for result in sent] == list(found.values())


def test_tasks_of_one_account_run_in_the_order_in_which_they_were_sent(
    app: Celery, project: Project, workers: list[WorkerProcess]
) -> None:
    for result in [app.send_task("orders.note", (number % 5, number)) for number in range(200)]:
        result.get(timeout=60)
    for account in range(5):
        notes = (project.folder / f"results/notes-{account}").read_text().split()
        assert notes == [str(number) for number in range(200) if number % 5 == account]


def test_every_share_takes_what_has_no_shards(app: Celery, workers: list[WorkerProcess]) -> None:
    assert all(worker.text.count(".> normal ") == 1 for worker in workers)
    node, key = app.send_task("other").get(timeout=60)
    assert node in ("orders-1", "orders-2")
    assert key == "normal"


def test_a_worker_says_which_shards_it_takes(workers: list[WorkerProcess]) -> None:
    first, second = (worker.text for worker in workers)
    assert "share 1/2: consumes shards 0, 2, 4 of the 6 of `orders`" in first
    assert "share 2/2: consumes shards 1, 3, 5 of the 6 of `orders`" in second


@pytest.mark.parametrize("countdown", [0, 1])
def test_a_retry_keeps_its_shard(app: Celery, workers: list[WorkerProcess], countdown: int) -> None:
    found = where(app, range(6))
    calls = ({"account_id": account, "countdown": countdown} for account in found)
    sent = [app.send_task("orders.retry", kwargs=kwargs) for kwargs in calls]
    assert [result.get(timeout=60) for result in sent] == list(found.values())


def test_a_delayed_task_comes_back_to_its_shard(app: Celery, workers: list[WorkerProcess]) -> None:
    found = where(app, range(6))
    sent = [app.send_task("orders.place", (account,), countdown=1) for account in found]
    assert [result.get(timeout=60) for result in sent] == list(found.values())


def test_a_chords_body_goes_to_its_shard(app: Celery, workers: list[WorkerProcess]) -> None:
    found = where(app, range(3))
    for account, came in found.items():
        parts = [app.signature("orders.place", (number,)) for number in range(2)]
        body = app.signature("orders.total", kwargs={"account_id": account})
        assert chord(parts, body, app=app).delay().get(timeout=60) == came


def test_a_task_without_the_key_goes_to_the_next_rule(app: Celery, workers: list[WorkerProcess]) -> None:
    assert app.send_task("orders.place", kwargs={"account_id": None}).get(timeout=60)[1] == "normal"


def test_a_worker_without_a_share_takes_every_shard(project: Project) -> None:
    with project.worker("--profile=orders", *QUICK, program=WORKER) as worker:
        assert worker.node.startswith("orders@")
        assert queues(worker) == ["normal", *(f"orders.{number}" for number in range(6))]
        assert "consumes all 6 shards of `orders`" in worker.text


@pytest.mark.parametrize(
    ("words", "node", "numbers"),
    [
        (("--share", "3/3", "--profile", "orders"), "orders-3", "25"),
        (("--profile=orders", "--share=2/3", "-n", "mine@%h"), "mine", "14"),
        (("--share=6/6",), "celery-6", "5"),
        (("-Q", "orders", "--share=2/2"), "celery-2", "135"),
        (("-Q", "orders.4,orders.1"), "celery", "14"),
        (("-Q", "orders", "-X", "orders.0"), "celery", "12345"),
        (("--profile=normal", "-Q", "orders", "--share=1/6"), "normal-1", "0"),
    ],
)
def test_a_share_goes_with_the_other_options(
    project: Project, words: tuple[str, ...], node: str, numbers: str
) -> None:
    with project.worker(*words, *QUICK, "-P", "solo", program=WORKER) as worker:
        assert worker.node.split("@")[0] == node
        shards = sorted(queue for queue in queues(worker) if queue.startswith("orders."))
        assert shards == [f"orders.{number}" for number in numbers]


def test_a_share_by_environment_variable_outlives_a_restart(project: Project) -> None:
    project.environment["ROUTECTL_SHARE"] = "3/3"
    try:
        with project.worker(
            "worker", "orders", "-A", "shop", "--", *QUICK, "-P", "solo", program=ROUTECTL
        ) as worker:
            assert worker.node.startswith("orders-3@")
            assert "share 3/3: consumes shards 2, 5 of the 6 of `orders`" in worker.text
            os.kill(worker.process.pid, 1)
            worker.wait_for(r"(?s)ready\..*share 3/3: consumes shards 2, 5.*ready\.")
    finally:
        del project.environment["ROUTECTL_SHARE"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("--profile=orders", "--share=0/3"),
            "there is no share `0/3`\nhint: use a share from 1/3 to 3/3",
        ),
        (
            ("--profile=orders", "--share=x"),
            "`x` is not a share\nhint: write `2/3` for the second of three workers",
        ),
        (
            ("--profile=orders", "--share=1/7"),
            "of 7 workers, 1 would have none of the 6 shards of `orders`\n"
            "hint: use fewer workers, or set more `shards` for the queue",
        ),
        (
            ("--profile=normal", "--share=1/2"),
            "there is nothing to share: none of `normal` has `shards`\n"
            "hint: omit the share, or set `shards` for one of the queues",
        ),
        (("-Q", "ordesr"), "queues.yaml has no queue `ordesr`\nhint: did you mean `orders`?"),
    ],
)
def test_what_cannot_be_shared_is_one_sentence(
    project: Project, words: tuple[str, ...], sentence: str
) -> None:
    done = project.run(*WORKER, *words)
    assert done.returncode == 2
    assert done.stderr.strip() == f"error: {sentence}"


def test_a_caller_may_name_a_shard_and_not_the_queue_that_has_them(
    app: Celery, workers: list[WorkerProcess]
) -> None:
    with pytest.raises(QueueNotFound, match="orders"):
        app.send_task("orders.place", (1,), queue="orders")
    for number, node in ((2, "orders-1"), (3, "orders-2")):
        shard = f"orders.{number}"
        assert app.send_task("orders.place", (1,), queue=shard).get(timeout=60) == [node, shard]
