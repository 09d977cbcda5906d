"""What `routectl import celery` writes for an app's queues, exchanges and broker, and its notes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.app.defaults import DEFAULTS
from kombu import Exchange, Queue, binding
from kombu.common import Broadcast

from routectl.topology.file.load import load

from ....imported import Imported, Importer, imported
from ...task_routes.test_router_properties import by_celery, celery_app

pytestmark = pytest.mark.filterwarnings("ignore::celery.exceptions.CDeprecationWarning")

TASKS = Exchange("tasks", "topic")


@pytest.fixture
def write(tmp_path: Path) -> Importer:
    return Importer(tmp_path)


def queues(found: Imported) -> dict[str, Any]:
    """The file's queues, with the fields that they set."""
    loaded = load(found.file, {}).topology
    return {name: queue.model_dump(mode="json", exclude_unset=True) for name, queue in loaded.queues.items()}


def test_an_app_without_settings_has_its_default_queue(write: Importer) -> None:
    found = write()
    assert found.notes == ()
    assert found.rules == []
    assert [line for line in found.text.splitlines() if line and not line.startswith("#")] == [
        "version: 1",
        "queues:",
        "  celery:",
        "unmatched: celery",
        "workers:",
        "  default: {queues: [celery]}",
    ]


def test_a_route_to_a_queue_that_celery_does_not_create_has_no_rule(write: Importer) -> None:
    found = write(
        task_queues=[Queue("q")], task_create_missing_queues=False, task_routes={"a": "q", "b": "nope"}
    )
    assert found.rules == ["- {tasks: a, queue: q}"]
    assert list(queues(found)) == ["q"]
    assert "unmatched: refuse" in found.text
    assert any("`b`: no rule" in note and "nope" in note for note in found.notes)


def test_declared_queues_are_written_with_all_settings(write: Importer) -> None:
    found = write(
        task_queues=[
            Queue("high", TASKS, "high", max_priority=9, message_ttl=7 * 86400, max_length=5, expires=3600),
            Queue(
                "jobs",
                TASKS,
                "jobs.#",
                queue_arguments={
                    "x-queue-type": "quorum",
                    "x-delivery-limit": 20,
                    "x-dead-letter-exchange": "dead",
                    "x-dead-letter-routing-key": "jobs",
                    "x-odd": "odd",
                },
            ),
            Queue("dead", Exchange("dead", "fanout", durable=False, auto_delete=True), durable=False),
            Queue("theirs", TASKS, "theirs", no_declare=True),
        ],
        task_default_queue="high",
    )
    assert queues(found) == {
        "high": {
            "max_priority": 9,
            "expires": 3_600_000,
            "max_length": 5,
            "message_ttl": 7 * 86_400_000,
            "bindings": [{"exchange": "tasks", "key": "high"}],
        },
        "jobs": {
            "type": "quorum",
            "delivery_limit": 20,
            "dead_letter": {"exchange": "dead", "routing_key": "jobs"},
            "arguments": {"x-odd": "odd"},
            "bindings": [{"exchange": "tasks", "key": "jobs.#"}],
        },
        "dead": {"durable": False, "bindings": [{"exchange": "dead", "key": "high"}]},
        "theirs": {"external": True, "bindings": [{"exchange": "tasks", "key": "theirs"}]},
    }
    dead = load(found.file, {}).topology.exchanges["dead"]
    assert (dead.type, dead.durable, dead.auto_delete) == ("fanout", False, True)


def test_every_binding_of_a_queue_is_written_and_headers_exchanges_by_their_headers(write: Importer) -> None:
    found = write(
        task_queues=[
            Queue("two", [binding(TASKS, "a"), binding(Exchange("d", "direct"), "b")]),
            Queue("acme", Exchange("by", "headers"), binding_arguments={"x-match": "any", "tenant": "acme"}),
        ],
        task_default_queue="two",
    )
    bindings = {name: queue["bindings"] for name, queue in queues(found).items()}
    own = {"exchange": "two", "key": "two"}  # as Celery binds queues without an exchange
    assert bindings["two"] == [own, {"exchange": "d", "key": "b"}, {"exchange": "tasks", "key": "a"}]
    assert bindings["acme"] == [
        {"exchange": "by", "key": "two", "match": "any", "headers": {"tenant": "acme"}}
    ]


