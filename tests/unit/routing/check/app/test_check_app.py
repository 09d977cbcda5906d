"""`routectl check --app`: a file and a real Celery app beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

from routectl.cli.main import run

from ....checking import FILE, checked, codes, write

pytestmark = pytest.mark.usefixtures("folder")


def test_every_task_of_the_app_is_shown(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = write(folder)
    assert run(["check", "--app", name]) == 0
    out, err = capsys.readouterr()
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == ["task", "queue", "tier", "workers", "rule"]
    assert ["billing.charge", "high", "high", "high", "queues.yaml:8", "billing.*"] in rows
    assert ["celery.backend_cleanup", "low", "low", "low,spare", "queues.yaml:10", "celery.*"] in rows
    assert "celery.chord_unlock     -           -         -               follows the chord's body\n" in out
    assert (
        "celery.map              -           -         -               follows the task that it calls\n"
        in out
    )
    assert (
        "orders.place            orders,low  high,low  high,low,spare  queues.yaml:9  orders.* or unmatched\n"
        in out
    )
    assert out.endswith("\nNothing found in 3 routes, 2 tests, 12 tasks\n")
    assert err == "noise\n"
    document = checked(capsys, "--app", f"{name}:app", code=0)
    tasks = {task["task"]: task for task in document["tasks"]}
    assert tasks["billing.charge"]["queue"] == "high"
    assert tasks["billing.charge"]["follows"] is None
    assert tasks["celery.chord_unlock"]["follows"] == "the chord's body"
    assert tasks["orders.place"]["queues"] == ["orders", "low"]
    assert tasks["orders.place"]["tiers"] == ["high", "low"]
    assert tasks["orders.place"]["workers"] == ["high", "low", "spare"]


@pytest.mark.parametrize(
    ("options", "message", "severity"),
    [
        (', queue="low"', "task `billing.charge` sets `queue: low` itself and goes to `low`; ", "warning"),
        (
            ', queue="gone"',
            "task `billing.charge` sets `queue: gone` itself and Celery raises UnknownQueue: ",
            "error",
        ),
        (
            ', routing_key="zzz"',
            "task `billing.charge` sets `routing_key: zzz` itself and goes to exchange `tasks` with key `zzz`, "
            "which does not reach exactly one queue; ",
            "warning",
        ),
        (
            ', exchange="other"',
            "task `billing.charge` sets `exchange: other` itself and goes to exchange `other` with key `high`, "
            "which does not reach exactly one queue; ",
            "warning",
        ),
        (", priority=2", "task `billing.charge` sets `priority` 2 itself, which overrides 9 of ", "warning"),
        (", expires=7", "task `billing.charge` sets `expires` 7 itself, which overrides 3600 of ", "warning"),
    ],
)
def test_a_task_with_options_of_its_own(
    options: str, message: str, severity: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (finding,) = checked(capsys, "--app", write(folder, options=options))["findings"]
    assert finding["message"].startswith(message)
    assert "queues.yaml:8 `billing.*`" in finding["message"]
    assert (finding["code"], finding["severity"], finding["line"], finding["task"]) == (
        "lost-task" if severity == "error" else "own-options",
        severity,
        8,
        "billing.charge",
    )


def test_options_equal_to_those_of_the_rule_are_accepted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write(folder, options=', queue="high", priority=9, expires=3600')
    assert codes(checked(capsys, "--app", name, code=0)) == []


def test_schedules(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    after = """\
app.conf.beat_schedule = {
    "a": {"task": "billing.charge", "schedule": 60},
    "b": {"task": "billing.charge", "schedule": 60, "options": {"queue": "low"}},
    "c": {"task": "orders.place", "schedule": 60, "kwargs": {"id": 3}, "options": {"priority": 2}},
    "d": {"task": "elsewhere.x", "schedule": 60},
}
"""
    document = checked(capsys, "--app", write(folder, after=after))
    assert [(finding["code"], finding["task"]) for finding in document["findings"]] == [
        ("unknown-task", "elsewhere.x"),
        ("unmatched-task", "elsewhere.x"),
        ("own-options", "billing.charge"),
        ("lost-priority", "orders.place"),
    ]
    assert document["findings"][2]["message"].startswith(
        "schedule entry `b` (task `billing.charge`) sets `queue: low` itself and goes to `low`; "
    )


def test_a_schedule_entry_is_accepted_by_its_name_and_its_task_by_its_own(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    low = 'app.conf.beat_schedule = {"nightly": {"task": "orders.place", "schedule": 60, "options": {"queue": "low"}}}'
    name = write(folder, options=', queue="low"', after=low)
    found = checked(capsys, "--app", name)["findings"]
    own = [(each["object"], each["task"]) for each in found if each["code"] == "own-options"]
    assert own == [("billing.charge", "billing.charge")]
    high = low.replace('"queue": "low"', '"queue": "high"')
    name = write(folder, options=', queue="low"', after=high)
    found = checked(capsys, "--app", name)["findings"]
    own = [(each["object"], each["task"]) for each in found if each["code"] == "own-options"]
    assert own == [("billing.charge", "billing.charge"), ("nightly", "orders.place")]
    document = checked(capsys, "--app", name, "--allow", "own-options:nightly")
    assert [each["object"] for each in document["findings"] if each["code"] == "own-options"] == [
        "billing.charge"
    ]


def test_the_default_priority_of_an_app_is_not_said_to_be_a_rules(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    after = """\
def by_code(name, args, kwargs, options, task=None, **_):
    if name in ("billing.charge", "alone"):
        options["priority"] = None
        return {"queue": "low"}
