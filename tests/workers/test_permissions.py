"""What docs/celery.md says that a worker may need is enough: for workers, producers, delays and inspection."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from routectl.topology.file.load import load

from ..markdown import ROOT, blocks
from .conftest import CELERY, Project

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  high: {type: quorum, bindings: [{exchange: tasks, key: high}]}
routes: [{tasks: "*", queue: high}]
workers: {high: {queues: [high], concurrency: 1, pool: threads}}
"""


#: What the page adds for a worker with a queue of its own.
DIRECT = r"|\.dq2$"


@pytest.fixture
def _as_documented(request: pytest.FixtureRequest, project: Project, tmp_path: Path) -> Iterator[None]:
    """The project's user may do what the page says, and no more."""
    page = ROOT / "docs/celery.md"
    words = " ".join(page.read_text().split())
    assert f"With `worker_direct`, a worker's `configure` also needs `{DIRECT}`" in words
    example = next(block for block in blocks(page, "yaml") if "users:" in block.text)
    file = tmp_path / "users.yaml"
    file.write_text("version: 1\n" + example.text)
    (user,) = load(file, {"SHOP_PASSWORD": "secret"}).topology.users.values()
    name = f"worker-{uuid.uuid4().hex[:8]}"
    project.provision()
    project.management.put(f"users/{name}", {"password": "secret", "tags": ""})
    allowed = user.permissions["shop"].model_dump()
    allowed["configure"] += getattr(request, "param", "")
    project.management.put(f"permissions/{project.path}/{name}", allowed)
    parts = urlsplit(project.url)
    host = parts.netloc.rpartition("@")[2]
    project.environment["PROJ_BROKER"] = f"amqp://{name}:secret@{host}{parts.path}"
    yield
    project.management.remove(f"users/{name}")


@pytest.mark.usefixtures("_as_documented")
def test_documented_permissions_are_enough(project: Project) -> None:
    code = (
        "import json; from proj import app; sent = [app.send_task('billing.charge', countdown=n) for n in (None, 1)]; "
        "print(json.dumps([each.get(timeout=60)[0] for each in sent]))"
    )
    with project.worker("--profile", "high", "-l", "INFO") as worker:
        assert project.python(code) == ["high", "high"]
        pong = project.run(*CELERY, "-A", "proj", "inspect", "ping", "-d", worker.node, "-t", "60")
        assert "pong" in pong.stdout, pong.stderr
        assert "ACCESS_REFUSED" not in worker.text


@pytest.mark.parametrize("_as_documented", [DIRECT], indirect=True)
@pytest.mark.usefixtures("_as_documented")
def test_documented_permissions_are_enough_for_a_worker_with_a_queue_of_its_own(project: Project) -> None:
    (project.folder / "direct.py").write_text("from proj import app\napp.conf.worker_direct = True\n")
    code = (
        "import json; from proj import app; from celery.utils.nodenames import worker_direct; "
        "print(json.dumps(app.send_task('report', queue=worker_direct('one@here')).get(timeout=60)[0]))"
    )
    program = (*CELERY, "-A", "direct", "worker", "--profile", "high", "-n", "one@here", "-l", "INFO")
    with project.worker(program=program) as worker:
        assert project.python(code) == "one"
        assert "ACCESS_REFUSED" not in worker.text
