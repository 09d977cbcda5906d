"""What `routectl import celery` writes for an app's queues, routes, decorators and annotations, and what it says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu import Exchange, Queue, binding
from kombu.common import Broadcast

from routectl.topology.load import load

from .imported import Imported, add_tasks, imported
from .test_from_celery_properties import by_celery, celery_app

pytestmark = pytest.mark.filterwarnings("ignore::celery.exceptions.CDeprecationWarning")

Import = Callable[..., Imported]
TASKS = Exchange("tasks", "topic")


class ByDepartment:
    """A router of the old kind."""

    def route_for_task(self, task: str, args: Any = None, kwargs: Any = None) -> Any:
        return {"queue": "ads", "priority": 3} if task.startswith("ads.") else None


def by_tenant(name: str, args: Any, kwargs: Any, options: Any, task: Any = None) -> Any:
    return {"queue": kwargs["tenant"]}


SHARED = {"queue": "ads"}


def by_constant(name: str, args: Any, kwargs: Any, options: Any, task: Any = None) -> Any:
    return SHARED


class Slowly:
    """An annotation that is code."""

    def annotate(self, task: Any) -> Any:
        return {"rate_limit": "1/m"} if task.name == "slow" else None


@pytest.fixture
def write(tmp_path: Path) -> Import:
    """Imports an app with these settings and tasks, and compares every task that it knows with Celery."""

    def write(tasks: dict[str, dict[str, Any]] | None = None, **conf: Any) -> Imported:
        return imported(add_tasks(celery_app(**conf), tasks or {}), tmp_path)

    return write


def queues(found: Imported) -> dict[str, Any]:
    """The file's queues, by what they say."""
    loaded = load(found.file, {}).topology
    return {name: queue.model_dump(mode="json", exclude_unset=True) for name, queue in loaded.queues.items()}


def test_an_app_without_settings_has_its_default_queue(write: Import) -> None:
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


@pytest.mark.parametrize(
    "routes",
    [
        {"a": "q1", "b.*": {"queue": "q2", "priority": 4}},
        [{"a": "q1", "b.*": {"queue": "q2", "priority": 4}}],
        ([("a", "q1"), ("b.*", {"queue": "q2", "priority": 4})],),
        [{"a": "q1"}, [("b.*", {"queue": "q2", "priority": 4})]],
    ],
    ids=["mapping", "list of a mapping", "pairs", "several"],
)
def test_every_form_of_a_mapping_is_written_as_it_stands(write: Import, routes: Any) -> None:
    found = write(task_routes=routes)
    assert found.rules == ["- {tasks: a, queue: q1}", "- {tasks: b.*, queue: q2, priority: 4}"]
    assert found.notes == ()


def test_patterns_stay_in_their_order_and_neighbours_share_a_rule(write: Import) -> None:
    found = write(task_routes={"a.b.*": "q1", "c.*": "q1", "*.b.*": "q2", "a.*": "q1"})
    assert found.rules == [
        "- {tasks: [a.b.*, c.*], queue: q1}",
        '- {tasks: "*.b.*", queue: q2}',
        "- {tasks: a.*, queue: q1}",
    ]


def test_the_last_of_two_equal_patterns_counts_in_the_place_of_the_first(write: Import) -> None:
    found = write(task_routes=([("a.*", "q1"), ("*.b", "q2"), ("a.*", "q3")],))
    assert found.rules == ["- {tasks: a.*, queue: q3}", '- {tasks: "*.b", queue: q2}']


