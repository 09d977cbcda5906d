"""`routectl check --app` where rules ask what a task is called with: what is known of calls, and what is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import celery
import pytest
from celery import Celery
from celery.app.utils import find_app
from celery.beat import Scheduler

from routectl.routing.check.app import reader
from routectl.routing.check.context import VhostContext
from routectl.topology.file.load import load

from ....checking import checked, module

FILE = """\
version: 1
queues: {critical: , flaky: , default: , sync: {shards: 4}}
routes:
  - {tasks: acme.sync.*, when: {kwargs.tenant: bigcorp}, queue: critical}
  - {tasks: acme.beat.*, when: {headers.celery_beat_task: true}, queue: critical}
  - {tasks: acme.beat.*, when: {headers.tenant: bigcorp}, queue: critical}
  - {tasks: acme.urgent.*, when: {options.priority: {ge: 5}}, queue: critical}
  - {tasks: acme.shard.*, queue: sync, shard_by: kwargs.id}
unmatched: default
"""

APP = """\
from celery import Celery
from celery.beat import BeatLazyFunc
from routectl.routing import Router
from routectl.routing.celery import configure

app = Celery("acme", broker="amqp://nowhere//", set_as_current=False)
{setup}


def task(name, **options):
    app.task(name=name, shared=False, **options)(nothing)


def nothing(*_, **__): ...


{tasks}


def entry(task, **more):
    return {{"task": task, "schedule": 60, **more}}


def tenant():
    raise AssertionError("beat asks for it when the entry is due")


app.conf.beat_schedule = {{{schedule}}}
"""

#: Whether beat marks its messages with a header.
MARKED = celery.VERSION >= (5, 6)

BIG = 'kwargs={"tenant": "bigcorp"}'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "queues.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def write(folder: Path, tasks: str, schedule: str = "", setup: str = "configure(app, 'queues.yaml')") -> str:
    return module(folder, APP.format(setup=setup, tasks=tasks, schedule=schedule))


def found(
    capsys: pytest.CaptureFixture[str],
    folder: Path,
    tasks: str,
    schedule: str = "",
    setup: str = "configure(app, 'queues.yaml')",
    code: int = 1,
) -> list[str]:
    allowed = ("unused-rule", "unmatched-task", "unreached-queue", "lost-priority")
    words = [word for each in allowed for word in ("--allow", each)]
    document = checked(capsys, "--app", write(folder, tasks, schedule, setup), *words, code=code)
    return [finding["message"] for finding in document["findings"]]


def test_a_task_with_a_queue_of_its_own_is_held_against_a_call_without_arguments(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert found(capsys, folder, 'task("acme.sync.flaky", queue="flaky")') == [
        "task `acme.sync.flaky` sets `queue: flaky` itself and goes to `flaky`; "
        "called without arguments, `unmatched` routes it to `default`"
    ]
    assert found(capsys, folder, 'task("acme.sync.flaky", queue="default")', code=0) == []
    assert found(capsys, folder, 'task("acme.sync.flaky", queue="critical")') == [
        "task `acme.sync.flaky` sets `queue: critical` itself and goes to `critical`; "
        "called without arguments, `unmatched` routes it to `default`"
    ]


def test_options_that_a_task_sets_itself_are_known(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (message,) = found(capsys, folder, 'task("acme.urgent.a", queue="flaky", priority=7)')
    assert message.endswith(
        "; called without arguments, queues.yaml:7 `acme.urgent.*` routes it to `critical`"
    )


@pytest.mark.parametrize(
    ("entry", "decision"),
    [
        ('"acme.sync.a"', "`unmatched` routes it to `default`"),
        (f'"acme.sync.a", {BIG}', "queues.yaml:4 `acme.sync.*` routes it to `critical`"),
        ('"acme.sync.a", kwargs={"tenant": "other"}', "`unmatched` routes it to `default`"),
        (
            '"acme.beat.a"',
            "queues.yaml:5 `acme.beat.*` routes it to `critical`"
            if MARKED
            else "`unmatched` routes it to `default`",
        ),
        ('"acme.shard.a", kwargs={"id": 7}', "queues.yaml:8 `acme.shard.*` routes it to `sync.1`"),
        ('"acme.shard.a"', "`unmatched` routes it to `default`"),
        (
            '"acme.sync.a", kwargs={"tenant": BeatLazyFunc(tenant)}',
            "called without arguments, `unmatched` routes it to `default`",
        ),
    ],
)
def test_an_entry_of_the_schedule_is_checked_with_its_own_call(
    entry: str, decision: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = "\n".join(f"task({name!r})" for name in ("acme.sync.a", "acme.beat.a", "acme.shard.a"))
    schedule = f'"nightly": entry({entry}, options={{"queue": "flaky"}})'
    (message,) = found(capsys, folder, tasks, schedule)
    name = entry.split('"')[1]
    assert message == (
        f"schedule entry `nightly` (task `{name}`) sets `queue: flaky` itself and goes to `flaky`; {decision}"
    )


def test_headers_and_priorities_of_an_entry_count(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "queues.yaml").write_text(FILE.replace("celery_beat_task: true", "nothing: 1"))
    options = '{"queue": "flaky", "headers": {"tenant": "bigcorp"}, "priority": 6}'
    schedule = f'"a": entry("acme.beat.a", options={options}), "b": entry("acme.urgent.a", options={options})'
    beat, urgent = found(capsys, folder, 'task("acme.beat.a"); task("acme.urgent.a", priority=1)', schedule)
    assert beat.endswith("; queues.yaml:6 `acme.beat.*` routes it to `critical`")
    assert urgent.endswith("; queues.yaml:7 `acme.urgent.*` routes it to `critical`")


def test_an_entry_without_options_is_reported_if_its_arguments_make_a_difference(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    setup = 'app.conf.task_routes = {"acme.*": "default", "celery.*": "default"}'
    schedule = f"""
        "big": entry("acme.sync.a", {BIG}),
        "plain": entry("acme.sync.a"),
        "other": entry("acme.sync.a", kwargs={{"tenant": "other"}}),
    """
    assert found(capsys, folder, 'task("acme.sync.a")', schedule, setup) == [
        "the app sends schedule entry `big` (task `acme.sync.a`) to `default`; "
        "queues.yaml:4 `acme.sync.*` routes it to `critical`"
    ]
    setup = 'app.conf.task_routes = {"acme.*": "critical", "celery.*": "default"}'
    assert found(capsys, folder, 'task("acme.sync.a")', schedule, setup) == [
        "the app sends task `acme.sync.a` to `critical`; called without arguments, `unmatched` routes it to `default`",
    ]


SHARDS = "remove `queue`, so that {} chooses, or name one of them, `sync.0` to `sync.3`"


@pytest.mark.parametrize(
    ("tasks", "schedule", "who"),
    [
        ('task("{}", queue="sync")', "", "task `{}`"),
        ('task("{}")', '"n": entry("{}", options={{"queue": "sync"}})', "schedule entry `n` (task `{}`)"),
        (
            'from kombu import Queue; task("{}")',
            '"n": entry("{}", options={{"queue": Queue("sync", no_declare=True)}})',
            "schedule entry `n` (task `{}`)",
        ),
    ],
)
@pytest.mark.parametrize(
    ("name", "rule"),
    [("acme.shard.a", "the file's rule with `shard_by`"), ("acme.sync.a", "the file")],
)
def test_a_queue_with_shards_is_not_named_as_a_whole(
    tasks: str,
    schedule: str,
    who: str,
    name: str,
    rule: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = write(folder, tasks.format(name), schedule.format(name))
    codes = ("unused-rule", "unreached-queue", "unmatched-task")
    allowed = [word for code in codes for word in ("--allow", code)]
    (finding,) = checked(capsys, "--app", words, *allowed)["findings"]
    assert finding["message"].startswith(f"{who.format(name)} sets `queue: sync` itself ")
    assert finding["help"] == f"`sync` has 4 shards: {SHARDS.format(rule)}"


def test_an_app_that_makes_missing_queues_sends_to_one_that_is_not_there(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    setup = 'app.conf.task_routes = {"*": "default"}'
    assert found(capsys, folder, 'task("acme.shard.a", queue="sync")', setup=setup) == [
        "task `acme.shard.a` sets `queue: sync` itself and goes to `sync`, of which only the 4 shards are queues; "
        "called without arguments, `unmatched` routes it to `default`"
    ]


SENDERS = """
task("acme.sync.a"); task("acme.beat.a"); task("acme.shard.a"); task("acme.urgent.a", priority=7)
"""

SCHEDULE = f"""
    "1": entry("acme.sync.a"), "2": entry("acme.sync.a", {BIG}),
    "3": entry("acme.beat.a"), "4": entry("acme.beat.a", options={{"headers": {{"x": 1}}}}),
    "5": entry("acme.shard.a", kwargs={{"id": 7}}), "6": entry("acme.shard.a", args=[7]),
    "7": entry("acme.urgent.a"), "8": entry("acme.urgent.a", options={{"priority": 1}}),
    "9": entry("acme.not_registered", {BIG}),
