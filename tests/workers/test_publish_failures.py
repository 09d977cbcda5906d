"""What a publisher hears when the broker cannot take a task: in time, and with the task, queue and broker named."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from celery import Celery
from celery.exceptions import OperationalError

from routectl.routing.celery import (
    BrokerBlocked,
    BrokerDown,
    PublishFailed,
    PublishTimeout,
    QueueFull,
    configure,
)
from routectl.topology.broker.sandbox.node import Node
from tests.brokers import Management, free_port
from tests.clock import running
from tests.proxy import Proxy

from .conftest import QUICK, Project, publisher, until

FILE = """
version: 1
exchanges: {tasks: {type: topic}}
queues:
  imports: {max_length: 1, overflow: reject-publish, bindings: [{exchange: tasks, key: imports}]}
  low: {bindings: [{exchange: tasks, key: low}]}
routes:
  - {tasks: "import.*", queue: imports}
unmatched: low
workers: {low: {queues: [low], pool: solo}}
"""

#: Seconds. All other timeouts are longer, so that a test that depends on them fails.
LIMIT = 2.0


@pytest.fixture(scope="module", autouse=True)
def _provisioned(project: Project) -> None:
    project.provision()


@pytest.fixture
def proxy(project: Project) -> Iterator[Proxy]:
    made = Proxy(project.url)
    yield made
    made.close()


def app_for(project: Project, url: str | list[str], **options: Any) -> Celery:
    app = Celery("publisher", broker=url, set_as_current=False)
    configure(app, project.folder / "queues.yaml", **{"publish_timeout": LIMIT, **options})
    return app


def send(app: Celery, task: str = "x", **options: Any) -> None:
    """Publishes a task that arrives, however long the broker takes to accept a connection."""
    app.send_task(task, ignore_result=True, timeout=60, **options)


def failure(app: Celery, task: str = "x", **options: Any) -> tuple[PublishFailed, float]:
    """The error of publishing a task, and the seconds until it was raised."""
    started = running()
    with pytest.raises(PublishFailed) as caught:
        app.send_task(task, ignore_result=True, **options)
    error = caught.value
    assert isinstance(error, OperationalError)  # what Celery's users catch
    assert (error.task, error.queue) == (task, "imports" if task == "import.file" else "low")
    assert f"task `{task}`" in str(error)
    assert "guest:" not in str(error)
    return error, running() - started


def test_a_full_queue_is_named_until_there_is_room(project: Project) -> None:
    app = app_for(project, project.url)
    send(app, "import.file")
    for retry in (True, False):
        error, _ = failure(app, "import.file", retry=retry, timeout=60)
        assert isinstance(error, QueueFull)
        assert (error.queue, error.exchange, error.routing_key) == ("imports", "tasks", "imports")
        reason = f"the queue is full on broker {error.broker} (max_length: 1)"
        assert f"task `import.file` was not queued in `imports`, since {reason}" in str(error)
    assert type(pickle.loads(pickle.dumps(error))) is QueueFull
    project.management.delete(f"queues/{project.path}/imports/contents")
    send(app, "import.file")


def test_a_task_that_sends_a_task_to_a_full_queue_has_a_result_that_says_so(project: Project) -> None:
    with publisher(project) as app, project.worker("--profile", "low", *QUICK):
        with suppress(QueueFull):
            send(app, "import.file")
        name, text = app.send_task("forward", ["import.file", {}]).get(timeout=60)
    assert name == "QueueFull"
    assert "task `import.file` was not queued in `imports`" in text


def test_a_queue_that_is_full_by_a_policy(project: Project) -> None:
    definition = {"max-length": 0, "overflow": "reject-publish"}
    project.put("policies", "limit", {"pattern": "^low$", "definition": definition})
    try:
        error, _ = failure(app_for(project, project.url), timeout=60)
    finally:
        project.delete("policies", "limit")
    assert isinstance(error, QueueFull)
    assert "the queue refused it on broker" in str(error)
    assert "a policy limits its length" in str(error)


@pytest.mark.parametrize("options", [{}, {"retry": False}, {"retry_policy": {"max_retries": None}}])
def test_a_broker_that_does_not_answer_ends_a_publish_in_time(
    project: Project, proxy: Proxy, options: dict[str, Any]
) -> None:
    app = app_for(project, proxy.url)
    send(app)
    with proxy.stalled():
        started = time.monotonic()
        error, seconds = failure(app, **options)
        assert time.monotonic() - started >= LIMIT - 0.1
        assert isinstance(error, PublishTimeout)
        assert (
            f"for queue `low` was not confirmed, since broker {error.broker} did not answer (waited 2 s)"
            in str(error)
        )
        assert seconds < LIMIT + 1
        error, seconds = failure(app, **options)  # while it connects
        assert isinstance(error, BrokerDown)
        assert f"{error.broker} (no answer)" in str(error)
        assert seconds < LIMIT + 1
    send(app)


def test_a_call_and_the_app_set_their_own_limits(project: Project, proxy: Proxy) -> None:
    app = app_for(project, proxy.url, publish_timeout=None)
    send(app)
    with proxy.stalled():
        _, seconds = failure(app, timeout=0.5)
        assert seconds < 1.5
    send(app)
    with proxy.stalled():
        _, seconds = failure(app, confirm_timeout=0.5)
        assert seconds < 1.5


def test_threads_that_wait_for_a_connection_end_in_time_too(project: Project, proxy: Proxy) -> None:
    app = app_for(project, proxy.url)
    app.conf.broker_pool_limit = 2
    send(app)
    found: list[float] = []

    def publish() -> None:
        started = running()
        with pytest.raises(PublishFailed, match="task `x`"):
            app.send_task("x", ignore_result=True)
        found.append(running() - started)

    with proxy.stalled():
        threads = [threading.Thread(target=publish) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(found) == 6
    assert max(found) < LIMIT + 1
    send(app)


def test_a_connection_and_a_producer_of_the_caller_are_limited_too(project: Project, proxy: Proxy) -> None:
    app = app_for(project, proxy.url)
    with app.connection_for_write() as connection, app.amqp.Producer(connection) as producer:
        send(app, producer=producer)
        with proxy.stalled():
            for options in ({"producer": producer}, {"connection": connection}):
                _, seconds = failure(app, **options)
                assert seconds < LIMIT + 1
        send(app, producer=producer)
        send(app, connection=connection)


def test_every_broker_of_a_failover_list_is_named_without_credentials(project: Project) -> None:
    ports = free_port(), free_port()
    app = app_for(project, [f"amqp://guest:guest@127.0.0.1:{port}/{project.vhost}" for port in ports])
    error, _ = failure(app)
    assert isinstance(error, BrokerDown)
    assert ", ".join(f"127.0.0.1:{port} (Connection refused)" for port in ports) in str(error)


def test_the_next_broker_of_a_failover_list_gets_the_task(project: Project, proxy: Proxy) -> None:
    app = app_for(project, [proxy.url, project.url])
    send(app)
    with proxy.stalled():
        error, _ = failure(app)
        assert f"broker {error.broker} did not answer" in str(error)
        send(app)  # though the next to be tried may be the one that does not answer


def test_a_login_that_fails_and_a_vhost_that_is_missing_are_explained(project: Project) -> None:
    for url, reason in (
        (project.url.replace("guest:guest", "nobody:s3cret"), "Login was refused"),
        (project.url.replace(project.vhost, "nowhere"), "vhost nowhere not found"),
    ):
        error, _ = failure(app_for(project, url), timeout=60)
        assert f"broker {error.broker} refused it: " in str(error)
        assert reason in str(error)
        assert "s3cret" not in str(error)


def test_a_blocked_and_a_stopped_broker_are_told_apart(
    project: Project, private_broker: Callable[..., Node]
) -> None:
    node = private_broker(conf=("vm_memory_high_watermark.absolute = 1",))
    own = Project(project.folder, node.url, Management(node.management), "/")
    own.provision()
    app = app_for(project, node.url)

    def blocked() -> tuple[PublishFailed, float] | None:
        found = failure(app)
        return found if isinstance(found[0], BrokerBlocked) else None

    for _ in range(2):
        error, seconds = until(blocked)  # under load, a broker may answer too late to say why
        assert f"since broker {error.broker} blocks publishers (waited 2 s)" in str(error)
        assert seconds < LIMIT + 1
    node.kill()
    error, _ = failure(app)
    assert isinstance(error, BrokerDown)
