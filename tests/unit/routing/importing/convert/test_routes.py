"""What `routectl import celery` writes for an app's routes, decorators and annotations, and its notes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from kombu import Exchange, Queue

from routectl.routing import Router
from routectl.topology.file.load import load

from ....imported import Importer
from ...task_routes.test_router_properties import by_celery, by_task, celery_app

pytestmark = pytest.mark.filterwarnings("ignore::celery.exceptions.CDeprecationWarning")

TASKS = Exchange("tasks", "topic")

#: How a note on code ends.
BY_ARGUMENTS = "add rules with `when` for what it decides by arguments (docs/routing.md)"


class ByDepartment:
    """A router of the old kind."""

    def route_for_task(self, task: str, args: Any = None, kwargs: Any = None) -> Any:
        return {"queue": "ads", "priority": 3} if task.startswith("ads.") else None


def by_department(name: str, args: Any, kwargs: Any, options: Any, task: Any = None) -> Any:
    return ByDepartment().route_for_task(name)


def by_tenant(name: str, args: Any, kwargs: Any, options: Any, task: Any = None) -> Any:
    return {"queue": kwargs["tenant"]}


def by_limit(name: str, args: Any, kwargs: Any, options: Any, task: Any = None) -> Any:
    return {"queue": "q", "expires": 60, "time_limit": 5} if name == "mine" else None


#: Routes of three kinds.
PLAIN = [{"a": "q1", "b.*": {"queue": "q2", "priority": 4}}, by_department, {"c": "q3"}]

SHARED = {"queue": "ads"}


def by_constant(name: str, args: Any, kwargs: Any, options: Any, task: Any = None) -> Any:
    return SHARED


class Slowly:
    """An annotation that is code."""

    def annotate(self, task: Any) -> Any:
        return {"rate_limit": "1/m"} if task.name == "slow" else None


@pytest.fixture
def write(tmp_path: Path) -> Importer:
    return Importer(tmp_path)


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
def test_every_form_of_a_mapping_is_written_unchanged(write: Importer, routes: Any) -> None:
    found = write(task_routes=routes)
    assert found.rules == ["- {tasks: a, queue: q1}", "- {tasks: b.*, queue: q2, priority: 4}"]
    assert found.notes == ()


#: For a dotted path.
OURS = Router.from_celery({"c": "q3"})


@pytest.mark.parametrize(
    "routes",
    [
        Router.from_celery([{"a": "q1", "b.*": {"queue": "q2", "priority": 4}}, by_department, {"c": "q3"}]),
        [Router.from_celery({"a": "q1", "b.*": {"queue": "q2", "priority": 4}}), by_department, {"c": "q3"}],
        (
            Router.from_celery(
                [Router.from_celery([[("a", "q1"), ("b.*", {"queue": "q2", "priority": 4})]]), by_department]
            ),
            f"{__name__}.OURS",
        ),
    ],
    ids=["alone", "among others", "within another, and by a path"],
)
def test_a_router_from_celery_is_read_like_its_settings(write: Importer, routes: Any) -> None:
    found = write({"ads.run": {}, "b.run": {}}, task_routes=routes)
    by_code = write({"ads.run": {}, "b.run": {}}, task_routes=PLAIN)
    assert found.text == by_code.text
    assert found.notes == by_code.notes
    assert "- {tasks: b.*, queue: q2, priority: 4}" in found.rules
    assert "- {tasks: ads.run, queue: ads, priority: 3}" in found.rules


def test_patterns_keep_their_order_and_neighbours_share_a_rule(write: Importer) -> None:
    found = write(task_routes={"a.b.*": "q1", "c.*": "q1", "*.b.*": "q2", "a.*": "q1"})
    assert found.rules == [
        "- {tasks: [a.b.*, c.*], queue: q1}",
        '- {tasks: "*.b.*", queue: q2}',
        "- {tasks: a.*, queue: q1}",
    ]


def test_of_two_equal_patterns_the_last_replaces_the_first(write: Importer) -> None:
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
def test_an_expression_matches_the_start_of_a_name(
    write: Importer, expression: re.Pattern[str], written: str, like: str, unlike: str | None
) -> None:
    found = write(task_routes={expression: "q"})
    assert found.rules == [f"- {{tasks: {written}, queue: q}}"]
    assert found.router.route(like).queue == by_celery(found.app, like)["queue"] == "q"
    if unlike is not None:
        assert found.router.route(unlike).queue == by_celery(found.app, unlike)["queue"] == "celery"


def test_names_that_the_file_would_read_differently_are_written_as_expressions(write: Importer) -> None:
    names = ["{a}", "/a/", "a b", " a", "ünï", "a.?", "a:b", "true", "a$b", "${HOME}", '"', "日本"]
    found = write(task_routes={name: f"q{at}" for at, name in enumerate(names)})
    for at, name in enumerate(names):
        assert found.router.route(name).queue == f"q{at}", name
    assert "- {tasks: '/\\{a\\}/', queue: q0}" in found.rules


def test_a_task_name_with_an_asterisk_matches_only_itself(write: Importer) -> None:
    found = write({"a*": {"queue": "q"}})
    assert found.router.route("a*").queue == "q"
    assert found.router.route("ab").queue == "celery"


@pytest.mark.parametrize(
    ("router", "name"),
    [
        (ByDepartment(), f"{__name__}.ByDepartment"),
        (by_department, f"{__name__}.by_department"),
        (f"{__name__}.ByDepartment", f"{__name__}.ByDepartment"),
        (f"{__name__}:by_department", f"{__name__}:by_department"),
    ],
    ids=["object", "function", "path of a class", "path of a function"],
)
def test_code_is_called_for_every_task_and_noted(write: Importer, router: Any, name: str) -> None:
    found = write({"ads.x": {}, "ads.y": {}, "other": {}}, task_routes=[router, {"later": "q"}])
    assert found.rules == [
        "- {tasks: [ads.x, ads.y], queue: ads, priority: 3}",
        "- {tasks: later, queue: q}",
    ]
    assert found.notes == (
        f"{name} is code: 2 tasks have rules from its results without arguments; {BY_ARGUMENTS}",
    )
    comment = re.sub(r"(?<![:\n])\n  # ", " ", found.text)
    assert f"# {name} is code, which cannot be written as rules." in comment
    assert "# What it decides by arguments is not in the file." in found.text


def test_a_router_that_needs_arguments_is_noted_with_the_tasks_that_it_cannot_route(write: Importer) -> None:
    found = write({"mine": {}}, task_routes=(by_tenant,))
    (note,) = (note for note in found.notes if "KeyError" in note)
    assert note.startswith("tasks `mine`, `celery.accumulate`, ")
    assert note.endswith(": no rule, since Celery cannot route it without arguments: KeyError: 'tenant'")
    assert (
        f"{__name__}.by_tenant is code: 0 tasks have rules from its results without arguments; {BY_ARGUMENTS}"
        in found.notes
    )
    assert found.router.route("mine").queue == "celery"


def test_a_dict_that_a_router_returns_again_is_not_modified(write: Importer) -> None:
    found = write({"a": {"priority": 5}, "b": {}}, task_routes=(by_constant,))
    assert found.router.route("a").priority == 5
    assert found.router.route("b").priority is None
    assert SHARED == {"queue": "ads"}


def test_an_exact_name_that_an_earlier_router_matches_is_left_out_with_a_comment(write: Importer) -> None:
    found = write(task_routes=[{"a.*": "q1"}, {"a.b": "q2", "c": "q2"}])
    assert found.rules == ["- {tasks: c, queue: q2}", "- {tasks: a.*, queue: q1}"]
    assert "# Left out, since task_routes[0] comes first and matches it: a.b" in found.text


def test_a_route_that_celery_cannot_use_is_left_out_with_a_note(write: Importer) -> None:
    found = write(task_routes={"a.*": None, "b.*": Queue("q"), "c": "q"})
    assert found.rules == ["- {tasks: c, queue: q}"]
    assert found.notes == (
        "task_routes: `a.*`: left out: NoneType is not a route",
        "task_routes: `b.*`: left out: Queue is not a route",
    )


def test_message_settings_of_a_route_are_written(write: Importer) -> None:
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


@pytest.mark.parametrize("option", ["expires", "time_limit", "soft_time_limit"])
def test_routes_that_are_errors_only_in_celery_are_noted(write: Importer, option: str) -> None:
    found = write(task_routes={"a.*": {"queue": "q", option: 60}, "b": {"queue": "q", option: 60}, "c": "q"})
    for task in ("a.x", "b"):
        with pytest.raises(TypeError, match=f"multiple values for argument '{option}'"):
            by_celery(found.app, task)
        assert by_celery(found.configured(), task)["queue"] == "q"
    assert found.notes == (
        f"task_routes: `a.*`, `b`: Celery cannot send such a task (TypeError), since the route sets `{option}`; with "
        "the file, it is sent with the rule's value: check that you want this",
    )


def test_code_whose_result_celery_cannot_send_is_noted_with_its_tasks(write: Importer) -> None:
    found = write({"mine": {}, "other": {}}, task_routes=(by_limit,))
    assert [note for note in found.notes if "cannot send" in note] == [
        "task `mine`: Celery cannot send such a task (TypeError), since the route sets `expires`, `time_limit`; with "
        "the file, it is sent with the rule's value: check that you want this"
    ]


def test_a_value_that_is_not_plain_data_is_left_out_with_a_note(write: Importer) -> None:
    found = write(task_routes={"a.*": {"queue": "q", "priority": "high", "link": object(), "foo": (1, None)}})
    assert found.rules == ["- {tasks: a.*, queue: q, options: {foo: [1, null]}}"]
    assert found.notes == ("task_routes: `a.*`: written without `priority`, `link`: unsupported value",)


def test_a_key_of_a_route_is_kept_and_may_reach_another_queue(write: Importer) -> None:
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
        "task `c`: it names queue `low`, but key `high` reaches `high` through its exchange; the file routes to `high`",
        "task_routes: `d.*`: left out: key `nobody` reaches no queue, but a rule must route to exactly one queue",
    ]


def test_a_note_on_many_tasks_names_the_first_of_them(write: Importer) -> None:
    queues = [Queue("all", TASKS, "#"), Queue("cold", TASKS, "#.cold")]
    routes = {f"t{number:02}": "cold" for number in range(15)}
    found = write(task_queues=queues, task_default_queue="all", task_routes=routes)
    assert [note for note in found.notes if "reaches" in note] == [
        "tasks `t00`, `t01`, `t02`, `t03`, `t04` and 10 more: key `#.cold` reaches `all` and `cold` through its "
        "exchange; the file sends only to `cold`"
    ]


def test_a_note_names_up_to_five(write: Importer) -> None:
    found = write(task_routes={f"{name}.*": None for name in "abcde"})
    assert found.notes == (
        "task_routes: `a.*`, `b.*`, `c.*`, `d.*`, `e.*`: left out: NoneType is not a route",
    )


def test_a_decorator_overrides_routes_and_becomes_a_rule(write: Importer) -> None:
    found = write(
        {"a": {"queue": "own", "priority": 4}, "b": {"routing_key": "x"}}, task_routes={"*": "all", "a": "q"}
    )
    assert "- {tasks: a, queue: own, priority: 4}" in found.rules
    assert by_task(found.app, "a")["queue"] == by_task(found.configured("a"), "a")["queue"] == "own"


def test_tasks_that_go_elsewhere_if_they_are_not_imported_are_noted(write: Importer) -> None:
    found = write(
        {"a": {"queue": "own"}, "b": {"queue": "q"}, "c": {"priority": 3}}, task_routes={"b": "q", "d": "q"}
    )
    assert found.notes == (
        "`a` and 1 more: in Celery, a sender that has not imported the task ignores the queue, key or priority set on "
        "it; with the file, every sender uses them",
    )
    assert by_celery(celery_app(task_routes={"b": "q", "d": "q"}), "a")["queue"] == "celery"


def test_annotations_are_fields_of_rules_and_those_of_all_tasks_of_every_rule(write: Importer) -> None:
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


def test_a_route_of_all_tasks_needs_no_last_rule(write: Importer) -> None:
    found = write(task_routes={"*": "q", "a.*": "r"}, task_annotations={"*": {"time_limit": 30}})
    assert found.rules == [
        '- {tasks: "*", queue: q, time_limit: 30s}',
        "- {tasks: a.*, queue: r, time_limit: 30s}",
    ]


def test_annotations_that_are_code_or_not_supported_are_noted(write: Importer) -> None:
    def on_failure(*_: Any) -> None:
        """Called when a task failed."""

    found = write(
        {"slow": {}, "fast": {}},
        task_annotations=[Slowly(), {"fast": {"acks_late": True, "on_failure": on_failure}}],
    )
    assert found.rules == ["- {tasks: slow, queue: celery, rate_limit: 1/m}"]
    assert found.notes == (
        f"`{__name__}.Slowly` in `task_annotations` is code: it was called once for each registered task; add "
        "rules for tasks that you add later",
        "`task_annotations` also sets `acks_late`, `on_failure`, which rules do not support: keep that in "
        "Celery's settings",
    )


def test_routes_that_a_default_priority_overrides_in_celery_are_noted(write: Importer) -> None:
    found = write(
        {"a": {}, "b": {}},
        task_default_priority=5,
        task_routes={"a": {"queue": "q", "priority": 3}, "b": "q"},
    )
    assert by_task(found.app, "b")["priority"] == 5
    assert found.router.route("a").priority == 3
    assert found.notes == (
        "in Celery, `task_default_priority` (5) overrides the priority that a route sets for a registered task; with "
        "the file, the rule's priority applies: `a`",
    )


def test_an_expression_that_could_be_slow_is_tried_for_each_task(write: Importer) -> None:
    found = write({"aab": {}, "other": {}}, task_routes={re.compile("(a+)+b"): "q"})
    assert "- {tasks: aab, queue: q}" in found.rules
    assert any("an expression that the file does not support" in note for note in found.notes)


def test_an_expression_that_matches_to_the_end_is_written_unchanged(write: Importer) -> None:
    found = write(task_routes={re.compile(r"a.*b.*c\Z"): "q"})
    assert found.rules == [r"- {tasks: '/a.*b.*c\Z/', queue: q}"]