def test_a_dead_letter_exchange_that_celery_does_not_declare_is_external(write: Importer) -> None:
    found = write(task_queues=[Queue("q", TASKS, queue_arguments={"x-dead-letter-exchange": "dead"})])
    assert load(found.file, {}).topology.exchanges["dead"].external
    assert (
        "exchange `dead` is marked `external`: queue `q` dead-letters to it, but Celery does not declare it"
        in (found.notes)
    )


def test_priorities_for_all_queues_are_written_where_they_apply(write: Importer) -> None:
    found = write(
        task_queues=[
            Queue("a"),
            Queue("b", max_priority=3),
            Queue("c", queue_arguments={"x-queue-type": "quorum"}),
        ],
        task_queue_max_priority=10,
        task_default_queue="a",
    )
    assert {name: queue.get("max_priority") for name, queue in queues(found).items()} == {
        "a": 10,
        "b": 3,
        "c": None,
    }
    assert "queue `c`: left out, not valid for this queue: `max_priority`" in found.notes


def test_queues_without_a_fixed_name_are_left_out_with_a_note(write: Importer) -> None:
    found = write(
        task_queues=[Queue("q"), Broadcast("cast"), Queue("", TASKS, "x"), Queue("mine", exclusive=True)],
        task_routes={"cast.*": "cast"},
        task_default_queue="q",
    )
    assert list(queues(found)) == ["q"]
    assert [note for note in found.notes if "left out" in note] == [
        "broadcast `cast` is left out: every worker declares its own queue for it",
        "a queue without a name, bound to `tasks`, is left out: the broker generates its name",
        "queue `mine` is left out: it is exclusive, so the worker that consumes it must declare it",
        "task_routes: `cast.*`: left out: broadcast `cast` is not a queue",
    ]


def test_a_stream_is_not_consumed_by_the_worker(write: Importer) -> None:
    stream = Queue("log", TASKS, "log", queue_arguments={"x-queue-type": "stream"})
    found = write(task_queues=[Queue("q"), stream], task_default_queue="q", task_routes={"a.*": "log"})
    assert "default: {queues: [q]}" in found.text
    assert (
        "task_routes: `a.*`: left out: queue `log` is a stream, which workers cannot consume" in found.notes
    )


def test_default_exchange_and_key_apply_to_queues_without_their_own(write: Importer) -> None:
    found = write(
        task_default_queue="tasks",
        task_default_exchange="all",
        task_default_exchange_type="topic",
        task_default_routing_key="task.default",
    )
    assert queues(found) == {"tasks": {"bindings": [{"exchange": "all", "key": "task.default"}]}}
    assert load(found.file, {}).topology.exchanges["all"].type == "topic"


def test_beat_entries_are_noted_and_their_queues_declared(write: Importer) -> None:
    entry = {"task": "report", "schedule": 60, "options": {"queue": "nightly", "priority": 2}}
    found = write({"report": {}}, beat_schedule={"daily": entry, "plain": {"task": "report", "schedule": 60}})
    assert list(queues(found)) == ["celery", "nightly"]
    assert "#   priority 2, queue nightly: `daily`" in found.text
    assert found.notes == (
        "beat entries with a queue, exchange, key or priority in `options` override the rules; remove these options to "
        "use the rules: `daily`",
    )


def test_many_beat_entries_are_grouped_by_their_options(write: Importer) -> None:
    entry = {"task": "report", "schedule": 60, "options": {"queue": "nightly"}}
    found = write({"report": {}}, beat_schedule={f"e{at}": entry for at in range(30)})
    assert "#   queue nightly: `e0`, `e1`, `e2`, `e3`, `e4` and 25 more" in found.text
    assert any(note.endswith("`e0`, `e1`, `e2`, `e3`, `e4` and 25 more") for note in found.notes)


def test_consumer_arguments_are_left_out_with_a_note(write: Importer) -> None:
    found = write(task_queues=[Queue("q", consumer_arguments={"x-priority": 10})], task_default_queue="q")
    assert "# left out, consumer arguments are not supported: x-priority: 10" in found.text
    assert (
        "consumer arguments, such as `x-priority`, are not supported in the file and left out: queues `q`"
        in found.notes
    )


