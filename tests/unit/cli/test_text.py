"""The text of whole plans and reports; single lines are in `test_plan_text`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.cli.console import Console
from routectl.cli.text import plan_text, printable, report_text
from routectl.topology.base.resources import Key, Kind, Resource, State, binding_key
from routectl.topology.base.secret import Secret
from routectl.topology.change.apply import ApplyReport, Outcome
from routectl.topology.change.diff import diff
from routectl.topology.change.leftovers.objects import Leftover, leftover_keys
from routectl.topology.change.plan import Change, Plan
from routectl.topology.errors import UsageError
from tests.fakes import ALGORITHM, exchange, password_hash, policy, queue, state, user

EMPTY = Plan("amqp://localhost:5672", "rabbit@here", ("/",), files=("queues.yaml",))


def plan(desired: State, live: State, *delete: Resource, **more: Any) -> Plan:
    keys = [item.key for item in delete]
    found = diff(desired, live, delete=keys)
    kept = leftover_keys(desired, live, vhosts=["/"], used=keys)
    left = tuple(Leftover(key, live[key].messages, live[key].consumers) for key in kept)
    return replace(EMPTY, **{"changes": found.changes, "problems": found.problems, "leftovers": left, **more})


def text(made: Plan) -> str:
    return click.unstyle(plan_text(made))


def line(desired: Resource, live: Resource) -> str:
    """The one line of a plan with one change."""
    return text(plan(state(desired), state(live))).splitlines()[2]


def test_a_plan_in_full() -> None:
    live = state(
        policy("length", **{"max-length": 1}),
        replace(queue("low", messages=12, arguments={"x-message-ttl": 5}), consumers=1),
        queue("legacy", messages=1),
        exchange("theirs"),
        queue("other"),
    )
    desired = state(
        exchange("tasks", type="topic", internal=True, arguments={"alternate-exchange": "dead"}),
        queue("high", type="quorum"),
        queue("low"),
        Resource(binding_key("/", "tasks", "high", "high")),
        Resource(binding_key("/", "tasks", "tasks", "", {"x-match": "any"}, to_exchange=True)),
        replace(exchange("missing"), external=True),
        policy("length", **{"max-length": 2, "message-ttl": 1000}),
    )
    assert (
        text(plan(desired, live, queue("legacy"), notes=("this is a test",)))
        == """\
amqp://localhost:5672  cluster rabbit@here  vhost /

  ~ policy    length                                max-length: 1 -> 2, message-ttl: unset -> 1s
  + exchange  tasks                                 topic, durable, internal, alternate-exchange: dead
  + queue     high                                  quorum, durable
-/+ queue     low                                   x-message-ttl: 5ms -> unset
      destructive: RabbitMQ cannot change an existing queue: it must be deleted and recreated \
(12 messages, 1 consumer)
  + binding   tasks -> high "high"
  + binding   tasks -> tasks "" {"x-match": "any"}
  - queue     legacy                                classic, durable
      destructive, data-loss: its deletion was requested (1 message, 0 consumers)
  ! exchange missing is `external` but does not exist in vhost `/`
      hint: declare it, or check its name

note: this is a test
note: not in queues.yaml, left unchanged:
  exchange  theirs
  queue     other (0 messages, 0 consumers)