@pytest.mark.parametrize(
    ("expression", "written", "like", "unlike"),
    [
        (re.compile(r"a\.(b|c)"), r"'/a\.(b|c)(?s:.*)/'", "a.bcd", "x.a.b"),
        (re.compile("a|b"), '"/(?:a|b)(?s:.*)/"', "ax", "xb"),
        (re.compile("ab|ac"), '"/(?:ab|ac)(?s:.*)/"', "abx", "xac"),
        (re.compile("ab|cd.*"), '"/(?:ab|cd.*)(?s:.*)/"', "abx", "xcd"),
        (re.compile(r"video\..*"), r"'/video\..*/'", "video.x", "video"),
        (re.compile("AB", re.IGNORECASE), '"/(?i:AB)(?s:.*)/"', "abc", "bc"),
        (re.compile("a # or so", re.VERBOSE), r'"/(?x:a # or so\u000a)(?s:.*)/"', "ab", "b"),
        (re.compile(".*"), '"*"', "x", None),
    ],
)
def test_an_expression_matches_where_a_name_begins_so(
    write: Import, expression: re.Pattern[str], written: str, like: str, unlike: str | None
) -> None:
    found = write(task_routes={expression: "q"})
    assert found.rules == [f"- {{tasks: {written}, queue: q}}"]
    assert found.router.route(like).queue == by_celery(found.app, like)["queue"] == "q"
    if unlike is not None:
        assert found.router.route(unlike).queue == by_celery(found.app, unlike)["queue"] == "celery"


def test_names_that_the_file_would_read_otherwise_are_spelled_as_expressions(write: Import) -> None:
    names = ["{a}", "/a/", "a b", " a", "ünï", "a.?", "a:b", "true", "a$b", "${HOME}", '"', "日本"]
    found = write(task_routes={name: f"q{at}" for at, name in enumerate(names)})
    for at, name in enumerate(names):
        assert found.router.route(name).queue == f"q{at}", name
    assert "- {tasks: '/\\{a\\}/', queue: q0}" in found.rules


def test_a_task_whose_name_has_an_asterisk_is_meant_alone(write: Import) -> None:
    found = write({"a*": {"queue": "q"}})
    assert found.router.route("a*").queue == "q"
    assert found.router.route("ab").queue == "celery"


@pytest.mark.parametrize(
    "router",
    [
        ByDepartment(),
        ByDepartment,
        ByDepartment().route_for_task,
        f"{__name__}.ByDepartment",
        f"{__name__}:ByDepartment",
    ],
    ids=["object", "class", "method", "path", "path with a colon"],
)
def test_code_is_asked_for_every_task_and_said_to_be_code(write: Import, router: Any) -> None:
    if router is ByDepartment:
        router = ByDepartment()
    elif callable(router):
        method = router

        def router(name: str, args: Any, kwargs: Any, options: Any, task: Any = None) -> Any:
            return method(name)

    found = write({"ads.x": {}, "ads.y": {}, "other": {}}, task_routes=[router, {"later": "q"}])
    assert found.rules == ["- {tasks: [ads.x, ads.y], queue: ads, priority: 3}", "- {tasks: later, queue: q}"]
    (note,) = found.notes
    assert note.endswith(" is code: 2 tasks have rules by what it answered without arguments")
    assert "which no rule can express" in found.text


def test_a_router_that_needs_arguments_is_named_with_the_tasks_that_it_leaves_open(write: Import) -> None:
    found = write({"mine": {}}, task_routes=(by_tenant,))
    assert "task `mine` has no rule: asked without arguments, Celery says KeyError: 'tenant'" in found.notes
    assert (
        f"{__name__}.by_tenant is code: 0 tasks have rules by what it answered without arguments"
        in found.notes
    )
    assert found.router.route("mine").queue == "celery"


def test_a_router_that_gives_its_only_dict_gives_it_unchanged(write: Import) -> None:
    found = write({"a": {"priority": 5}, "b": {}}, task_routes=(by_constant,))
    assert found.router.route("a").priority == 5
    assert found.router.route("b").priority is None
    assert SHARED == {"queue": "ads"}


def test_an_exact_name_that_an_earlier_router_takes_is_left_out_and_said(write: Import) -> None:
    found = write(task_routes=[{"a.*": "q1"}, {"a.b": "q2", "c": "q2"}])
    assert found.rules == ["- {tasks: c, queue: q2}", "- {tasks: a.*, queue: q1}"]
    assert "# Left out, since task_routes[0] comes first and takes it: a.b" in found.text