def test_two_exchanges_of_one_name_are_noted(write: Importer) -> None:
    found = write(
        task_queues=[Queue("a", Exchange("e", "topic"), "a"), Queue("b", Exchange("e", "direct"), "b")],
        task_default_queue="a",
    )
    assert "exchange `e` is declared twice, with different settings: the file has the first" in found.notes
    assert load(found.file, {}).topology.exchanges["e"].type == "topic"


def test_an_exchange_that_cannot_exist_is_left_out(write: Importer) -> None:
    found = write(task_queues=[Queue("a", Exchange("e\n", "topic"), "a")], task_default_queue="a")
    assert any(
        note.endswith("is left out with its bindings: the file does not support it") for note in found.notes
    )
    assert found.router.route("any").queue == "a"


@pytest.mark.parametrize(
    ("name", "kind", "external"), [("e", "x-unheard-of", False), ("amq.plugin", "topic", True)]
)
def test_an_exchange_of_a_plugin_is_imported(write: Importer, name: str, kind: str, external: bool) -> None:
    found = write(task_queues=[Queue("a", Exchange(name, kind), "a")], task_default_queue="a")
    exchange = load(found.file, {}).topology.exchanges[name]
    assert (exchange.type, exchange.external) == (kind, external)


def test_a_queue_may_be_named_like_the_keyword_that_refuses_tasks(write: Importer) -> None:
    found = write(task_default_queue="refuse")
    assert found.router.route("any").queue == "refuse"


@pytest.mark.parametrize(
    "url",
    [
        "redis://u:geheim@h",
        "sqs://key:geheim@",
        "amqps://u:geheim@h/prod",
        ["amqp://a", "amqp://u:geheim@h"],
        "u:geheim@h",
    ],
)
def test_nothing_of_the_brokers_url_is_written(tmp_path: Path, url: Any) -> None:
    found = imported(Celery("app", broker=url, set_as_current=False), tmp_path)
    assert "geheim" not in found.text + " ".join(found.notes)


def test_a_broker_other_than_rabbitmq_is_noted(tmp_path: Path) -> None:
    found = imported(Celery("app", broker="sqs://", set_as_current=False), tmp_path)
    assert found.notes == ("the broker is sqs, not RabbitMQ: exchanges and bindings are not used there",)


def test_names_in_every_script_are_kept(write: Importer) -> None:
    names = ["ünï * x", "日本", "a b", "#", "{q}", "- x", "null", "1e3", "'", "x: y"]
    found = write(
        task_queues=[Queue(name, TASKS, f"k{at}") for at, name in enumerate(names)], task_default_queue="日本"
    )
    assert list(queues(found)) == names
    assert found.router.route("any").queue == "日本"


def test_queues_may_be_given_by_name(write: Importer) -> None:
    given = {"q": {"exchange": "e", "exchange_type": "topic", "binding_key": "k"}, "r": {"routing_key": "r"}}
    found = write(task_queues=given, task_default_queue="q")
    assert queues(found)["q"] == {"bindings": [{"exchange": "e", "key": "k"}]}
    assert found.router.route("any").queue == "q"


def test_queues_that_celery_creates_have_their_default_type(write: Importer) -> None:
    found = write(
        task_default_queue_type="quorum", task_create_missing_queue_type="quorum", task_routes={"a": "new"}
    )
    # Older Celery lacks the setting for missing queues, and always creates classic ones.
    missing = "quorum" if "task_create_missing_queue_type" in DEFAULTS else None
    assert {name: queue.get("type") for name, queue in queues(found).items()} == {
        "celery": "quorum",
        "new": missing,
    }


def test_an_address_that_differs_from_celerys_is_noted(write: Importer) -> None:
    found = write(
        task_queues=[Queue("direct", Exchange("d", "direct"), "d"), Queue("topic", TASKS, "topic.#")],
        task_default_queue="direct",
        task_routes={"a": "topic"},
    )
    direct, topic = found.router.route("any"), found.router.route("a")
    assert (direct.exchange, direct.routing_key) == ("d", "d")
    assert by_celery(found.app, "any")["routing_key"] == "direct"
    assert topic.routing_key == "topic"
    assert by_celery(found.app, "a")["routing_key"] == "topic.#"
    first, second = found.notes
    assert first.startswith("Celery publishes to the queue by name where its exchange is direct")
    assert second.startswith("Celery publishes with a topic exchange's wildcard binding key")
    assert " ".join(first.split()[:5]) in found.text


