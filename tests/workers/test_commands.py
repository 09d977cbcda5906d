"""`routectl worker` starts apps that know nothing of the file, and those that took it as settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..conftest import in_python_path
from .conftest import QUICK, Project

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  high: {type: quorum, bindings: [{exchange: tasks, key: high}]}
  low: {type: quorum, bindings: [{exchange: tasks, key: low}]}
routes: [{tasks: "billing.*", queue: high}]
unmatched: low
workers:
  high: {queues: [high], concurrency: 1, pool: threads}
"""

PLAIN = """
import os
from celery import Celery
app = Celery("plain", broker=os.environ["PROJ_BROKER"], backend="file://" + os.environ["PROJ_RESULTS"])

@app.task(bind=True, name="billing.charge")
def charge(self): return [self.request.hostname.split("@")[0], self.request.delivery_info["routing_key"]]
"""

CONFIGURE = """
from routectl.routing.celery import configure
configure(app, "{}")
"""

SETTINGS = """
import os
from routectl.routing.celery import settings
broker_url = os.environ["PROJ_BROKER"]
result_backend = "file://" + os.environ["PROJ_RESULTS"]
globals().update(settings("queues.yaml"))
"""

ROUTECTL = (str(Path(sys.executable).with_name("routectl")),)

SEND = "import json; from {} import app; print(json.dumps(app.send_task('billing.charge').get(timeout=60)))"


@pytest.fixture(scope="module", autouse=True)
def _provisioned(project: Project) -> None:
    project.provision()
    (project.folder / "plain.py").write_text(PLAIN)
    (project.folder / "celeryconfig.py").write_text(SETTINGS)
    (project.folder / "configured.py").write_text(PLAIN + 'app.config_from_object("celeryconfig")\n')


@pytest.mark.parametrize("module", ["plain", "configured"])
def test_any_app_runs_with_a_profile(project: Project, module: str) -> None:
    words = ("worker", "high", "-A", module, "--", *QUICK)
    with project.worker(*words, program=ROUTECTL) as worker:
        assert ".> high" in worker.text
        assert ".> low" not in worker.text
        assert "concurrency: 1 (thread)" in worker.text
        assert project.python(SEND.format("configured")) == ["high", "high"]


def test_settings_alone_make_a_worker_check_its_queues(project: Project) -> None:
    done = project.run(sys.executable, "-m", "celery", "-A", "configured", "worker", "-Q", "hihg")
    assert done.returncode == 2
    assert done.stderr == "error: queues.yaml has no queue `hihg`\nhint: did you mean `high`?\n"


def test_an_apps_own_file_counts_and_another_one_is_warned_of(project: Project) -> None:
    (project.folder / "own.yaml").write_text(
        FILE.replace("queue: high}", "queue: low}").replace("[high]", "[low]")
    )
    (project.folder / "own.py").write_text(PLAIN + CONFIGURE.format("own.yaml"))
    with project.worker("worker", "high", "-A", "own", "--", *QUICK, program=ROUTECTL) as worker:
        assert (
            f"warning: app `own` is set up from own.yaml, which differs from {project.folder}/queues.yaml: the worker "
            "uses the profile, queues and routes of own.yaml\n"
            "hint: pass the app's file with `-f`, and its vhost with `--vhost`\n"
        ) in worker.text
        assert ".> low" in worker.text
        assert ".> high" not in worker.text
        assert project.python(SEND.format("own")) == ["high", "low"]


@pytest.mark.parametrize("file", ["own.yaml", "copy.yaml"])
def test_a_file_that_says_the_same_as_the_apps_is_as_good(project: Project, file: str) -> None:
    own = project.folder / "own.yaml"
    own.write_text(FILE)
    (project.folder / "copy.yaml").write_text(f"# a copy\n{FILE}")
    (project.folder / "own.py").write_text(PLAIN + CONFIGURE.format(own))
    words = ("worker", "high", "-A", "own", "-f", file, "--", *QUICK)
    with project.worker(*words, program=ROUTECTL) as worker:
        assert "says otherwise" not in worker.text


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("hihg", "-A", "plain"), "has no worker profile `hihg`"),
        (("high", "-A", "plain", "-f", "none.yaml"), "none.yaml"),
        (("high", "-A", "nowhere"), "app `nowhere` was not found: there is no module `nowhere`"),
        (("high", "-A", "plain:none"), "app `plain:none` was not found"),
    ],
)
def test_what_cannot_start_says_why(project: Project, words: tuple[str, ...], sentence: str) -> None:
    done = project.run(*ROUTECTL, "worker", *words)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", ["own", "later"])
def test_an_app_whose_own_file_is_not_in_the_working_directory_says_so(project: Project, module: str) -> None:
    """The same sentence as `routectl check --app`, whatever `-f` names."""
    (project.folder / "own.py").write_text(PLAIN + CONFIGURE.format("queues.yaml"))
    (project.folder / "later.py").write_text(PLAIN + "app.config_from_object('later_settings')\n")
    (project.folder / "later_settings.py").write_text(
        "from routectl.routing.celery import settings\nglobals().update(settings('queues.yaml'))\n"
    )
    elsewhere = project.folder / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    words = (*ROUTECTL, "worker", "high", "-A", module, "-f", str(project.folder / "queues.yaml"))
    environment = {**project.env, "PYTHONPATH": in_python_path(project.folder)}
    done = subprocess.run(words, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "error[missing-file]: there is no file `queues.yaml`\n"
        " --> queues.yaml:1:1\n"
        f"help: relative paths are resolved from the working directory, `{elsewhere}`: pass an absolute path, such as "
        '`Path(__file__).with_name("queues.yaml")`\n'
        "\n"
        f"error: 1 mistake in the file, so app `{module}` cannot be imported\n"
    )


def test_a_hung_up_worker_starts_again(project: Project) -> None:
    with project.worker("worker", "high", "-A", "plain", "--", *QUICK, program=ROUTECTL) as worker:
        os.kill(worker.process.pid, 1)
        worker.wait_for(r"(?s)ready\..*Restarting celery worker.*ready\.")


def test_a_profile_by_environment_variable(project: Project) -> None:
    project.environment["ROUTECTL_PROFILE"] = "high"
    try:
        with project.worker(*QUICK) as worker:
            assert worker.node.startswith("high@")
    finally:
        del project.environment["ROUTECTL_PROFILE"]


def test_printed_commands_are_ones_that_work(project: Project) -> None:
    printed = project.run(*ROUTECTL, "workers", "-A", "proj").stdout.strip()
    assert printed == "celery -A proj worker --profile=high"
    done = subprocess.run(
        f"{Path(sys.executable).parent}/{printed} --help",
        shell=True,
        cwd=project.folder,
        env=project.env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "--profile NAME" in done.stdout, done.stderr