Plan: 4 to create, 1 to change, 1 to replace, 1 to delete, 1 problem"""
    )


HEAD = "amqp://localhost:5672  cluster rabbit@here  vhost /\n\n"


def test_an_empty_plan_says_of_which_broker() -> None:
    assert text(EMPTY) == HEAD + "No changes. Broker matches queues.yaml."
    several = text(replace(EMPTY, files=("a.yaml", "b.yaml")))
    assert several == HEAD + "No changes. Broker matches a.yaml + b.yaml."


def test_an_empty_plan_still_says_what_to_know() -> None:
    assert text(replace(EMPTY, notes=("one", "two"))) == (
        HEAD + "note: one\nnote: two\n\nNo changes. Broker matches queues.yaml."
    )


def test_of_several_vhosts_each_line_names_its_own() -> None:
    desired = state(queue("q"), queue("q", "shop"), user("app", tags=["administrator"]))
    assert text(plan(desired, {}, vhosts=("/", "shop"))).splitlines()[:5] == [
        "amqp://localhost:5672  cluster rabbit@here  vhost /, shop",
        "",
        '  + user   app       tags: ["administrator"]',
        "  + queue  q (/)     classic, durable",
        "  + queue  q (shop)  classic, durable",
    ]


def test_details_stand_below_each_other_on_a_terminal() -> None:
    shown = text(plan(state(queue("🐇"), queue("e\u0301"), queue("abc")), {})).splitlines()[2:5]
    assert shown == [
        "  + queue  🐇   classic, durable",
        "  + queue  e\u0301    classic, durable",
        "  + queue  abc  classic, durable",
    ]


def test_a_long_name_pushes_only_its_own_line() -> None:
    shown = text(plan(state(queue("x" * 200), queue("y")), {})).splitlines()
    assert shown[2] == f"  + queue  {'x' * 200}  classic, durable"
    assert shown[3] == f"  + queue  y{' ' * 43}  classic, durable"


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (1, None, "1 -> unset"),
        (None, 1, "unset -> 1"),
        (1, 2, "1 -> 2"),
        (False, True, "false -> true"),
        ("", "a b", '"" -> a b'),
        ([1, "é"], {"a": None}, '[1, "é"] -> {"a": null}'),
        ("5", 5, '"5" -> 5'),
        ("true", True, '"true" -> true'),
        ("unset", None, '"unset" -> unset'),
        (1, True, "1 -> true"),
    ],
)
def test_a_difference_can_be_seen(before: Any, after: Any, shown: str) -> None:
    def arguments(value: Any) -> dict[str, Any]:
        return {} if value is None else {"x-max-length": value}

    one, other = (queue("q", arguments=arguments(value)) for value in (after, before))
    assert line(one, other) == f"-/+ queue  q  x-max-length: {shown}"


def test_no_password_is_shown_and_that_it_differs_is() -> None:
    live = user("app", password_hash=password_hash("old"), hashing_algorithm=ALGORITHM)
    wanted = user("app", password=Secret("hush"))
    assert line(wanted, live) == "  ~ user  app  password: *** -> ***"
    assert text(plan(state(wanted), {})).splitlines()[2] == "  + user  app  password: ***"


def test_a_parameter_is_what_its_component_makes_of_it() -> None:
    shovel = Resource(Key(Kind.PARAMETER, "/", ("shovel", "s")), {"value": {"src-queue": "a"}})
    members = Resource(
        Key(Kind.PARAMETER, "/", ("federation-upstream-set", "all")), {"value": [{"upstream": "u"}]}
    )
    assert text(plan(state(shovel, members), {})).splitlines()[2:4] == [
        "  + shovel                   s    src-queue: a",
        '  + federation upstream set  all  value: [{"upstream": "u"}]',
    ]


def test_no_uri_is_shown() -> None:
    value = {"src-uri": Secret("amqp://u:hush@far"), "src-queue": "q"}
    shovel = Resource(Key(Kind.PARAMETER, "/", ("shovel", "s")), {"value": value})
    assert text(plan(state(shovel), {})).splitlines()[2] == "  + shovel  s  src-queue: q, src-uri: ***"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines\t", "two\\nlines\\t"),
        ("\u202eback", "\\u202eback"),
        ("wörld ✓ 队列", "wörld ✓ 队列"),
        ("{curly} %s", "{curly} %s"),
    ],
)
def test_an_odd_name_is_shown_and_does_no_harm(name: str, shown: str) -> None:
    made = plan(
        state(queue(name, arguments={"x-a": name}), replace(exchange(name), external=True)),
        {},
        broker=f"amqp://{name}",
        notes=(name,),
        files=(name,),
        leftovers=(Leftover(queue(name).key, 0, 0),),
    )
    assert text(made).splitlines() == [
        f"amqp://{shown}  cluster rabbit@here  vhost /",
        "",
        f"  + queue  {shown}  classic, durable, x-a: {shown}",
        f"  ! exchange {shown} is `external` but does not exist in vhost `/`",
        "      hint: declare it, or check its name",
        "",
        f"note: {shown}",
        f"note: not in {shown}, left unchanged:",
        f"  queue  {shown} (0 messages, 0 consumers)",
        "",
        "Plan: 1 to create, 1 problem",
    ]
    assert text(replace(EMPTY, files=(name,))).splitlines()[-1] == f"No changes. Broker matches {shown}."


@given(st.text())
def test_what_is_printable_stays_as_it_is_and_the_rest_becomes_so(written: str) -> None:
    assert printable(written).isprintable()
    assert printable(printable(written)) == printable(written)


@given(st.dictionaries(st.text(max_size=5), st.recursive(st.integers() | st.text(), st.lists), max_size=4))
def test_any_arguments_fit_on_one_line(arguments: dict[str, Any]) -> None:
    made = plan(state(queue("q", arguments=arguments)), {})
    assert len(text(made).split("\n")) == 5
    json.dumps(made.as_dict())


def outcome(name: str, status: Any = "done", action: Any = "create", **more: Any) -> Outcome:
    change = Change(action, queue(name).key, None, queue(name).properties, "safe", "")
    return Outcome(change, status, **more)


def report(*outcomes: Outcome, made: Plan = EMPTY) -> str:
    return click.unstyle(report_text(ApplyReport(outcomes), made))


def test_a_report_counts_what_was_done() -> None:
    done = [outcome("a"), outcome("b"), outcome("c", action="update"), outcome("d", action="delete")]
    assert report(*done) == "Applied: 2 created, 1 changed, 1 deleted. Broker matches queues.yaml."


def test_a_report_does_not_claim_what_it_cannot_see() -> None:
    assert report(outcome("a"), made=replace(EMPTY, cluster="")) == "Applied: 1 created."


def test_a_report_does_not_hide_harmful_leftovers() -> None:
    harmful = Leftover(queue("old").key, 1, 0, "1 message waits here")
    assert report(outcome("a"), made=replace(EMPTY, leftovers=(harmful,))) == (
        "Applied: 1 created. Broker matches queues.yaml, apart from 1 harmful leftover."
    )


def test_a_report_names_every_failure_with_its_reason() -> None:
    found = report(
        outcome("a"),
        outcome("b", "failed", error="no leave", hint="ask for it"),
        outcome("c", "failed", error="\x1b[2J"),
        outcome("d", "skipped", error="its vhost is missing"),
    )
    assert (
        found
        == """\
