"""Findings about a Celery app that differs from the file: `routectl check --app`."""

from __future__ import annotations

from ...base.finding import Severity
from .rule import LintRule

RULES = (
    LintRule(
        "unmatched-task",
        severity=Severity.WARNING,
        summary="No rule matches a task of the app, so it goes to the `unmatched` queue",
        why="A new or renamed task is easily forgotten in the routes.",
        example="queues: {high: {}, low: {}}\nroutes: [{tasks: billing.*, queue: high}]\nunmatched: low",
        fix="Add a route, or accept it with `--allow unmatched-task:TASK`.",
    ),
    LintRule(
        "refused-task",
        summary="A task of the app has no destination",
        why="Publishing it raises a RoutingError.",
        example="queues: {high: {}}\nroutes: [{tasks: billing.*, queue: high}]",
        fix="Add a route, or set `unmatched` to a queue.",
    ),
    LintRule(
        "unused-rule",
        severity=Severity.WARNING,
        summary="No task of the app matches a rule or one of its patterns",
        why="The pattern may be misspelled, or its tasks were renamed or removed.",
        example="queues: {high: {}}\nroutes: [{tasks: [billing.*, reports.*, payments.*], queue: high}]",
        fix="Correct or remove the pattern, or ignore it if another app has such tasks.",
    ),
    LintRule(
        "unknown-task",
        severity=Severity.WARNING,
        summary="The schedule sends a task that the app does not define",
        why="A worker of this app would reject the message as an unregistered task.",
        example="""\
app.conf.beat_schedule = {
    "nightly": {"task": "billing.chrage", "schedule": 86400},
}""",
        fix="Correct the name or import its module; accept it with `--allow unknown-task:TASK` if another app has "
        "it.",
    ),
    LintRule(
        "broken-schedule",
        summary="An entry of `beat_schedule` is invalid",
        why="`celery beat` crashes at startup or when the entry is due.",
        example="""\
app.conf.beat_schedule = {
    "nightly": {"task": "billing.charge", "schedule": "daily"},
}""",
        fix="Give the entry a task name, and a schedule as seconds, `timedelta`, `crontab` or `solar`.",
    ),
    LintRule(
        "own-options",
        severity=Severity.WARNING,
        summary="A task or schedule entry sets an option itself, and it differs from the file",
        why="The task's own option overrides the rule, so the file does not show what happens.",
        example='@app.task(name="billing.refund", queue="low")\ndef refund(): ...',
        fix="Remove the option from the task or entry, or change the rule.",
    ),
    LintRule(
        "lost-task",
        summary="A task or schedule entry names a destination that Celery cannot publish to",
        why="Every call of it raises an exception.",
        example='@app.task(name="billing.refund", queue="hihg")\ndef refund(): ...',
        fix="Correct the name, or remove it so that the file's rule applies.",
    ),
    LintRule(
        "own-routes",
        severity=Severity.WARNING,
        summary="The app's own routes send a task elsewhere than the file",
        why="Celery uses the app's `task_routes`; the file's rules have no effect. It is an error if sending "
        "fails.",
        example="""\
@app.on_after_configure.connect
def add_routes(sender, **_):
    sender.conf.task_routes = {"billing.*": "low"}""",
        fix="Remove the app's `task_routes` and use `configure`, or change the rule.",
    ),
    LintRule(
        "own-queues",
        severity=Severity.WARNING,
        summary="The app's `task_queues` differ from the file",
        why="The app uses queues that routectl does not manage. It is an error if Celery would declare a "
        "queue of the file with other arguments, which RabbitMQ refuses (406).",
        example='from kombu import Queue\n\napp.conf.task_queues += [Queue("extra")]',
        fix="Declare the queues in the file, remove them from the app, or use `configure`.",
    ),
    LintRule(
        "own-confirms",
        severity=Severity.WARNING,
        summary="The app turns off publisher confirms",
        why="A task that reaches no queue is lost without an error.",
        example='app.conf.broker_transport_options = {"confirm_publish": False}',
        fix="Set `confirm_publish` to `True`, or remove it: `configure` sets it.",
    ),
    LintRule(
        "undated-tasks",
        severity=Severity.WARNING,
        summary="The app publishes tasks without the time, from which a `max_wait` counts",
        why="Celery's messages do not say when they were published. `configure` and `settings` add it; for the tasks "
        "of other apps, `max_wait` counts from the time when a worker first sees them.",
        example="""\
app = Celery("billing", broker="amqp://")
app.conf.task_routes = {"billing.*": "high", "reports.*": "low"}""",
        fix="Set up the app with `configure` or `settings`, or set the AMQP property `timestamp` of its messages.",
    ),
    LintRule(
        "broker-without-order",
        severity=Severity.WARNING,
        summary="The app's broker is not RabbitMQ, so that the order of a profile has no effect",
        why="Its workers take tasks of their queues in turn, as Celery does.",
        example='app.conf.broker_url = "redis://"',
        fix="Use RabbitMQ, or a worker for each queue.",
    ),
)
