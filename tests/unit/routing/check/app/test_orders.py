"""`routectl check --app` and the orders of profiles: what the app's broker and messages do not allow."""

from __future__ import annotations

from pathlib import Path

import pytest

from ....checking import checked, codes, write

pytestmark = pytest.mark.usefixtures("folder")

FILE = """\
version: 1
exchanges: {tasks: {type: topic}}
queues:
  high: {bindings: [{exchange: tasks, key: high}]}
  low: {max_wait: 1m, bindings: [{exchange: tasks, key: low}]}
  rest: {max_wait: 1m, bindings: [{exchange: tasks, key: rest}]}
routes:
  - {tasks: billing.*, queue: high}
  - {tasks: orders.*, queue: low}
  - {tasks: celery.*, queue: rest}
workers:
  all: {queues: [high, low, rest], order: strict}
"""
OWN = 'app.conf.task_routes = {"*": {"exchange": "tasks", "exchange_type": "topic", "routing_key": "low"}}'


def found(
    folder: Path, capsys: pytest.CaptureFixture[str], setup: str, code: str, file: str = FILE
) -> list[str]:
    (folder / "queues.yaml").write_text(file)
    document = checked(capsys, "--app", write(folder, setup), code=1)
    return [
        f"{finding['line']}:{finding['column']} {finding['message']}"
        for finding in document["findings"]
        if finding["code"] == code
    ]


def test_an_app_that_is_set_up_from_the_file_keeps_its_orders(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "queues.yaml").write_text(FILE)
    for setup in ('configure(app, "queues.yaml")', 'app.conf.update(settings("queues.yaml"))'):
        assert codes(checked(capsys, "--app", write(folder, setup), code=0)) == []


@pytest.mark.parametrize(
    "setup",
    [OWN, 'from routectl.routing import Router; app.conf.task_routes = (Router.from_file("queues.yaml"),)'],
)
def test_tasks_without_their_time_are_found_where_a_worker_counts_it(
    setup: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    low, *_ = found(folder, capsys, setup, "undated-tasks")
    assert low.startswith("5:9 shop_")
    assert low.endswith(
        "does not say when it published a task: `max_wait` of `low` counts from the time when a worker first sees it"
    )


@pytest.mark.parametrize(
    "file", [FILE.replace("order: strict", "order: fair"), FILE.replace("max_wait: 1m, ", "")]
)
def test_a_time_that_no_worker_counts_is_not_missed(
    file: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert found(folder, capsys, OWN, "undated-tasks", file) == []


def test_a_broker_without_orders_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    setup = 'app.conf.broker_url = "redis://nowhere"; configure(app, "queues.yaml")'
    file = f"{FILE}  other: {{queues: [low, high], order: strict}}\n"
    finding, other = found(folder, capsys, setup, "broker-without-order", file)
    assert other.startswith("13:39 the order of `other` has no effect")
    assert finding.startswith("12:43 the order of `all` has no effect with the broker of shop_")
    assert finding.endswith(": only RabbitMQ has orders, workers take tasks of their queues in turn")
    assert found(folder, capsys, setup, "undated-tasks") == []