failed: queue b: no leave
  hint: ask for it
failed: queue c: \\x1b[2J
skipped: queue d: its vhost is missing
Applied: 1 created, 2 failed, 1 skipped."""
    )


def test_a_report_tells_one_reason_once_with_the_objects_that_it_concerns() -> None:
    failed = [
        outcome(f"q{number}", "failed", error=f"access to queue 'q{number}' refused", hint="ask for it")
        for number in range(7)
    ]
    shown = report(outcome("a"), *failed, outcome("b", "failed", error="no")).splitlines()
    assert shown == [
        "failed: 7 queues: access to queue '…' refused",
        "  queue q0, queue q1, queue q2, queue q3, queue q4 and 2 more; `--verbose` lists them",
        "  hint: ask for it",
        "failed: queue b: no",
        "Applied: 1 created, 8 failed.",
    ]
    whole = report_text(ApplyReport(tuple(failed)), EMPTY, verbose=True)
    assert "queue q5, queue q6\n" in whole


def test_a_report_on_several_vhosts_names_them() -> None:
    failures = [
        Outcome(Change("create", queue("q", vhost).key, None, {}, "safe", ""), "failed", "no")
        for vhost in ("/", "shop")
    ]
    assert report(*failures).splitlines()[:2] == ["failed: 2 queues: no", "  queue q (/), queue q (shop)"]


def test_a_report_of_nothing_but_failures_says_that_nothing_was_done() -> None:
    assert report(outcome("b", "failed", error="no")).endswith("Applied: 1 failed.")


def test_a_report_of_nothing_says_so() -> None:
    assert report() == "Applied: nothing. Broker matches queues.yaml."


def test_an_error_cannot_write_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert Console().fail(UsageError("no \x1b[2J\n  here", "try \x07")) == 2
    assert capsys.readouterr().err == "error: no \\x1b[2J\n  here\nhint: try \\x07\n"
