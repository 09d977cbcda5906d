"""`routectl check --app` with apps that are broken, odd or large: a sentence each, never a traceback."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from routectl.cli.main import run

from ....checking import FILE, checked, module, write

pytestmark = pytest.mark.usefixtures("folder")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "import nothing_like_this",
            "app `{}` cannot be imported: ModuleNotFoundError: No module named 'nothing_like_this'",
        ),
        ("1 / 0", "app `{}` cannot be imported: ZeroDivisionError: division by zero"),
        ("raise SystemExit('no')", "app `{}` cannot be imported: SystemExit: no"),
        (
            "from celery import Celery\napp = Celery(include=['lost'])",
            "the tasks of `{}` cannot be imported: ModuleNotFoundError: No module named 'lost'",
        ),
        ("import celery", "app `{0}` was not found: `{0}` has no `app` or `celery`, and no other"),
    ],
)
def test_an_app_that_cannot_be_imported_is_one_sentence(
    text: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = module(folder, text)
    assert run(["check", "--app", name]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {message.format(name)}")
    assert [line.split(":")[0] for line in err.splitlines()] == ["error", "hint"]


BROKEN = """\
version: 1
queues: {high: {}}
routes: [{tasks: a, queue: hihg}]
unmatched: high
"""

#: Where an app may take a file as its settings: at once, and when somebody asks for them.
SETUPS = [
    "configure(app, 'other.yaml')",
    "app.add_defaults(lambda: settings('other.yaml'))",
]


@pytest.mark.parametrize("setup", SETUPS)
def test_a_mistake_in_the_apps_own_file_is_shown_with_its_place(
    setup: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "other.yaml").write_text(BROKEN)
    name = write(folder, setup)
    assert run(["check", "--app", name]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "error[unknown-name]: there is no queue `hihg` in this file\n --> other.yaml:3:28\n" in err
    assert "help: did you mean `high`?\n" in err
    assert re.search(rf"^Found 1 mistake in the file, so .*`{name}` cannot be ", err, re.MULTILINE)


def test_a_file_that_the_app_names_in_vain_is_no_matter_of_an_option(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write(folder, "configure(app, 'other.yaml')")
    assert run(["check", "--app", name]) == 2
    assert capsys.readouterr().err.removeprefix("noise\n") == (
        "error[missing-file]: there is no file `other.yaml`\n --> other.yaml:1:1\n"
        f"help: relative paths are resolved from the working directory, `{folder}`: pass an absolute path, such as "
        '`Path(__file__).with_name("queues.yaml")`\n\n'
        f"Found 1 mistake in the file, so app `{name}` cannot be imported; nothing was changed\n"
    )


def test_other_mistakes_in_the_apps_own_file_are_reported_in_full(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "other.yaml").write_text(FILE.replace("version: 1", "version: 1\nvhost: shop"))
    name = write(folder, "configure(app, 'other.yaml', vhost='shpo')")
    assert run(["check", "--app", name]) == 2
    assert capsys.readouterr().err.removeprefix("noise\n") == (
        f"error: app `{name}` cannot be imported: vhost `shpo` is not in the file\nhint: did you mean `shop`?\n"
    )


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("[]", None),
        ("[1]", "`beat_schedule` is of type `list`, not a mapping of names to entries"),
        ("{'a': 1}", "schedule entry `a` is of type `int`, not a mapping"),
        (
            "{'a': {'task': 'billing.charge', 'schedule': 'hourly'}}",
            "schedule entry `a` has a `schedule` of type `str`, not a schedule",
        ),
        ("{'a': {'schedule': 1}}", "schedule entry `a` has no `task`"),
        ("{'a': {'task': 'billing.charge'}}", "schedule entry `a` has no `schedule`"),
        (
            "{'a': {'task': app, 'schedule': 1}}",
            "schedule entry `a` has a `task` of type `Celery`, not a task name",
        ),
        (
            "{3: {'task': 'billing.charge', 'schedule': 1, 'args': (16)}}",
            "schedule entry `3` has a `args` of type `int`, not a list",
        ),
        (
            "{'a': {'task': 'billing.charge', 'schedule': 1, 'options': 'low'}}",
            "schedule entry `a` has a `options` of type `str`, not a mapping",
        ),
    ],
)
def test_a_schedule_that_beat_cannot_run(
    schedule: str, message: str | None, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write(folder, after=f"app.conf.beat_schedule = {schedule}")
    findings = checked(capsys, "--app", name, code=1 if message else 0)["findings"]
    assert [finding["message"] for finding in findings] == ([message] if message else [])
    assert {finding["code"] for finding in findings} <= {"broken-schedule"}


def test_a_schedule_made_of_celerys_own_entries(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    after = """\
from celery.beat import ScheduleEntry