app.conf.task_routes = (by_code,)
app.conf.task_default_priority = 5
app.conf.task_create_missing_queues = True
app.conf.beat_schedule = {"nightly": {"task": "alone", "schedule": 60}}
"""
    (folder / "queues.yaml").write_text(FILE.replace("billing.*", "bills.*").partition("tests:")[0])
    name = write(folder, "", after=after)
    found = checked(capsys, "--app", name)["findings"]
    assert [each["message"] for each in found if "priority" in each["message"]] == [
        "the app sends task `billing.charge` with no priority; with the file, `task_default_priority` sets priority 5"
    ]


def test_tasks_without_a_rule_and_rules_without_a_task(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = FILE.replace("billing.*", "[a, 'b.*']").partition("tests:")[0]
    (folder / "queues.yaml").write_text(text.replace('"celery.*"', '[celery.mine, "x.*"]'))
    name = write(folder)
    document = checked(capsys, "--app", name)
    assert codes(document) == ["unmatched-task", "unused-rule", "unused-rule"]
    assert [finding["message"] for finding in document["findings"]] == [
        "no rule matches task `billing.charge`: `unmatched` routes it to `low`",
        "no task of the app matches any pattern of this rule",
        "no task of the app matches `x.*`",
    ]
    assert run(["check", "--app", name, "--allow", "unmatched-task", "--allow", "unused-rule"]) == 0
    capsys.readouterr()
    (folder / "queues.yaml").write_text(text.replace("unmatched: low", "unmatched: refuse"))
    assert "refused-task" in codes(checked(capsys, "--app", write(folder)))


def test_an_app_that_was_not_set_up_is_compared(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    charge = {"queue": "high", "priority": 9}
    routes = {"billing.*": charge, "celery.*": "low", "orders.*": "low"}
    name = write(folder, f"app.conf.task_routes = {routes}")
    assert codes(checked(capsys, "--app", name, code=0)) == []
    name = write(folder, f"app.conf.task_routes = {routes}; app.conf.task_default_priority = 4")
    (finding,) = checked(capsys, "--app", name)["findings"]
    assert (finding["code"], finding["line"]) == ("own-routes", 8)
    assert finding["message"] == (
        "the app sends task `billing.charge` with priority 4; queues.yaml:8 `billing.*` sets priority 9"
    )
    name = write(folder, f"app.conf.task_routes = {routes | {'billing.*': 'low'}}")
    (finding,) = checked(capsys, "--app", name)["findings"]
    assert finding["code"] == "own-routes"
    assert finding["message"] == (
        "the app sends task `billing.charge` to `low`; queues.yaml:8 `billing.*` routes it to `high`"
    )
    bare = checked(capsys, "--app", write(folder, ""))
    assert {finding["task"] for finding in bare["findings"]} >= {"billing.charge", "orders.place"}
    assert "to `celery`, which is not in the file; " in bare["findings"][0]["message"]


def test_a_task_that_names_its_queue_goes_without_the_priority_of_the_rule(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (finding,) = checked(capsys, "--app", write(folder, options=', queue="high"'))["findings"]
    assert finding["message"] == (
        "task `billing.charge` sets `queue: high` itself, so it does not get priority 9 of queues.yaml:8 `billing.*`"
    )
    assert (finding["code"], finding["help"]) == ("own-options", "remove `queue: high`")


def test_a_task_that_is_refused_without_certain_arguments_can_be_sent(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "queues.yaml").write_text(FILE.replace("unmatched: low", "unmatched: refuse"))
    assert codes(checked(capsys, "--app", write(folder), code=0)) == []
    after = "app.conf.beat_schedule = {'a': {'task': 'orders.place', 'schedule': 1, 'kwargs': {%s}}}"
    assert codes(checked(capsys, "--app", write(folder, after=after % "'id': 3"), code=0)) == []
    (finding,) = checked(capsys, "--app", write(folder, after=after % ""))["findings"]
    assert finding["message"].endswith(
        " cannot send schedule entry `a` (task `orders.place`): RoutingError: no route matches this call of task"
        " `orders.place`: queues.yaml:9 `kwargs.id` is missing, or neither text nor a whole number"
    )
    (folder / "prod.yaml").write_text("queues: {low: {max_length: 10}}\n")
    over = ("-f", "queues.yaml", "-f", "prod.yaml", "--app", write(folder))
    assert codes(checked(capsys, *over)) == ["own-routes"]  # that it was set up from another file, no more


def test_a_queue_that_a_task_or_schedule_names_itself_is_reached(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = "  by_task: {}\n  by_schedule: {}\n  by_nobody: {}\n"
    text = FILE.replace("routes:\n", f"{more}routes:\n").replace(
        "queues: low}", "queues: [low, by_schedule]}", 1
    )
    (folder / "queues.yaml").write_text(text)
    after = """\
