"""A rule with `when` sees a call in whatever way Celery is told of it: each task is published and read back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from celery import Celery, chain, chord, group

from routectl.routing.celery import configure

from .conftest import QUICK, Project, until
from .places import messages

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  acme: {bindings: [{exchange: tasks, key: acme}]}
  urgent: {max_priority: 9, bindings: [{exchange: tasks, key: urgent}]}
  gold: {}
  big: {}
  other: {}
routes:
  - {tasks: "t.*", queue: acme, when: {headers.tenant: acme}}
  - {tasks: "t.*", queue: urgent, when: {options.priority: {ge: 5}}}
  - {tasks: "t.*", queue: gold, when: {kwargs.account.plan: [gold, platinum]}}
  - {tasks: "t.*", queue: big, when: {args.0: {gt: 100}}}
unmatched: other
"""

#: Tasks whose results are arguments of others.
MODULE = """
import os
from celery import Celery
from routectl.routing.celery import configure

app = Celery("proj", broker=os.environ["PROJ_BROKER"], backend="file://" + os.environ["PROJ_RESULTS"])
configure(app, "queues.yaml")

@app.task(name="t.grow")
def grow(number=1): return number * 1000

@app.task(name="t.total")
def total(numbers): return sum(numbers)

@app.task(bind=True, name="t.again", max_retries=1)
def again(self, *_, **__):
    # Celery stores RETRY after it has sent the retry, and so may store it over the retry's own SUCCESS.
    self.backend.mark_as_retry = lambda *_, **__: None
    if self.request.retries == 0:
        raise self.retry(countdown=0)
    info = self.request.delivery_info
    return [self.request.retries, info["exchange"], info["routing_key"]]
"""

GOLD: dict[str, Any] = {"account": {"plan": "gold"}}
ACME: dict[str, Any] = {"headers": {"tenant": "acme"}}

Send = Callable[[Any, Celery], Any]


@pytest.fixture(scope="module", autouse=True)
def _provisioned(project: Project) -> None:
    project.provision()
    (project.folder / "proj.py").write_text(MODULE)


@pytest.fixture
def app(project: Project) -> Iterator[Celery]:
    results = f"file://{project.folder}/results"
    with Celery("publisher", broker=project.url, backend=results, set_as_current=False) as made:
        configure(made, project.folder / "queues.yaml")
        yield made


@pytest.fixture
def task(app: Celery) -> Any:
    return app.task(name="t.x")(nothing)


def nothing(*args: Any, **kwargs: Any) -> None: ...


def arrived(app: Celery) -> list[str]:
    """The queues of all tasks that came, one entry each."""
    return [queue for queue in ("acme", "urgent", "gold", "big", "other") for _ in messages(app, queue)]


WAYS: dict[str, tuple[Send, list[str]]] = {
    "delay": (lambda t, app: t.delay(101), ["big"]),
    "delay, small": (lambda t, app: t.delay(100), ["other"]),
    "delay, Decimal": (lambda t, app: t.delay(Decimal("100.01")), ["big"]),
    "delay, named": (lambda t, app: t.delay(**GOLD), ["gold"]),
    "delay, nothing": (lambda t, app: t.delay(), ["other"]),
    "apply_async": (lambda t, app: t.apply_async((101,)), ["big"]),
    "apply_async, list": (lambda t, app: t.apply_async([101]), ["big"]),
    "apply_async, named": (lambda t, app: t.apply_async(kwargs=GOLD), ["gold"]),
    "apply_async, both": (lambda t, app: t.apply_async((101,), GOLD), ["gold"]),
    "apply_async, None": (lambda t, app: t.apply_async(None, None), ["other"]),
    "headers": (lambda t, app: t.apply_async((101,), **ACME), ["acme"]),
    "priority": (lambda t, app: t.apply_async((101,), priority=7), ["urgent"]),
    "low priority": (lambda t, app: t.apply_async((101,), priority=4), ["big"]),
    "countdown": (lambda t, app: t.apply_async((101,), countdown=3600), ["big"]),
    "eta": (lambda t, app: t.apply_async((), GOLD, eta=datetime.now(UTC) + timedelta(hours=1)), ["gold"]),
    "send_task": (lambda t, app: app.send_task("t.unknown", (101,)), ["big"]),
    "send_task, list": (lambda t, app: app.send_task("t.unknown", [101]), ["big"]),
    "send_task, named": (lambda t, app: app.send_task("t.unknown", kwargs=GOLD), ["gold"]),
    "send_task, headers": (lambda t, app: app.send_task("t.unknown", **ACME), ["acme"]),
    "a queue that is named": (lambda t, app: t.apply_async((101,), queue="other"), ["other"]),
    "signature": (lambda t, app: t.s(101).delay(), ["big"]),
    "signature, named": (lambda t, app: t.s(**GOLD).apply_async(), ["gold"]),
    "signature, partial": (lambda t, app: t.s(5).delay(101), ["big"]),
    "signature, partial, named": (lambda t, app: t.s(5).apply_async(kwargs=GOLD), ["gold"]),
    "signature, immutable": (lambda t, app: t.si(5).delay(101), ["other"]),
    "signature.set, headers": (lambda t, app: t.s(101).set(**ACME).delay(), ["acme"]),
    "signature.set, priority": (lambda t, app: t.s().set(priority=7).delay(), ["urgent"]),
    "signature.set, countdown": (lambda t, app: t.s(101).set(countdown=3600).delay(), ["big"]),
    "signature by name": (lambda t, app: app.signature("t.unknown", (101,)).delay(), ["big"]),
    "chain": (lambda t, app: chain(t.s(101), t.s())(), ["big"]),
    "chain, partial": (lambda t, app: chain(t.s(5), t.s()).delay(101), ["big"]),
    "group": (lambda t, app: group(t.s(101), t.s(**GOLD), t.s()).delay(), ["gold", "big", "other"]),
    "group, partial": (lambda t, app: group(t.s(1), t.si(1), t.s()).delay(101), ["big", "big", "other"]),
    "no JSON, yet no error": (lambda t, app: t.apply_async((object(),), serializer="pickle"), ["other"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_rule_sees_what_a_task_is_called_with(task: Any, app: Celery, way: str) -> None:
    send, queues = WAYS[way]
    send(task, app)
    assert arrived(app) == queues


def test_a_rule_sees_what_comes_of_the_tasks_before(app: Celery, project: Project) -> None:
    grow, total = (app.task(name=name)(nothing) for name in ("t.grow", "t.total"))
    with project.worker(*QUICK, "-P", "solo", "-Q", "other") as worker:
        chain(grow.s(1), grow.s()).delay()
        assert until(lambda: messages(app, "big"))[0]["argsrepr"] == "(1000,)"
        chord([grow.s(1), grow.s(2)], total.s().set(**ACME)).delay()
        assert until(lambda: messages(app, "acme"))[0]["task"] == "t.total"
        worker.stop()
    assert arrived(app) == []


def test_a_retry_has_the_same_call_and_stays_where_it_was(app: Celery, project: Project) -> None:
    again = app.task(name="t.again")(nothing)
    with project.worker(*QUICK, "-P", "solo", "-Q", "acme,urgent,gold,big,other"):
        sent = {
            ("", "big"): again.delay(101),
            ("", "gold"): again.delay(**GOLD),
            ("tasks", "acme"): again.apply_async((101,), **ACME),
            ("tasks", "urgent"): again.apply_async(priority=7),
            ("", "other"): again.delay(1),
        }
        ran = {address: result.get(timeout=60, interval=0.05) for address, result in sent.items()}
    assert ran == {address: [1, *address] for address in sent}