def test_a_route_that_celery_makes_nothing_of_is_left_out_and_said(write: Import) -> None:
    found = write(task_routes={"a.*": None, "b.*": Queue("q"), "c": "q"})
    assert found.rules == ["- {tasks: c, queue: q}"]
    assert found.notes == (
        "task_routes: `a.*` is left out: NoneType is no route",
        "task_routes: `b.*` is left out: Queue is no route",
    )


def test_a_queue_that_celery_would_not_make_is_an_error_there_and_no_rule_here(write: Import) -> None:
    found = write(
        task_queues=[Queue("q")], task_create_missing_queues=False, task_routes={"a": "q", "b": "nope"}
    )
    assert found.rules == ["- {tasks: a, queue: q}"]
    assert list(queues(found)) == ["q"]
    assert "unmatched: refuse" in found.text
    assert any("`b` has no rule" in note and "nope" in note for note in found.notes)


def test_what_a_route_says_of_the_message_is_written(write: Import) -> None:
    route = {
        "queue": "q",
        "priority": 9,
        "expires": 90,
        "headers": {"tenant": "acme"},
        "serializer": "yaml",
        "compression": "gzip",
        "delivery_mode": 1,
        "time_limit": 60,
        "soft_time_limit": 2.5,
        "retry": False,
    }
    found = write(task_routes={"a.*": route})
    (rule,) = load(found.file, {}).topology.routes
    assert rule.model_dump(mode="json", exclude_unset=True) == {
        "tasks": ["a.*"],
        **{name: value for name, value in route.items() if name != "retry"},
        "delivery_mode": "transient",
        "options": {"retry": False},
    }


def test_a_value_that_is_no_plain_data_is_left_out_and_said(write: Import) -> None:
    found = write(task_routes={"a.*": {"queue": "q", "priority": "high", "link": object(), "foo": (1, None)}})
    assert found.rules == ["- {tasks: a.*, queue: q, options: {foo: [1, null]}}"]
    assert found.notes == ("task_routes: `a.*`: left out, since the file cannot hold it: `priority`, `link`",)


def test_declared_queues_come_with_all_that_is_declared(write: Import) -> None:
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


def test_every_binding_of_a_queue_is_written_and_headers_exchanges_by_their_headers(write: Import) -> None:
    found = write(
        task_queues=[
            Queue("two", [binding(TASKS, "a"), binding(Exchange("d", "direct"), "b")]),
            Queue("acme", Exchange("by", "headers"), binding_arguments={"x-match": "any", "tenant": "acme"}),
        ],
        task_default_queue="two",
    )
    bindings = {name: queue["bindings"] for name, queue in queues(found).items()}
    own = {"exchange": "two", "key": "two"}  # as Celery binds whatever names no exchange itself
    assert bindings["two"] == [own, {"exchange": "d", "key": "b"}, {"exchange": "tasks", "key": "a"}]
    assert bindings["acme"] == [
        {"exchange": "by", "key": "two", "match": "any", "headers": {"tenant": "acme"}}
    ]


def test_a_dead_letter_exchange_that_celery_does_not_declare_is_external(write: Import) -> None:
    found = write(task_queues=[Queue("q", TASKS, queue_arguments={"x-dead-letter-exchange": "dead"})])
    assert load(found.file, {}).topology.exchanges["dead"].external
    assert (
        "exchange `dead` is `external`: queue `q` sends its dead letters there, and Celery does not declare it"
        in (found.notes)
    )


def test_priorities_for_all_queues_are_written_where_they_count(write: Import) -> None:
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
    assert "queue `c`: left out, since it would be refused on this queue: `max_priority`" in found.notes


def test_queues_that_have_no_name_of_their_own_are_left_out_and_said(write: Import) -> None:
    found = write(
        task_queues=[Queue("q"), Broadcast("cast"), Queue("", TASKS, "x"), Queue("mine", exclusive=True)],
        task_routes={"cast.*": "cast"},
        task_default_queue="q",
    )
    assert list(queues(found)) == ["q"]
    assert [note for note in found.notes if "left out" in note] == [
        "broadcast `cast` is left out: every worker makes a queue for it, under a name of its own",
        "a queue without a name, bound to `tasks`, is left out: the broker makes its name up",
        "queue `mine` is left out: it is exclusive, so the worker that uses it has to declare it",
        "task_routes: `cast.*` is left out: broadcast `cast` is no queue",
    ]


