"""The app of docs/moving.md moves over on a real broker, step by step, and back again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from celery import Celery

from ..brokers import Broker
from ..markdown import ROOT, blocks
from .conftest import CELERY, QUICK, Project, until

#: What `import` writes is put there by the tests.
FILE = ""

ROUTECTL = str(Path(sys.executable).with_name("routectl"))
TASKS = ("billing.charge", "billing.refund", "reports.daily", "mails.send", "billing.unheard", "unheard")
QUEUES = ("high", "low", "slow")

#: The line of the page's app that declares a queue which Celery would make up otherwise.
SLOW = '    Queue("slow", Exchange("slow", "direct"), "slow"),\n'

#: What a worker without `-Q` does, and whoever publishes to a queue that Celery makes up.
DECLARE = """
from before import app
app.finalize()
app.amqp.queues["slow"]
with app.connection() as connection:
    for queue in app.amqp.queues.values():
        queue(connection).declare()
print("null")
"""


@pytest.fixture
def shop(fresh_project: Project) -> Project:
    """The page's app as `before` and `after`, and the file that was made of it."""
    fresh_project.environment.update(BROKER=fresh_project.url)
    for name, app in zip(("before", "after"), blocks(ROOT / "docs/moving.md", "python"), strict=True):
        (fresh_project.folder / f"{name}.py").write_text(app.text)
    routectl(fresh_project, "import", "celery", "before", "--out", "queues.yaml", "--force")
    return fresh_project


def routectl(project: Project, *words: str) -> CompletedProcess[str]:
    done = project.run(ROUTECTL, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture
def there(shop: Project, broker: Broker) -> tuple[str, ...]:
    """The options that name the broker."""
    return ("--broker", shop.url, "--management", broker.management)


def sent_by(project: Project, module: str) -> dict[str, list[tuple[str, Any]]]:
    """What is in every queue after each task was sent once: its name and priority."""
    project.python(
        f"from {module} import app\n"
        f"for name in {TASKS}:\n"
        "    task = app.tasks.get(name) or app.signature(name)\n"
        "    task.apply_async(ignore_result=True)\n"
        "print('null')"
    )
    with Celery(broker=project.url, set_as_current=False).connection_for_read() as connection:
        channel = connection.default_channel
        found: dict[str, list[tuple[str, Any]]] = {queue: [] for queue in QUEUES}

        def all_have_come() -> bool:
            for queue in QUEUES:
                found[queue] += taken(channel, queue)
            return sum(map(len, found.values())) == len(TASKS)

        until(all_have_come)  # an app without a file does not wait for the broker's word
        return {queue: sorted(tasks) for queue, tasks in found.items()}


def taken(channel: Any, queue: str) -> Iterator[tuple[str, Any]]:
    while message := channel.basic_get(queue, no_ack=True):
        yield message.headers["task"], message.properties.get("priority") or 0  # the same to RabbitMQ


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "made up"])
def test_where_celery_has_declared_its_queues_there_is_nothing_to_change(
    shop: Project, there: tuple[str, ...], declared: bool
) -> None:
    if not declared:
        app = shop.folder / "before.py"
        app.write_text(app.read_text().replace(SLOW, ""))
        routectl(shop, "import", "celery", "before", "--out", "queues.yaml", "--force")
        assert "\n  slow:\n" in (shop.folder / "queues.yaml").read_text()
    shop.python(DECLARE)
    routectl(shop, "plan", "--exit-code", *there)


def test_before_and_after_every_task_is_in_the_same_queue(shop: Project, there: tuple[str, ...]) -> None:
    routectl(shop, "apply", "--yes", *there)
    before = sent_by(shop, "before")
    assert before == sent_by(shop, "after")
    assert before == {
        "high": [("billing.charge", 9), ("billing.refund", 0), ("billing.unheard", 0)],
        "low": [("mails.send", 0), ("unheard", 0)],
        "slow": [("reports.daily", 0)],
    }


def test_workers_of_either_kind_take_the_tasks_of_the_other(shop: Project, there: tuple[str, ...]) -> None:
    routectl(shop, "apply", "--yes", *there)
    made = shop.state()
    for module, sender in (("after", "before"), ("before", "after")):
        with shop.worker("-A", module, "worker", "-P", "solo", *QUICK, program=CELERY) as worker:
            shop.python(
                f"from {sender} import app\n"
                "for name in ('billing.charge', 'reports.daily', 'mails.send'):\n"
                "    app.send_task(name, ignore_result=True)\n"
                "print('null')"
            )
            for name in ("billing.charge", "reports.daily", "mails.send"):
                worker.wait_for(rf"Task {name}\[\S+\] succeeded")
    assert shop.state() == made
