"""`routectl check --app` and the settings of a Celery app: those that keep to the file, and those that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from ....checking import FILE, checked, codes, write

pytestmark = pytest.mark.usefixtures("folder")


def test_settings_are_as_good_as_configure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = write(folder, "app.conf.update(settings('queues.yaml'))")
    assert codes(checked(capsys, "--app", name, code=0)) == []


@pytest.mark.parametrize(
    ("setup", "message"),
    [
        (
            'configure(app, "queues.yaml"); app.conf.timezone; app.conf.task_routes = {"*": "high"}',
            "`task_routes` of {name} was set after `configure`: Celery uses it instead of the file",
        ),
        (
            'configure(app, "queues.yaml"); app.amqp.router; app.conf.task_routes = {"*": "high"}',
            "`task_routes` of {name} was set after the app's first use: Celery keeps using the earlier value",
        ),
        (
            'app.conf.task_routes = {"*": "low"}; app.amqp.router; app.conf.task_routes = {"*": "high"}',
            "`task_routes` of {name} was set after the app's first use: Celery keeps using the earlier value",
        ),
        (
            'configure(app, "other.yaml")',
            "{name} was set up from other.yaml, which differs from queues.yaml",
        ),
        (
            'configure(app, "queues.yaml", vhost="other")',
            "{name} was set up from queues.yaml, but not with the routes that are checked",
        ),
        (
            'configure(app, "queues.yaml"); from kombu import Queue; app.conf.task_queues += [Queue("x"), Queue("y")]',
            "`task_queues` of {name} contains `x`, `y`, which queues.yaml does not declare",
        ),
    ],
)
def test_settings_that_leave_the_file(
    setup: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "other.yaml").write_text(FILE.replace("queue: high, priority: 9", "queue: low"))
    (folder / "queues.yaml").write_text(FILE + "vhosts: {other: {queues: {q: }, unmatched: q}}\n")
    name = write(folder, setup)
    document = checked(capsys, "--app", name)
    first = document["findings"][0]
    assert first["message"] == message.format(name=name)
    assert first["code"] == ("own-queues" if "task_queues" in message else "own-routes")
    assert first["help"]


def test_a_broadcast_has_the_name_that_the_app_gives_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = "from kombu.common import Broadcast; app.conf.task_queues += [Broadcast('everyone')]"
    name = write(
        folder, f"configure(app, 'queues.yaml'); {more}", after="app.tasks['celery.mine'].queue = 'everyone'"
    )
    document = checked(capsys, "--app", name)
    queues, task = document["findings"]
    assert (
        queues["message"]
        == f"`task_queues` of {name} contains `everyone`, which queues.yaml does not declare"
    )
    assert queues["help"].endswith("or accept it with `--allow own-queues`")
    assert "`everyone`, which is not in the file" in task["message"]
    assert "bcast." not in str(document)
    assert codes(checked(capsys, "--app", name, "--allow", "own-queues")) == [task["code"]]


def test_a_router_that_stands_in_task_routes_by_hand(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_hand = (
        "from routectl.routing import Router; app.conf.task_routes = ({}Router.from_file('queues.yaml'),); "
        "app.conf.task_queues = settings('queues.yaml')['task_queues']"
    )
    name = write(folder, by_hand.format("") + "; app.conf.task_default_priority = 3")
    (finding,) = checked(capsys, "--app", name)["findings"]
    assert (finding["code"], finding["line"]) == ("rule-in-vain", 8)
    assert finding["message"] == (
        "`priority` and `expires` of this rule have no effect: Celery sets them before it asks the router"
    )
    name = write(folder, by_hand.format("{'billing.charge': 'low'}, "))
    first, second = checked(capsys, "--app", name)["findings"]
    assert first["message"].startswith("the app sends task `billing.charge` to `low`; ")
    assert second["message"].startswith("`expires` of this rule has no effect: ")


def test_rate_limits_that_an_app_forgot(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "queues.yaml").write_text(FILE.replace("expires: 1h", "rate_limit: 10/m"))
    set_up = "configure(app, 'queues.yaml')"
    for before, after in (("app.conf.task_annotations = {}", "app.conf"), ("app.conf", "app.finalize()")):
        assert codes(checked(capsys, "--app", write(folder, f"{before}; {set_up}; {after}"), code=0)) == []
    name = write(folder, f"{set_up}; app.conf.task_queues; app.conf.task_annotations = {{}}")
    (finding,) = checked(capsys, "--app", name)["findings"]
    assert (finding["code"], finding["line"]) == ("rule-in-vain", 8)
    assert finding["message"].endswith(f"`task_annotations` of {name} was set after `configure`")


def test_a_default_priority_yields_to_the_rules_of_an_app_that_was_set_up(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write(folder, "app.conf.task_default_priority = 3; configure(app, 'queues.yaml')")
    assert codes(checked(capsys, "--app", name, code=0)) == []


@pytest.mark.parametrize(
    ("more", "missing", "refused"),
    [
        ("", "`high`, `orders.0`, `orders.1`, `orders.2`, `low`", True),
        ("; app.conf.task_queues = settings('queues.yaml')['task_queues'][1:]", "`high`", True),
        ("; app.conf.task_queues = settings('queues.yaml')['task_queues'][:-1]", "`orders.2`", False),
        ("; app.conf.task_queues = settings(router)['task_queues']", None, False),
        ("; app.conf.broker_url = 'redis://nowhere'", None, False),
        ("; app.conf.broker_url = 'memory://'", None, False),
    ],
)
def test_a_router_that_stands_there_by_hand_needs_the_files_queues(
    more: str, missing: str | None, refused: bool, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "queues.yaml").write_text(FILE.replace(", priority: 9, expires: 1h", "").partition("tests:")[0])
    by_hand = "from routectl.routing import Router; router = Router.from_file('queues.yaml')"
    name = write(folder, f"{by_hand}; app.conf.task_routes = (router,){more}")
    found = checked(capsys, "--app", name, code=int(missing is not None))["findings"]
    if missing is None:
        assert found == []
        return
    (finding,) = found
    assert (finding["code"], finding["severity"]) == ("own-queues", "error" if refused else "warning")
    assert finding["message"] == (
        f"`task_queues` of {name} lacks {missing}, to which the router routes: "
        "Celery declares such queues without arguments" + ", which RabbitMQ refuses (406)" * refused
    )


@pytest.mark.parametrize(
    ("setup", "off"),
    [
        (
            "app.conf.broker_transport_options = {'confirm_publish': False}; configure(app, 'queues.yaml')",
            True,
        ),
        (
            "configure(app, 'queues.yaml'); app.conf.broker_transport_options = {'confirm_publish': False}",
            True,
        ),
        ("app.conf.broker_transport_options = {'max_retries': 3}; configure(app, 'queues.yaml')", False),
        ("app.conf.update(settings('queues.yaml') | {'broker_transport_options': {'max_retries': 3}})", True),
        (
            "own = {'broker_transport_options': {'max_retries': 3}}; "
            "app.conf.update(settings('queues.yaml', beside=own))",
            False,
        ),
        (
            "app.conf.update(broker_url='redis://nowhere', broker_transport_options={'confirm_publish': False}); "
            "configure(app, 'queues.yaml')",
            False,
        ),
    ],
)
def test_confirms_that_an_app_turns_off(
    setup: str, off: bool, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write(folder, setup)
    found = checked(capsys, "--app", name, code=int(off))["findings"]
    assert [(finding["code"], finding["message"]) for finding in found] == off * [
        (
            "own-confirms",
            f"`broker_transport_options` of {name} disables publisher confirms: "
            "a task that reaches no queue is lost without an error",
        )
    ]