def test_a_stream_is_no_queue_of_a_worker(write: Import) -> None:
    stream = Queue("log", TASKS, "log", queue_arguments={"x-queue-type": "stream"})
    found = write(task_queues=[Queue("q"), stream], task_default_queue="q", task_routes={"a.*": "log"})
    assert "default: {queues: [q]}" in found.text
    assert (
        "task_routes: `a.*` is left out: queue `log` is a stream, which workers cannot consume" in found.notes
    )


def test_defaults_of_exchange_and_key_are_those_of_queues_that_have_none(write: Import) -> None:
    found = write(
        task_default_queue="tasks",
        task_default_exchange="all",
        task_default_exchange_type="topic",
        task_default_routing_key="task.default",
    )
    assert queues(found) == {"tasks": {"bindings": [{"exchange": "all", "key": "task.default"}]}}
    assert load(found.file, {}).topology.exchanges["all"].type == "topic"


def test_a_key_of_a_route_is_kept_and_may_lead_to_another_queue(write: Import) -> None:
    found = write(
        task_queues=[Queue("low", TASKS, "low.#"), Queue("high", TASKS, "high")],
        task_default_queue="low",
        task_routes={
            "a": {"queue": "low", "routing_key": "low.a"},
            "b": {"exchange": "tasks", "exchange_type": "topic", "routing_key": "high"},
            "c": {"queue": "low", "routing_key": "high"},
            "d.*": {"exchange": "tasks", "exchange_type": "topic", "routing_key": "nobody"},
        },
    )
    assert found.rules == [
        "- {tasks: a, queue: low, key: low.a}",
        "- {tasks: [b, c], queue: high}",
    ]
    assert [note for note in found.notes if note.startswith("task")] == [
        "task `c`, key `high` names queue `low`, but its exchange takes it to `high`, as the file does",
        "task_routes: `d.*`, key `nobody` is left out: it reaches no queue, and a rule sends a task to one queue",
    ]


def test_what_a_decorator_says_beats_routes_and_is_a_rule(write: Import) -> None:
    found = write(
        {"a": {"queue": "own", "priority": 4}, "b": {"routing_key": "x"}}, task_routes={"*": "all", "a": "q"}
    )
    assert "- {tasks: a, queue: own, priority: 4}" in found.rules
    assert by_celery(found.app, "a")["queue"] == by_celery(found.configured("a"), "a")["queue"] == "own"


def test_annotations_are_fields_of_rules_and_those_of_all_tasks_of_every_rule(write: Import) -> None:
    found = write(
        {"slow": {}, "other": {}},
        task_routes={"other": "q"},
        task_annotations={
            "*": {"time_limit": 30},
            "slow": {"rate_limit": "10/m", "time_limit": 60},
            "elsewhere": {"rate_limit": 2},
        },
    )
    assert found.rules == [
        "- {tasks: other, queue: q, time_limit: 30s}",
        # As in Celery, where `*` is applied last.
        "- {tasks: slow, queue: celery, time_limit: 30s, rate_limit: 10/m}",
        "- {tasks: elsewhere, queue: celery, time_limit: 30s, rate_limit: 2/s}",
        '- {tasks: "*", queue: celery, time_limit: 30s}',
    ]
    assert found.app.tasks["slow"].time_limit == 30


def test_annotations_that_are_code_or_no_part_of_a_rule_are_said(write: Import) -> None:
    def on_failure(*_: Any) -> None:
        """Called when a task failed."""

    found = write(
        {"slow": {}, "fast": {}},
        task_annotations=[Slowly(), {"fast": {"acks_late": True, "on_failure": on_failure}}],
    )
    assert found.rules == ["- {tasks: slow, queue: celery, rate_limit: 1/m}"]
    assert found.notes == (
        f"`{__name__}.Slowly` in `task_annotations` is code: it was asked for each task of the app",
        "`task_annotations` also has `acks_late`, `on_failure`: that stays in Celery's settings",
    )