"""


@pytest.mark.parametrize(
    "setup",
    [
        "configure(app, 'queues.yaml')",
        "app.conf.task_default_priority = 6; configure(app, 'queues.yaml')",
        "app.conf.task_default_priority = 6; app.conf.task_routes = (Router.from_file('queues.yaml'),)",
    ],
)
def test_what_a_router_is_asked_is_what_celery_and_beat_ask_it(
    setup: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = write(folder, SENDERS, SCHEDULE, setup)
    part = VhostContext.of(load("queues.yaml"), None)
    senders = [each for each in reader.read(name, part.body).senders if each.task.startswith("acme.")]
    app = find_app(name)
    asked = record(app, monkeypatch)
    for sender in senders:
        if sender.schedule is None:
            app.tasks[sender.task].apply_async()
        else:
            beat = Scheduler(app, lazy=True)
            beat.update_from_dict(app.conf.beat_schedule)
            beat.apply_async(beat.schedule[sender.schedule], advance=False)
    assert len(senders) == 13
    checked = [(list(each.call.args), each.call.kwargs, options(each.call.options)) for each in senders]
    assert checked == asked
    decided = [part.router.table.route(each.task, each.call).queue for each in senders]
    assert [each.sent.routing_key for each in senders] == decided


def record(app: Celery, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Notes what Celery asks the app's router, and sends nothing."""
    asked: list[Any] = []
    router = app.amqp.router
    ask = router.route

    def route(handed: dict[str, Any], name: str, args: Any = (), kwargs: Any = None, task: Any = None) -> Any:
        asked.append((list(args or ()), kwargs or {}, options(handed)))
        return ask(handed, name, args, kwargs, task)

    monkeypatch.setattr(router, "route", route)
    monkeypatch.setattr(app.amqp, "send_task_message", lambda *_, **__: None)
    return asked


def options(handed: Any) -> dict[str, Any]:
    """Options without those that say nothing."""
    return {name: value for name, value in handed.items() if value not in (None, {})}