@app.task(name="alone", queue="by_task", shared=False)
def alone(): ...


entry = {"task": "alone", "schedule": 60, "options": {"queue": "by_schedule"}}
app.conf.beat_schedule = {"nightly": entry, "daily": {"task": "alone", "schedule": 60, "options": {"expires": 9}}}
"""
    document = checked(capsys, "--app", write(folder, after=after))
    assert [finding["message"] for finding in document["findings"]] == [
        "no rule routes to queue `by_nobody`, and no worker consumes it",
        "task `alone` sets `queue: by_task` itself and goes to `by_task`, which no worker profile consumes; "
        "`unmatched` routes it to `low`",
        "schedule entry `nightly` (task `alone`) sets `queue: by_schedule` itself and goes to `by_schedule`; "
        "`unmatched` routes it to `low`",
        "task `alone` goes to queue `by_task`, as 1 more does, but no worker profile consumes it",
    ]
    (folder / "queues.yaml").write_text(text.replace("unmatched: low", "unmatched: refuse"))
    document = checked(capsys, "--app", write(folder, after=after))
    assert codes(document)[1:] == ["own-options", "own-options", "unconsumed-queue"]
    assert document["findings"][1]["message"].endswith("; no rule matches it")


def test_a_tasks_own_rate_limit_beats_its_rule(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "queues.yaml").write_text(FILE.replace("expires: 1h", "rate_limit: 10/m"))
    assert codes(checked(capsys, "--app", write(folder, options=", rate_limit='10/m'"), code=0)) == []
    (finding,) = checked(capsys, "--app", write(folder, options=", rate_limit='1/s'"))["findings"]
    assert finding["code"] == "own-options"
    assert finding["message"].endswith(
        "sets `rate_limit` 1/s itself, which overrides 10/m of queues.yaml:8 `billing.*`"
    )


@pytest.mark.parametrize(
    ("rules", "options"),
    [
        (
            "{tasks: billing.*, queue: high, when: {kwargs.x: 1}}\n"
            "  - {tasks: billing.*, queue: low, rate_limit: 10/m}",
            "",
        ),
        ("{tasks: billing.*, queue: orders, shard_by: kwargs.id, rate_limit: 10/m}", ""),
        ("{tasks: billing.*, queue: high, rate_limit: 10/m}", ", queue='low'"),
    ],
)
def test_rate_limits_do_not_depend_on_calls(
    rules: str, options: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = "{tasks: billing.*, queue: high, priority: 9, expires: 1h}"
    (folder / "queues.yaml").write_text(FILE.replace(rule, rules).partition("tests:")[0])
    name = write(folder, options=f", rate_limit='3/m'{options}")
    limits = [
        each for each in checked(capsys, "--app", name)["findings"] if "`rate_limit`" in each["message"]
    ]
    line = 9 if "when" in rules else 8
    assert [(each["code"], each["line"], each["message"]) for each in limits] == [
        (
            "own-options",
            line,
            "task `billing.charge` sets `rate_limit` 3/m itself, which overrides 10/m of "
            f"queues.yaml:{line} `billing.*`",
        )
    ]
    words = ("--app", write(folder, options=options), "--allow", "unreached-queue")
    document = checked(capsys, *words, code=int(bool(options)))
    assert all("`rate_limit`" not in each["message"] for each in document["findings"])


def test_a_schedule_of_a_task_that_the_app_does_not_have(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    after = "app.conf.beat_schedule = {'a': {'task': 'billing.chrage', 'schedule': 1}}"
    name = write(folder, after=after)
    (finding,) = checked(capsys, "--app", name)["findings"]
    assert finding["code"] == "unknown-task"
    assert (
        finding["message"] == f"schedule entry `a` sends task `billing.chrage`, which {name} does not define"
    )
    assert finding["help"] == "did you mean `billing.charge`?"


@pytest.mark.parametrize(
    ("queue", "why"),
    [
        ("{}", "RabbitMQ ignores the priority: `low` has no `max_priority`"),
        ("{max_priority: 3}", "`low` has `max_priority: 3`: RabbitMQ treats 5 as 3"),
        (
            "{type: quorum}",
            "RabbitMQ 3.13 ignores the priority: quorum queues such as `low` support priorities from 4.0 on",
        ),
        ("{max_priority: 5}", None),
        ("{external: true}", None),
    ],
)
def test_a_priority_that_its_queue_does_not_take(
    queue: str, why: str | None, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    low = "low: {max_priority: 9, bindings: [{exchange: tasks, key: low}]}"
    text = FILE.replace(low, f"low: {queue}") + 'targets: ["3.13", "4.3"]\ndelayed_delivery: never\n'
    (folder / "queues.yaml").write_text(text)
    after = """\
