"""The text of single lines of a plan."""

from __future__ import annotations

from typing import Any

import click

from routectl.cli.text import plan_text, question_text
from routectl.topology.base.resources import Key, Kind, binding_key, exchange_key, queue_key
from routectl.topology.change.desired import desired_state
from routectl.topology.change.diff import diff
from routectl.topology.change.leftovers.objects import Leftover
from routectl.topology.change.plan import Action, Change, Plan, Risk
from routectl.topology.model import Topology

QUORUM: dict[str, Any] = {
    "version": 1,
    "exchanges": {"tasks": {"type": "topic"}},
    "queues": {"high": {"type": "quorum", "bindings": [{"exchange": "tasks", "key": "high"}]}},
    "routes": [{"tasks": "*", "queue": "high"}],
}


def lines(*changes: Change, verbose: bool = False, quiet: bool = False, **more: Any) -> list[str]:
    made = {"broker": "amqp://localhost:5672", "cluster": "rabbit@here", "vhosts": ("/",), **more}
    plan = Plan(changes=changes, files=("queues.yaml",), **made)
    return click.unstyle(plan_text(plan, verbose=verbose, quiet=quiet)).splitlines()


def change(action: Action, before: Any, after: Any, risk: Risk, messages: int = 0) -> Change:
    return Change(action, queue_key("/", "low"), before, after, risk, "because", messages, 1)


def queue(**arguments: Any) -> dict[str, Any]:
    return {"type": "classic", "durable": True, "auto_delete": False, "arguments": arguments}


def test_what_delayed_tasks_need_is_one_line_unless_asked_for() -> None:
    changes = diff(desired_state(Topology.model_validate(QUORUM), "/"), {}).changes
    folded = lines(*changes)
    assert folded[2:] == [
        "  + exchange  tasks                   topic, durable",
        "  + queue     high                    quorum, durable",
        '  + binding   tasks -> high "#.high"',
        '  + binding   tasks -> high "high"',
        "  + 29 exchanges, 28 queues, 57 bindings for Celery's delayed tasks; `--verbose` lists them",
        "",
        f"Plan: {len(changes)} to create",
    ]
    assert sum(line.startswith("  + ") for line in lines(*changes, verbose=True)) == len(changes)


def test_a_deletion_says_what_goes() -> None:
    shown = lines(change("delete", queue(**{"x-max-length": 5}), None, "destructive", 1))
    assert shown[2] == "  - queue  low  classic, durable, x-max-length: 5"
    assert shown[3] == "      destructive, disruptive, data-loss: because (1 message, 1 consumer)"


def test_the_question_before_an_apply_names_what_is_more_than_safe() -> None:
    changes = (
        change("create", None, queue(), "safe"),
        change("delete", queue(), None, "destructive", 1),
    )
    assert question_text(Plan("amqp://localhost", "rabbit@here", ("/",), changes)) == (
        "\ndestructive, disruptive, data-loss: delete queue low (1 message, 1 consumer)\nApply these 2 changes?"
    )
    assert question_text(Plan("amqp://localhost", "rabbit@here", ("/",), changes[:1])) == (
        "\nApply this change?"
    )


def test_a_replacement_says_what_differs() -> None:
    shown = lines(change("replace", queue(), queue(**{"x-max-length": 5}), "destructive", 2))
    assert shown[2] == "-/+ queue  low  x-max-length: unset -> 5"
    assert shown[3] == "      destructive: because (2 messages, 1 consumer)"


def test_what_amqp_cannot_compare_is_counted() -> None:
    shown = lines(change("verify", None, queue(), "safe"))
    assert shown[2] == (
        "  ? 1 queue that AMQP cannot compare: `apply` declares such objects again, and reports what differs; "
        "`--verbose` lists them"
    )
    assert shown[-1] == "Plan: 1 to verify"


def test_names_cannot_write_to_the_terminal() -> None:
    evil = Change("create", Key(Kind.QUEUE, "/", ("\x1b[2J",)), None, queue(), "safe", "")
    assert lines(evil)[2] == "  + queue  \\x1b[2J  classic, durable"


def left(*keys: Key, **more: Any) -> tuple[Leftover, ...]:
    return tuple(Leftover(key, **more) for key in keys)


def test_what_is_left_alone_is_named() -> None:
    shown = lines(
        leftovers=(
            *left(Key(Kind.POLICY, "/", ("length",)), Key(Kind.POLICY, "/", ("ttl",))),
            Leftover(queue_key("/", "legacy"), 3, 1),
            Leftover(queue_key("/", "down")),
            *left(binding_key("/", "tasks", "other", "k", to_exchange=True)),
            *left(Key(Kind.PARAMETER, "/", ("federation-upstream", "site"))),
        )
    )
    assert shown[2:] == [
        "note: not in queues.yaml, left unchanged:",
        "  policy    length, ttl",
        "  queue     legacy (3 messages, 1 consumer), down (messages unknown)",
        '  binding   tasks -> exchange other "k"',
        "  upstream  site",
        "",
        "No changes. Broker matches queues.yaml.",
    ]


def test_many_names_of_a_kind_are_folded_and_listed_on_request() -> None:
    many = left(*(exchange_key("/", f"e{number}") for number in range(8)))
    assert lines(leftovers=many)[3] == "  exchange  e0, e1, e2, e3, e4 and 3 more; `--verbose` lists them"
    assert lines(leftovers=many, verbose=True)[3:11] == [
        f"  --delete exchange:e{number}" for number in range(8)
    ]


def test_what_belongs_to_the_cluster_is_listed_on_request() -> None:
    others = left(Key(Kind.VHOST, "", ("theirs",)), Key(Kind.USER, "", ("them",)))
    assert lines(leftovers=others)[2:] == ["No changes. Broker matches queues.yaml."]
    assert lines(leftovers=others, verbose=True)[3:5] == ["  --delete vhost:theirs", "  --delete user:them"]


def test_quiet_shows_no_notes_and_only_leftovers_that_do_harm() -> None:
    harmful = Leftover(queue_key("/", "old"), 2, 0, "nothing consumes it")
    kept = (*left(queue_key("/", "legacy")), harmful)
    shown = lines(leftovers=kept, notes=("not shown: users",), quiet=True)
    assert shown[2] == "  ! queue old (2 messages, 0 consumers)"
    assert not {"note", "legacy"} & set(" ".join(shown).replace(":", " ").split())
    assert shown[-1] == "No changes. Broker matches queues.yaml, apart from 1 harmful leftover."


def test_names_to_delete_are_quoted_for_a_shell() -> None:
    odd = left(binding_key("/", "tasks", "dead", "#.normal"), queue_key("reports", "old"))
    assert lines(leftovers=odd, verbose=True)[3:5] == [
        """  --delete 'binding:tasks -> dead "#.normal"'""",
        "  --delete queue:old@reports (messages unknown)",
    ]


def test_a_harmful_leftover_is_marked_and_explained() -> None:
    shown = lines(leftovers=left(queue_key("/", "old"), messages=2, consumers=0, harm="nothing consumes it"))
    assert shown[2:] == [
        "  ! queue old (2 messages, 0 consumers)",
        "      harmful: nothing consumes it",
        "      not in the file; to delete it: --delete queue:old",
        "",
        "No changes. Broker matches queues.yaml, apart from 1 harmful leftover.",
    ]


def test_over_amqp_nothing_is_said_to_match() -> None:
    assert lines(cluster="")[-1] == "No changes found over AMQP, which shows neither settings nor bindings."