def test_messages_of_a_transient_exchange_are_transient(write: Importer) -> None:
    exchange = Exchange("e", "topic", delivery_mode="transient")
    found = write(
        task_queues=[Queue("q", exchange, "q"), Queue("celery")], task_routes={"a": "q", "b": "celery"}
    )
    assert found.rules == [
        "- {tasks: a, queue: q, delivery_mode: transient}",
        "- {tasks: b, queue: celery}",
    ]


def test_a_dead_letter_queue_that_celery_does_not_declare_is_external_and_not_consumed(
    write: Importer,
) -> None:
    letters = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"}
    found = write(task_queues=[Queue("q", TASKS, "q", queue_arguments=letters)], task_default_queue="q")
    assert queues(found)["dead"] == {"external": True}
    assert "default: {queues: [q]}" in found.text


def test_no_vhost_is_written_since_the_broker_url_has_it(tmp_path: Path) -> None:
    app = Celery("app", broker="amqp://guest@localhost/prod", set_as_current=False)
    assert "prod" not in imported(app, tmp_path).text


def test_queues_with_braces_are_declared_but_rules_that_would_read_a_capture_are_left_out(
    write: Importer,
) -> None:
    plain = [Queue(name, TASKS, name) for name in ("${DEFAULT}", "dear ${NAME}", "{x}", "$a", "open{")]
    found = write(
        task_queues=[*plain, Queue("one", TASKS, "one.#")],
        task_default_queue="${DEFAULT}",
        task_routes={
            "a": "dear ${NAME}",
            "b.*": "{x}",
            "c.*": {"queue": "one", "routing_key": "one.{y}"},
            "d": "$a",
            "e": {"queue": "open{", "headers": {"${h}": "${v}"}},
        },
    )
    body = load(found.file, {}).topology
    assert {*body.queues} == {"${DEFAULT}", "dear ${NAME}", "{x}", "$a", "open{", "one"}
    assert body.unmatched == "${DEFAULT}"
    assert found.rules == [
        '- {tasks: d, queue: "$a"}',
        '- {tasks: e, queue: "open{", headers: {"$${h}": "$${v}"}}',
    ]
    assert found.router.route("e").options == {"headers": {"${h}": "${v}"}}
    for name in ("dear ${NAME}", "{x}", "one.{y}"):
        assert any(
            note.endswith(f"left out: a rule would read the braces in `{name}` as a capture")
            for note in found.notes
        )
    assert len([note for note in found.notes if "braces" in note]) == 3


@pytest.mark.parametrize(
    ("conf", "comment"),
    [
        (
            {"task_queues": [Queue("a"), Queue("b")], "task_routes": {"x": "b"}, "task_default_queue": "a"},
            "Consumes every queue above, as a Celery worker without `-Q` does. Split it",
        ),
        (
            {"task_queues": [Queue("a")], "task_routes": {"x": "b"}, "task_default_queue": "a"},
            "Consumes every queue above; a Celery worker without `-Q` consumes only `a`. Split it",
        ),
        (
            {"task_routes": {"x": "b"}},
            "Consumes every queue above; a Celery worker without `-Q` consumes only `celery`. Split it",
        ),
        (
            {"task_queues": [Queue("a")], "task_routes": {"x": Queue("b")}, "task_default_queue": "b"},
            "Consumes every queue above; a Celery worker without `-Q` consumes only `a`. Split it",
        ),
    ],
)
def test_the_comment_on_the_profile_says_what_a_worker_without_q_consumes(
    write: Importer, conf: dict[str, Any], comment: str
) -> None:
    found = write({"y": {}}, **conf)
    lines = [line.removeprefix("# ") for line in found.text.splitlines()]
    assert comment in " ".join(lines)
    assert found.document.configuration.consumed == set(celery_app(**conf).amqp.queues.consume_from)