@app.task(name="urgent.a", shared=False, priority=5)
def urgent(): ...


app.conf.beat_schedule = {"a": {"task": "celery.mine", "schedule": 9, "options": {"priority": 4, "queue": "low"}}}
"""
    name = write(folder, after=after)
    accepted = ("--allow", "unmatched-task")
    found = checked(capsys, "--app", name, *accepted, code=int(why is not None))["findings"]
    expected = [] if why is None else [("lost-priority", 5)]
    assert [(finding["code"], finding["line"]) for finding in found] == expected
    if why is not None:
        assert found[0]["message"] == f"task `urgent.a` sets `priority` 5 itself, as 1 more does; {why}"


def test_a_broker_that_is_no_rabbitmq_has_priorities_by_itself(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "queues.yaml").write_text(FILE.replace("max_priority: 9, ", "").replace("priority: 9, ", ""))
    redis = 'app.conf.broker_url = "redis://nowhere"'
    name = write(folder, options=", priority=4", after=redis)
    assert codes(checked(capsys, "--app", name, code=0)) == []
    name = write(folder, options=", priority=4")
    assert codes(checked(capsys, "--app", name)) == ["lost-priority"]


def test_a_broker_without_its_library_is_reported_once(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = write(folder, after='app.conf.broker_url = "librabbitmq://nowhere"')
    finding = checked(capsys, "--app", name)["findings"][0]
    assert finding["code"] == "own-routes"
    assert "and 11 more: " in finding["message"]


@pytest.mark.parametrize("url", ["amqp://shop:S3cr3t#Pw@rabbit", "carrier-pigeon://shop:S3cr3tPw@rabbit"])
def test_a_broker_url_that_celery_cannot_parse_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    name = write(folder, after=f'app.conf.broker_url = "{url}"')
    assert run(["check", "--app", name]) == 2
    text = capsys.readouterr().err
    assert "`broker_url` of app `shop` " in text
    assert "S3cr3t" not in text


def test_a_priority_that_some_calls_take_with_them_is_not_lost(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    after = '@app.task(name="orders.cancel", shared=False, priority=3)\ndef cancel(): ...'
    assert codes(checked(capsys, "--app", write(folder, after=after), code=0)) == []


def test_before_an_app_uses_the_file_check_says_what_the_table_is(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["check", "--app", write(folder, setup="")])
    note = " is not set up from queues.yaml yet: the table shows where the file routes its tasks"
    assert note in capsys.readouterr().err
    run(["check", "--app", write(folder)])
    assert note not in capsys.readouterr().err


def test_a_queue_named_by_an_enumeration_is_shown_by_its_value(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    enumeration = "import enum\nQueues = enum.StrEnum('Queues', {'SLOW': 'low'})\n"
    name = write(folder, setup=f'{enumeration}configure(app, "queues.yaml")', options=", queue=Queues.SLOW")
    (finding,) = checked(capsys, "--app", name)["findings"]
    assert "sets `queue: low` itself and goes to `low`" in finding["message"]
