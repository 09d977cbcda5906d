"""What Celery sends by itself, and what it does with a task that it has routed once: all of it with a real worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import Celery, chain, chord, group
from celery.canvas import chunks, xmap, xstarmap
from celery.exceptions import TaskRevokedError

from .conftest import QUICK, Project, WorkerProcess, publisher, until

#: No queue for what no rule matches, and no rule for Celery's own tasks.
FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  high: {max_priority: 9, bindings: [{exchange: tasks, key: high}]}
  low: {max_priority: 9, bindings: [{exchange: tasks, key: low}]}
routes:
  - {tasks: "billing.*", queue: high, time_limit: 60s, soft_time_limit: 50s}
  - {tasks: "reports.again", queue: low, priority: 4, serializer: yaml, headers: {tenant: acme}, expires: 1h}
  - {tasks: "reports.urgent", queue: low, priority: 6}
  - {tasks: ["reports.limited", "reports.own"], queue: low, rate_limit: 10/m}
  - {tasks: reports.late, queue: low, expires: 0.5}
  - {tasks: reports.lasting, queue: low, expires: 1h, time_limit: 60s}
  - {tasks: "reports.*", queue: low}
unmatched: refuse
workers:
  all: {queues: [high, low], pool: threads, concurrency: 4}
"""

MODULE = """
import os, time
from celery import Celery, group, signals
from routectl.routing.celery import configure

app = Celery("proj", broker=os.environ["PROJ_BROKER"], backend="file://" + os.environ["PROJ_RESULTS"])
app.conf.update(accept_content=["json", "yaml"], result_chord_retry_interval=0.05)
app.conf.task_inherit_parent_priority = True
app.conf.task_annotations = {"reports.limited": {"ignore_result": False}}
configure(app, "queues.yaml")

@signals.task_prerun.connect
def note(task, **_):
    with open("ran.txt", "a") as file:
        file.write(f"{task.request.root_id} {task.name} {task.request.delivery_info['routing_key']}\\n")

@app.task(name="billing.add")
def add(*numbers): return sum(numbers)

@app.task(name="billing.wait")
def wait():
    end = time.monotonic() + 60
    while open("ran.txt").read().count("celery.chord_unlock") < 3 and time.monotonic() < end:
        time.sleep(0.02)
    return 1

@app.task(name="reports.total")
def total(numbers): return sum(numbers)

@app.task(bind=True, name="billing.spread")
def spread(self): return self.replace(group(add.s(1, 1), add.s(2, 2)))

@app.task(bind=True, name="billing.timed")
def timed(self): return self.request.timelimit

def seen(self):
    info = self.request.delivery_info
    return [info["routing_key"], info["priority"], self.request.retries, self.request.get("tenant")]

@app.task(bind=True, name="reports.again", max_retries=2)
def again(self):
    self.backend.mark_as_retry = lambda *_, **__: None  # stored after the retry was sent, maybe over its result
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    return seen(self)

@app.task(bind=True, name="reports.lasting")
def lasting(self, first=None):
    self.backend.mark_as_retry = lambda *_, **__: None
    until = [self.request.expires, self.request.timelimit]
    if first is None:
        raise self.retry(countdown=0, kwargs={"first": until})
    return [first, until]

@app.task(bind=True, name="reports.seen")
def see(self): return seen(self)

@app.task(bind=True, name="reports.urgent")
def urgent(self): return seen(self)

@app.task(name="billing.parent")
def parent(): return [see.delay().id, urgent.delay().id, see.apply_async(priority=2).id]

@app.task(name="reports.late")
def late(): ...

@app.task(name="reports.limited")
def limited(): ...

@app.task(name="reports.own", rate_limit="1/s")
def own(): ...

@app.task(name="reports.rates")
def rates(): return [limited.rate_limit, own.rate_limit, add.rate_limit]
"""


@pytest.fixture(scope="module")
def worker(project: Project) -> Iterator[WorkerProcess]:
    project.provision()
    (project.folder / "proj.py").write_text(MODULE)
    with project.worker("--profile", "all", *QUICK) as started:
        yield started


@pytest.fixture(scope="module")
def app(project: Project, worker: WorkerProcess) -> Iterator[Celery]:
    with publisher(project) as made:
        yield made


@pytest.fixture
def run(app: Celery, project: Project) -> Callable[..., tuple[Any, set[tuple[str, str]]]]:
    """Sends a task or canvas, and says what came of it and which task came by which key."""
    ran = project.folder / "ran.txt"
    ran.write_text("")

    def send(canvas: Any, **options: Any) -> tuple[Any, set[tuple[str, str]]]:
        canvas = app.signature(canvas) if isinstance(canvas, str) else canvas
        value = canvas.apply_async(**options).get(timeout=60, interval=0.02)
        return value, {(name, key) for _, name, key in map(str.split, ran.read_text().splitlines())}

    return send


def add(app: Celery, *numbers: int) -> Any:
    return app.signature("billing.add", numbers, app=app)


ADDED, TOTALLED = ("billing.add", "high"), ("reports.total", "low")