entry = ScheduleEntry(name="a", task="billing.charge", schedule=60, options={"queue": "low"}, app=app)
app.conf.beat_schedule = {"a": entry}


@app.on_after_finalize.connect
def more(sender, **_):
    sender.add_periodic_task(60, charge.s().set(queue="low"), name="b")
"""
    findings = checked(capsys, "--app", write(folder, after=after))["findings"]
    assert [finding["message"].split(" (")[0] for finding in findings] == [
        "schedule entry `a`",
        "schedule entry `b`",
    ]


@pytest.mark.parametrize(
    ("routes", "error"),
    [
        ("(lambda *_, **__: 1 / 0,)", "ZeroDivisionError: division by zero"),
        ("(lambda *_, **__: exit('no'),)", "SystemExit: no"),
        ("'no.such.router'", "ModuleNotFoundError: No module named 'no'"),
        ("({'*': {'queue': 'low', 'priority': 'urgent'}},)", "ValueError: invalid literal for int()"),
    ],
)
def test_routes_that_fail_are_one_finding_with_the_error(
    routes: str, error: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = checked(capsys, "--app", write(folder, f"app.conf.task_routes = {routes}"))["findings"]
    (finding,) = (finding for finding in findings if finding["severity"] == "error")
    assert finding["code"] == "own-routes"
    assert f" cannot send task `billing.charge` and 11 more: {error}" in finding["message"]


def test_names_of_any_kind(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    after = """\
for name in ("zahlung.überweisen.日本", "two\\nlines \\x1b[31m", "lone \\udcff", 5):
    @app.task(name=name, shared=False)
    def odd(): ...
"""
    assert run(["check", "--app", write(folder, after=after)]) == 1
    out = capsys.readouterr().out
    assert "zahlung.überweisen.日本  low         low       low,spare       unmatched\n" in out
    assert "no rule matches task `two\\nlines \\x1b[31m`: " in out
    assert "no rule matches task `lone \\udcff`: " in out
    assert "no rule matches task `5`: " in out


def test_five_thousand_tasks(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    after = """\
for number in range(5000):
    @app.task(name=f"billing.m{number % 70}.t{number}", shared=False)
    def task(): ...
"""
    document = checked(capsys, "--app", write(folder, after=after), code=0)
    assert len(document["tasks"]) == 5012


def test_an_app_that_is_none_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "no_app.py").write_text("app = 'amqp://'")
    assert run(["check", "--app", "no_app"]) == 2
    assert capsys.readouterr().err.startswith("error: `no_app` is of type `str`, not a Celery app\nhint: ")


def test_an_error_about_the_broker_shows_no_password(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fails = "raise ValueError('cannot reach amqp://shop:hidden@host/')"
    assert run(["check", "--app", module(folder, fails)]) == 2
    setup = f"def route(*_, **__): {fails}\napp.conf.task_routes = (route,)"
    assert run(["check", "--app", write(folder, setup)]) == 1
    out, err = capsys.readouterr()
    assert "cannot reach amqp://***@host/" in err
    assert "cannot reach amqp://***@host/" in out
    assert "hidden" not in out + err


def test_a_task_that_is_sent_at_import_without_a_broker_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write(folder, "app.conf.broker_url = 'amqp://127.0.0.1:1//'", after="charge.apply_async()")
    assert run(["check", "--app", name]) == 2
    assert "cannot be imported: OperationalError: " in capsys.readouterr().err


def test_threads_that_an_app_leaves_running_are_not_waited_for(folder: Path) -> None:
    after = "import threading, time; threading.Thread(target=time.sleep, args=(600,)).start()"
    name = write(folder, after=after)
    routectl = Path(sys.executable).with_name("routectl")
    done = subprocess.run([routectl, "check", "--app", name], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert done.stdout.endswith("Nothing found in 3 routes, 2 tests, 12 tasks\n")
