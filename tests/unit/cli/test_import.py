"""`routectl import celery`: stdout and stderr, existing files, and apps that cannot be read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from routectl.cli.main import run
from routectl.topology.file.load import load

pytestmark = pytest.mark.filterwarnings("ignore::celery.exceptions.CDeprecationWarning")

#: Runs `routectl import celery`, and gives the exit code, stdout and stderr.
Run = Callable[..., tuple[int, str, str]]

SHOP = """\
from celery import Celery

print("noise from the app's own module")
app = Celery("shop", broker="amqp://user:geheim@localhost/prod", set_as_current=False)
app.conf.result_backend = "redis://:geheim@localhost"
app.conf.task_routes = [{"billing.*": "high"}, "shop.by_code"]


def by_code(name, args, kwargs, options, task=None):
    return "high" if name == "report" else None


@app.task(name="report", shared=False)
def report():
    pass
"""


BY_CODE = (
    "shop.by_code is code: 1 task has a rule from its results without arguments; add rules with `when` for what it "
    "decides by arguments (docs/routing.md)"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with an app, which is where the command is run, and whose modules are forgotten afterwards."""
    (tmp_path / "shop.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def celery(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def celery(*arguments: str) -> tuple[int, str, str]:
        code = run(["import", "celery", *arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        assert "geheim" not in out + err
        return code, out, err

    return celery


def test_the_file_is_the_result_and_what_it_cannot_say_stands_on_stderr(celery: Run, folder: Path) -> None:
    code, out, err = celery("shop")
    assert code == 0
    assert out.startswith("# Written by `routectl import celery shop`")
    assert err.splitlines() == [
        "noise from the app's own module",
        f"note: {BY_CODE}",
    ]
    (folder / "queues.yaml").write_text(out)
    assert [route.tasks for route in load("queues.yaml", {}).topology.routes] == [("report",), ("billing.*",)]


def test_quiet_leaves_notes_out(celery: Run) -> None:
    assert "note: " not in celery("shop", "--quiet")[2]


@pytest.mark.parametrize("option", ["--out", "-o"])
def test_it_is_written_to_a_file(celery: Run, folder: Path, option: str) -> None:
    code, out, _ = celery("shop:app", option, "queues.yaml")
    assert (code, out) == (0, "Wrote queues.yaml: 0 exchanges, 2 queues, 2 routes\n")
    assert load("queues.yaml", {}).topology.unmatched == "celery"


def test_a_file_that_exists_is_overwritten_only_with_force(celery: Run, folder: Path) -> None:
    (folder / "queues.yaml").write_text("mine")
    code, out, err = celery("shop", "-o", "queues.yaml")
    assert (code, out) == (2, "")
    assert err == "error: `queues.yaml` already exists\nhint: pass `--force` to overwrite it\n"
    assert (folder / "queues.yaml").read_text() == "mine"
    assert celery("shop", "-o", "queues.yaml", "--force")[0] == 0
    assert (folder / "queues.yaml").read_text() != "mine"


def test_a_file_that_cannot_be_written_is_an_error(celery: Run) -> None:
    code, _, err = celery("shop", "-o", "missing/queues.yaml")
    assert code == 2
    assert err.endswith("error: `missing/queues.yaml` cannot be written: no such file or directory\n")


def test_json_has_the_file_and_what_it_cannot_say(celery: Run) -> None:
    code, out, _ = celery("shop", "--format", "json")
    document = json.loads(out)
    assert code == 0
    assert document.keys() == {"version", "yaml", "notes", "differences"}
    assert document["yaml"].startswith("# Written by")
    assert document["notes"] == [BY_CODE]
    assert document["differences"] == []


def test_a_worker_profile_may_be_left_out(celery: Run) -> None:
    assert "\nworkers:\n" in celery("shop")[1]
    assert "workers:" not in celery("shop", "--no-workers")[1]


def test_lint_has_nothing_against_the_file(celery: Run) -> None:
    assert celery("shop", "-o", "queues.yaml")[0] == 0
    assert run(["lint"]) == 0


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        (
            "",
            "other",
            "app `other` was not found: `other` has no `app` or `celery`, and no other Celery app",
        ),
        ("import celery", "other", "app `other` was not found: `other` has no `app` or `celery`"),
        ("", "other:app", "app `other:app` was not found: `other` has no `app`"),
        ("", "other.app", "app `other.app` was not found: there is no module `other.app`"),
        ("", "missing.app", "app `missing.app` was not found: there is no module `missing`"),
        ("app = 5", "other", "`other` is of type `int`, not a Celery app"),
        ("import oth", "other", "app `other` cannot be imported: ModuleNotFoundError: No module named 'oth'"),
        ("app = (", "other", "app `other` cannot be imported: SyntaxError: '(' was never closed"),
        ("raise SystemExit(3)", "other", "app `other` cannot be imported: SystemExit: 3"),
        (
            "raise ValueError('amqp://user:geheim@host/ is wrong')",
            "other",
            "app `other` cannot be imported: ValueError: ",
        ),
        (
            "from celery import Celery\napp = Celery('other', include=['oth'], set_as_current=False)",
            "other",
            "the tasks of `other` cannot be imported: ModuleNotFoundError: No module named 'oth'",
        ),
        (
            "from celery import Celery\n"
            "app = Celery('other', set_as_current=False)\n"
            "app.conf.task_routes = 'oth.route'",
            "other",
            "Celery cannot read `task_routes` of `other`: ModuleNotFoundError: No module named 'oth'",
        ),
        *(
            (
                f"from celery import Celery\napp = Celery('other', set_as_current=False)\napp.conf.{setting} = {value}",
                "other",
                f"Celery cannot read `{setting}` of `other`: ",
            )
            for setting, value in (("task_queues", 5), ("task_queues", {"a": 5}), ("beat_schedule", [1]))
        ),
        (
            "from celery import Celery\n"
            "app = Celery('other', set_as_current=False)\n"
            "app.conf.task_routes = [('a.*', {'queue': 'q'}), {'b': 'q'}]",
            "other",
            "Celery cannot read `task_routes` of `other`: a list must contain routers, not pairs ",
        ),
        (
            "import sys\n"
            "from celery import Celery\n"
            "app = Celery('other', set_as_current=False)\n"
            "app.add_defaults(lambda: sys.exit('no TENANT'))",
            "other",
            "the tasks of `other` cannot be imported: SystemExit: no TENANT",
        ),
        (
            "import sys\n"
            "from celery import Celery\n"
            "from kombu.utils.functional import lazy\n"
            "app = Celery('other', set_as_current=False)\n"
            "app.conf.task_routes = [lazy(sys.exit, 'no TENANT')]",
            "other",
            "Celery cannot read the settings of `other`: SystemExit: no TENANT",
        ),
        (
            "from celery import Celery\n"
            "app = Celery('other', set_as_current=False)\n"
            "app.conf.task_routes = [['abc']]",
            "other",
            "Celery cannot read `task_routes` of `other`: ValueError: ",
        ),
    ],
)
def test_an_app_that_cannot_be_read_is_one_sentence(
    celery: Run, folder: Path, text: str, name: str, said: str
) -> None:
    (folder / "other.py").write_text(text)
    code, out, err = celery(name)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {said}")
    assert err.splitlines()[1].startswith("hint: ")
    assert len(err.splitlines()) == 2


def test_a_router_that_ends_the_program_is_a_note(celery: Run, folder: Path) -> None:
    (folder / "shop.py").write_text(SHOP.replace('return "high"', 'raise SystemExit("no tenant")'))
    code, out, err = celery("shop")
    assert code == 0
    assert "  - {tasks: billing.*, queue: high}\n" in out
    assert (
        "note: task `report`: no rule, since Celery cannot route it without arguments: SystemExit: no tenant\n"
        in err
    )


def test_the_app_of_a_package_may_stand_in_its_module_celery(celery: Run, folder: Path) -> None:
    (folder / "proj").mkdir()
    (folder / "proj" / "__init__.py").write_text("")
    (folder / "proj" / "celery.py").write_text(SHOP)
    assert celery("proj")[0] == 0
    (folder / "bad").mkdir()
    (folder / "bad" / "__init__.py").write_text("")
    (folder / "bad" / "celery.py").write_text("import oth")
    code, _, err = celery("bad")
    assert code == 2
    assert err.startswith(
        "error: app `bad.celery` cannot be imported: ModuleNotFoundError: No module named 'oth'"
    )


def test_an_app_that_has_a_file_already_is_not_imported(celery: Run, folder: Path) -> None:
    assert celery("shop", "-o", "queues.yaml")[0] == 0
    (folder / "after.py").write_text(
        "from celery import Celery\n"
        "from routectl.routing.celery import configure\n"
        "app = Celery('after', set_as_current=False)\n"
        "configure(app, 'queues.yaml')\n"
    )
    code, out, err = celery("after")
    assert (code, out) == (2, "")
    assert err.startswith("error: `after` is already set up from queues.yaml\n")


def test_an_app_whose_own_file_is_wrong_shows_the_mistake(celery: Run, folder: Path) -> None:
    (folder / "queues.yaml").write_text("version: 1\nqueues: {high: {}}\nunmatched: hihg\n")
    (folder / "after.py").write_text(
        "from celery import Celery\n"
        "from routectl.routing.celery import settings\n"
        "app = Celery('after', set_as_current=False)\n"
        "app.add_defaults(lambda: settings('queues.yaml'))\n"
    )
    code, out, err = celery("after")
    assert (code, out) == (2, "")
    assert err.startswith(
        "error[unknown-name]: there is no queue `hihg` in this file\n --> queues.yaml:3:12\n"
    )
    assert "Found 1 mistake in the file, so " in err.splitlines()[-1]
    assert "`after`" in err.splitlines()[-1]


def test_without_celery_it_says_how_to_install_it(folder: Path) -> None:
    script = (
        "import sys; sys.modules['celery'] = None\n"
        "from routectl.cli.main import run; sys.exit(run(['import', 'celery', 'shop']))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "error: Celery is not installed\nhint: run `pip install 'routectl[celery]'`\n"