def test_a_default_priority_stays_and_the_routes_that_it_beats_in_celery_are_said(write: Import) -> None:
    found = write(
        {"a": {}, "b": {}},
        task_default_priority=5,
        task_routes={"a": {"queue": "q", "priority": 3}, "b": "q"},
    )
    assert by_celery(found.app, "b")["priority"] == 5
    assert found.router.route("a").priority == 3
    assert found.notes == (
        "in Celery `task_default_priority` (5) beats the priority that a route has for a registered task; by the file "
        "the rule's counts: `a`",
    )


def test_beat_entries_are_told_and_their_queues_declared(write: Import) -> None:
    entry = {"task": "report", "schedule": 60, "options": {"queue": "nightly", "priority": 2}}
    found = write({"report": {}}, beat_schedule={"daily": entry, "plain": {"task": "report", "schedule": 60}})
    assert list(queues(found)) == ["celery", "nightly"]
    assert "#   daily (report): priority 2, queue nightly" in found.text
    assert found.notes == (
        "the beat schedule says itself how its tasks are published, which beats the rules: `daily`",
    )


def test_arguments_of_consumers_are_left_out_and_said(write: Import) -> None:
    found = write(task_queues=[Queue("q", consumer_arguments={"x-priority": 10})], task_default_queue="q")
    assert "# consumer arguments have no place here: x-priority: 10" in found.text
    assert "consumer arguments, such as `x-priority`, have no place in the file: queues `q`" in found.notes


def test_two_exchanges_of_one_name_are_said(write: Import) -> None:
    found = write(
        task_queues=[Queue("a", Exchange("e", "topic"), "a"), Queue("b", Exchange("e", "direct"), "b")],
        task_default_queue="a",
    )
    assert "exchange `e` is declared in two ways; the first is written" in found.notes
    assert load(found.file, {}).topology.exchanges["e"].type == "topic"


def test_an_exchange_of_a_plugin_that_the_file_does_not_know_is_left_out(write: Import) -> None:
    found = write(task_queues=[Queue("a", Exchange("e", "x-unheard-of"), "a")], task_default_queue="a")
    assert any(
        note.startswith("exchange `e` (x-unheard-of) is none that the file can hold") for note in found.notes
    )
    assert found.router.route("any").queue == "a"


def test_a_queue_may_be_called_as_the_word_that_refuses_tasks(write: Import) -> None:
    found = write(task_default_queue="refuse")
    assert found.router.route("any").queue == "refuse"


def test_on_redis_priorities_are_turned_round(tmp_path: Path) -> None:
    app = Celery("app", broker="redis://localhost", set_as_current=False)
    app.conf.task_routes = {
        "now": {"queue": "q", "priority": 0},
        "late": {"queue": "q", "priority": 9},
        "any": "q",
    }
    found = imported(add_tasks(app, {}), tmp_path)
    priorities = {name: found.router.route(name).priority for name in ("now", "late", "any", "other")}
    assert priorities == {"now": 9, "late": 0, "any": 9, "other": 9}
    assert [note.partition(":")[0] for note in found.notes] == [
        "the broker is Redis",
        "priorities are turned round (9 less what Celery has)",
    ]


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


def test_another_broker_than_rabbitmq_is_said(tmp_path: Path) -> None:
    found = imported(Celery("app", broker="sqs://", set_as_current=False), tmp_path)
    assert found.notes == ("the broker is sqs, not RabbitMQ: exchanges and bindings are not used there",)


def test_names_of_every_script_come_through(write: Import) -> None:
    names = ["ünï * x", "日本", "a b", "#", "{q}", "- x", "null", "1e3", "'", "x: y"]
    found = write(
        task_queues=[Queue(name, TASKS, f"k{at}") for at, name in enumerate(names)], task_default_queue="日本"
    )
    assert list(queues(found)) == names
    assert found.router.route("any").queue == "日本"