class TestWhereNoRuleIsForThem:
    """Every task of Celery's own runs, though the file refuses tasks without a rule."""

    def test_what_unlocks_a_chord_waits_and_retries_where_the_body_goes(
        self, app: Celery, run: Any, project: Project
    ) -> None:
        waits = app.signature("billing.wait", app=app)
        total = app.signature("reports.total", app=app)
        value, ran = run(chord([waits, add(app, 2)], total, app=app))
        assert value == 3
        assert ran == {("billing.wait", "high"), ADDED, TOTALLED, ("celery.chord_unlock", "low")}
        assert (project.folder / "ran.txt").read_text().count("celery.chord_unlock") > 2

    @pytest.mark.parametrize("kind", [chain, group])
    def test_what_unlocks_a_chord_whose_body_is_more_than_one_task(
        self, app: Celery, run: Any, kind: Any
    ) -> None:
        body = kind([app.signature("reports.total", app=app), app.signature("reports.seen", immutable=True)])
        _, ran = run(chord([add(app, 1), add(app, 2)], body, app=app))
        assert {ADDED, TOTALLED, ("reports.seen", "low")} <= ran
        assert {name for name, _ in ran} - {"billing.add", "reports.total", "reports.seen"} == {
            "celery.chord_unlock"
        }

    def test_a_task_that_is_replaced_by_a_group_is_accumulated(self, run: Any) -> None:
        value, ran = run("billing.spread")
        assert value == [2, 4]
        assert ("celery.accumulate", "high") in ran

    def test_a_map_a_starmap_and_chunks(self, app: Celery, run: Any) -> None:
        total = app.signature("reports.total", app=app)
        assert run(xmap(total, [[1, 2], [3]], app=app)) == ([3, 3], {("celery.map", "low")})
        starmap = ("celery.starmap", "high")
        assert run(xstarmap(add(app), [(1, 2)], app=app)) == ([3], {("celery.map", "low"), starmap})
        value, _ = run(chunks(add(app), [(1, 2), (3, 4), (5, 6)], 2, app=app))
        assert value == [[3, 7], [11]]

    def test_a_group(self, app: Celery, run: Any) -> None:
        assert run(group([add(app, 1), add(app, 2)], app=app)) == ([1, 2], {ADDED})

    def test_the_cleaning_of_results(self, run: Any) -> None:
        assert run("celery.backend_cleanup") == (None, {("celery.backend_cleanup", "high")})


class TestRetries:
    def test_a_retry_keeps_its_queue_and_priority_and_the_rules_headers(self, run: Any) -> None:
        assert run("reports.again") == (["low", 4, 2, "acme"], {("reports.again", "low")})

    def test_a_retry_of_a_task_whose_priority_the_caller_gave(self, run: Any) -> None:
        assert run("reports.again", priority=7)[0] == ["low", 7, 2, "acme"]

    def test_a_retry_whose_binding_is_in_the_file_no_more_goes_where_the_file_says(
        self, run: Any, project: Project
    ) -> None:
        project.bind("tasks", "high", "was.high", queue=True)
        value, ran = run("reports.again", exchange="tasks", routing_key="was.high")
        assert value == ["low", 4, 2, "acme"]
        assert ran == {("reports.again", "was.high"), ("reports.again", "low")}

    def test_a_retry_does_not_live_longer(self, run: Any) -> None:
        (first, again), _ = run("reports.lasting")
        assert first == again
        assert first[1] == [60, None]


class TestPriorities:
    def test_a_child_has_its_parents_priority_unless_a_rule_or_the_caller_gives_one(
        self, app: Celery, run: Any
    ) -> None:
        children, _ = run("billing.parent", priority=8)
        seen = [app.AsyncResult(child).get(timeout=60, interval=0.02) for child in children]
        assert [priority for _, priority, _, _ in seen] == [8, 6, 2]

    def test_the_next_step_of_a_chain_and_a_callback_have_it_unless_a_rule_gives_one(
        self, app: Celery, run: Any
    ) -> None:
        """Celery hands them their parent's as if the caller had said it."""
        steps = [app.signature(name, immutable=True) for name in ("reports.seen", "reports.urgent")]
        for step, priority in zip(steps, (8, 6), strict=True):
            assert run(chain(add(app, 1), step, app=app), priority=8)[0][1] == priority
        done = add(app, 1).apply_async(priority=8, link=group(steps, app=app))
        children = until(lambda: done.get(timeout=60) and done.children)
        assert [[each.get(timeout=60)[1] for each in child] for child in children] == [[8, 6]]

    def test_each_step_of_a_chain_without_a_priority_has_its_rules(self, app: Celery, run: Any) -> None:
        steps = [app.signature(name, immutable=True) for name in ("reports.urgent", "reports.again")]
        assert run(chain(*steps, app=app))[0] == ["low", 4, 2, "acme"]


class TestLimits:
    def test_a_rules_time_limits_reach_the_worker(self, run: Any) -> None:
        assert run("billing.timed")[0] == [60, 50]
        assert run("billing.timed", time_limit=90)[0] == [90, 50]

    def test_a_rules_rate_limit_reaches_the_worker_and_a_tasks_own_wins(self, run: Any) -> None:
        assert run("reports.rates")[0] == ["10/m", "1/s", None]

    def test_a_task_that_has_expired_is_not_run(self, app: Celery, project: Project, run: Any) -> None:
        gone = app.signature("reports.late").apply_async(
            countdown=1
        )  # waits in the worker, longer than it may
        with pytest.raises(TaskRevokedError):
            gone.get(timeout=60, interval=0.02)
