"""`routectl check --app` compares the destinations that tasks and schedules set themselves with the workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from routectl.cli.main import run

from ....checking import FILE, checked, codes, write

pytestmark = pytest.mark.usefixtures("folder")


def test_a_place_that_a_task_or_schedule_names_itself_is_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "queues.yaml").write_text(FILE.replace("routes:\n", "  alone: {}\nroutes:\n"))
    after = """\
@app.task(name="alone", queue="alone", shared=False)
def alone(): ...


@app.task(name="billing.lost", queue="gone", shared=False)
def lost(): ...


@app.task(name="billing.keyed", routing_key="nothing", shared=False)
def keyed(): ...


entry = {"task": "billing.charge", "schedule": 60, "options": {"queue": "alone"}}
app.conf.beat_schedule = {"nightly": entry, "daily": {"task": "alone", "schedule": 60}}
"""
    name = write(folder, after=after)
    assert run(["check", "--app", name, "--allow", "own-options", "--allow", "lost-task"]) == 1
    out, _ = capsys.readouterr()
    rows = [line.split(maxsplit=4) for line in out.splitlines()]
    assert ["alone", "alone", "-", "none", "its own queue: alone"] in rows
    assert ["billing.lost", "-", "-", "-", "its own queue: gone"] in rows
    assert ["billing.keyed", "-", "-", "-", "its own routing_key: nothing"] in rows
    rule = "queues.yaml:9  billing.* or queue: alone of entry nightly"
    assert ["billing.charge", "high,alone", "high", "high", rule] in rows
    assert out.endswith("\nFound 1 unconsumed-queue in 3 routes, 2 tests, 15 tasks\n")
    document = checked(capsys, "--app", name, "--allow", "own-options", "--allow", "lost-task")
    (finding,) = document["findings"]
    assert (finding["code"], finding["line"]) == ("unconsumed-queue", 7)
    assert finding["message"] == (
        "task `alone` goes to queue `alone`, as 2 more do, but no worker profile consumes it"
    )
    tasks = {task["task"]: task for task in document["tasks"]}
    shown = ("queue", "routing_key", "rule", "queues", "workers", "own")
    assert [tasks["alone"][name] for name in shown] == [
        *("alone", "alone", None, ["alone"], []),
        [{"schedule": None, "queue": "alone"}],
    ]
    assert tasks["billing.lost"]["error"].startswith("UnknownQueue: ")
    assert tasks["billing.keyed"]["error"] == (
        "it goes to exchange `tasks` with key `nothing`, which does not reach exactly one queue"
    )
    charge = tasks["billing.charge"]
    assert (charge["queue"], charge["queues"]) == ("high", ["high", "alone"])
    assert charge["own"] == [{"schedule": "nightly", "queue": "alone"}]


def test_a_queue_that_an_app_of_its_own_routes_leads_to_needs_a_worker(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "queues.yaml").write_text(FILE.replace("routes:\n", "  alone: {}\nroutes:\n"))
    routes = {"billing.*": "alone", "celery.*": "low", "orders.*": "low"}
    name = write(folder, f"app.conf.task_routes = {routes}")
    allowed = ("--allow", "own-routes", "--allow", "unreached-queue")
    (finding,) = checked(capsys, "--app", name, *allowed)["findings"]
    assert (finding["code"], finding["task"]) == ("unconsumed-queue", "billing.charge")
    external = FILE.replace("routes:\n", "  alone: {external: true}\nroutes:\n")
    (folder / "queues.yaml").write_text(external)
    assert codes(checked(capsys, "--app", name, *allowed, code=0)) == []


def test_queues_beside_the_files_are_shown_with_the_entries_that_name_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    after = """
from celery.utils.nodenames import worker_direct
from kombu import Queue

app.conf.task_queues = [*(app.conf.task_queues or ()), Queue("mine")]
own = {"billing.charge": worker_direct("x@y"), "celery.mine": "mine", "celery.group": "orders"}
app.conf.beat_schedule = {
    task: {"task": task, "schedule": 60, "options": {"queue": queue}} for task, queue in own.items()
}
"""
    for setup in ("configure(app, 'queues.yaml')", ""):
        document = checked(capsys, "--app", write(folder, setup, after=after))
        queues = {task["task"]: task["queues"] for task in document["tasks"]}
        assert queues["billing.charge"] == ["high", "x@y.dq2"]
        assert queues["celery.mine"] == ["low", "mine"]
        assert queues["celery.group"] == ["low"]  # `orders` is three shards, and no queue
