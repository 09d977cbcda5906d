"""What docs/places.md says of modules, settings, Django and Flask is run: sent there, and taken by a worker."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from . import places
from .conftest import CELERY, QUICK, Project

FILE = places.FILE

ROUTECTL = (str(Path(sys.executable).with_name("routectl")),)
MANAGE = "import django, os; os.environ['DJANGO_SETTINGS_MODULE'] = 'shop.settings'; django.setup()"

#: A pool without processes, which starts at once.
SOLO = ("-P", "solo", *QUICK)


@pytest.fixture
def project(fresh_project: Project) -> Project:
    """A project in which only the page's code is missing."""
    (fresh_project.folder / "proj.py").unlink()
    fresh_project.provision()
    return fresh_project


def by_celery(project: Project, app: str, send: str) -> object:
    """What a task returns that `send` sends to a worker with the profile `high`."""
    with project.worker("-A", app, "worker", "--profile", "high", *SOLO, program=CELERY) as worker:
        assert worker.node.startswith("high@")
        return project.python(send)


def by_routectl(project: Project, app: str, send: str) -> object:
    """The same with `routectl worker`."""
    with project.worker("worker", "high", "-A", app, "--", *SOLO, program=ROUTECTL) as worker:
        assert worker.node.startswith("high@")
        return project.python(send)


def sending(module: str) -> str:
    return f"import json; from {module} import charge; print(json.dumps(charge.delay(7).get(timeout=60)))"


def test_a_module(project: Project) -> None:
    places.write(project, "A module")
    assert by_celery(project, "shop", sending("shop")) == "charged 7"


def test_a_settings_module(project: Project) -> None:
    places.write(project, "A settings module")
    assert by_routectl(project, "shop_by_settings", sending("shop_by_settings")) == "charged 7"


def start_django(project: Project) -> str:
    """A Django project as `startproject` makes it, with the page's files; the settings that the page ends with."""
    for words in (("startproject", "shop", "."), ("startapp", "billing")):
        done = project.run(sys.executable, "-m", "django", *words)
        assert done.returncode == 0, done.stderr
    settings = project.folder / "shop/settings.py"
    own = settings.read_text().replace("INSTALLED_APPS = [", 'INSTALLED_APPS = [\n    "billing",')
    places.write(project, "Django")
    at_its_end = settings.read_text()
    settings.write_text(own)
    return own + at_its_end


def test_django(project: Project) -> None:
    start_django(project)
    code = f"{MANAGE}; {sending('billing.tasks')}"
    assert by_celery(project, "shop", code) == "charged 7"


def test_django_by_its_settings_alone(project: Project) -> None:
    (settings, celery) = (project.folder / "shop/settings.py", project.folder / "shop/celery.py")
    settings.write_text(start_django(project))
    celery.write_text("".join(line for line in celery.open() if "configure" not in line))
    code = f"{MANAGE}; {sending('billing.tasks')}"
    assert by_routectl(project, "shop", code) == "charged 7"


def test_flask_with_an_application_factory(project: Project) -> None:
    places.write(project, "Flask")
    code = (
        "import json; from shop import create_app; app = create_app(); "
        "sent = app.test_client().post('/orders/7/charge').json['task']; "
        "print(json.dumps(app.extensions['celery'].AsyncResult(sent).get(timeout=60)))"
    )
    assert by_celery(project, "make_celery", code) == "shop charged 7"


def test_a_producer_without_the_code(project: Project) -> None:
    places.write(project, "A producer without the code")
    places.write(project, "A module")
    code = (
        "import json, elsewhere; elsewhere.charge(7); sent = elsewhere.app.send_task('billing.charge', [8]); "
        "print(json.dumps([sent.get(timeout=60), 'billing.charge' in elsewhere.app.tasks]))"
    )
    assert by_celery(project, "shop", code) == ["charged 8", False]
