"""`protect: true`: no plan deletes the object, whatever is allowed, until `protect: false` was applied."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.brokers import Management
from tests.conftest import delete_vhost

from .conftest import Command, Result, queues

ALL = ("--allow", "destructive", "--allow", "disruptive", "--allow", "data-loss", "--allow", "mass-change")
FIRST = """
exchanges: {tasks: {type: topic, protect: true}}
queues:
  audit: {protect: true, bindings: [{exchange: tasks, key: audit}]}
  mail: {bindings: [{exchange: tasks, key: mail}]}
"""
LEFT = """
exchanges: {tasks: {type: topic}}
queues: {mail: {bindings: [{exchange: tasks, key: mail}]}}
"""


def record(management: Management, vhost: str, stack: str = "default") -> dict[str, Any]:
    name = quote(f"routectl.stack.{stack}@{vhost}", safe="")
    found: dict[str, Any] = management.get(f"global-parameters/{name}")["value"]
    return found


def refused(result: Result) -> str:
    assert result.code == 1, result.err
    assert "plan refused, nothing was changed" in result.err
    return result.err


def test_what_left_the_file_stays_protected_until_false_is_applied(
    routectl: Command, management: Management, vhost: str
) -> None:
    routectl.write(FIRST)
    assert routectl("apply", "--yes").code == 0
    assert record(management, vhost)["protected"] == {vhost: {"exchange": ["tasks"], "queue": ["audit"]}}
    assert routectl.matches()

    routectl.write(LEFT.replace("type: topic", "type: topic, protect: true"))
    for options in (("--prune",), ("--delete", "queue:audit")):
        error = refused(routectl("apply", "--yes", *options, *ALL))
        assert "queue audit is protected, and would be deleted" in error
        assert "put it back into the file with `protect: false`, and apply that first" in error
        assert "allow it with" not in error
    assert "audit" in queues(management, vhost)
    assert "audit (0 messages, 0 consumers, protected)" in routectl("plan").out

    released = FIRST.replace("audit: {protect: true", "audit: {protect: false")
    routectl.write(released)
    shown = routectl("plan", "--exit-code")
    assert (shown.code, "  = queue  audit  no longer protected\n" in shown.out) == (1, True), shown.out
    assert "Plan: 1 to unprotect" in shown.out
    assert "Applied: 1 no longer protected. Broker matches" in routectl("apply", "--yes").out
    assert routectl.matches()
    routectl.write(LEFT.replace("type: topic", "type: topic, protect: true"))
    assert routectl("apply", "--yes", "--prune", "--allow", "destructive").code == 0
    assert queues(management, vhost) == ["mail"]
    assert record(management, vhost)["protected"] == {vhost: {"exchange": ["tasks"]}}


def test_protection_that_is_all_that_changes_is_planned_asked_for_and_recorded(
    routectl: Command, management: Management, vhost: str
) -> None:
    management.put(f"queues/{vhost}/before", {"durable": True})
    routectl.write("queues: {before: {}, mine: {}}")
    assert routectl("apply", "--yes").code == 0
    routectl.write("defaults: {queue: {protect: true}}\nqueues: {before: {}, mine: {}}")
    assert "Plan: 2 to protect" in routectl("plan").out
    assert routectl("apply").code == 2, "it asks"
    assert routectl("apply", "--yes").code == 0
    assert record(management, vhost)["protected"] == {vhost: {"queue": ["before", "mine"]}}
    assert "No changes." in routectl("apply", "--yes").out

    routectl.write("queues: {mine: {protect: false}}")
    error = refused(routectl("apply", "--yes", "--delete", "queue:before", *ALL))
    assert "queue before is protected" in error
    routectl.path.unlink()
    routectl.write("name: others\nqueues: {}")
    error = refused(routectl("apply", "--yes", "--delete", "queue:before", *ALL))
    assert "apply the file of stack `default` with `protect: false` first" in error

    management.delete(f"queues/{vhost}/before")
    routectl.write("queues: {mine: {protect: false}}")
    assert routectl("apply", "--yes").code == 0
    assert "protected" not in record(management, vhost), "what is gone is forgotten"


def test_a_protected_exchange_is_not_replaced_and_a_protected_queue_is_moved(
    routectl: Command, management: Management, vhost: str
) -> None:
    routectl.write(FIRST)
    assert routectl("apply", "--yes").code == 0
    changed = FIRST.replace("type: topic", "type: direct")
    routectl.write(changed)
    error = refused(routectl("apply", "--yes", *ALL))
    assert "exchange tasks is protected, and would have to be deleted to change `type`" in error
    assert "leave `type` as it is, or apply `protect: false` first" in error
    routectl.write(changed.replace("direct, protect: true", "direct, protect: false"))
    assert "apply `protect: false` alone first, and then this change" in refused(
        routectl("apply", "--yes", *ALL)
    )

    routectl.write(FIRST.replace("audit: {", "audit: {type: quorum, "))
    moved = routectl("apply", "--yes", "--allow", "disruptive")
    assert (moved.code, "Applied: 1 moved." in moved.out) == (0, True), moved.err
    assert management.get(f"queues/{vhost}/audit")["type"] == "quorum"
    assert routectl.matches()

    routectl.write(FIRST.replace("audit: {", "journal: {type: quorum, renamed_from: audit, "))
    assert routectl("apply", "--yes", "--allow", "disruptive").code == 0
    assert record(management, vhost)["protected"] == {vhost: {"exchange": ["tasks"], "queue": ["journal"]}}


def test_a_rollback_deletes_nothing_that_is_protected_now(
    routectl: Command, management: Management, vhost: str
) -> None:
    routectl.write(LEFT)
    assert routectl("apply", "--yes").code == 0
    routectl.write(FIRST)
    assert routectl("apply", "--yes").code == 0
    assert "queue audit is protected, and would be deleted" in refused(
        routectl("rollback", "--yes", "--prune", *ALL)
    )
    back = routectl("rollback", "--yes", *ALL)
    assert (back.code, "  = exchange  tasks  no longer protected" in back.out) == (0, True), (
        back.out + back.err
    )
    assert queues(management, vhost) == ["audit", "mail"]
    assert record(management, vhost)["protected"] == {vhost: {"queue": ["audit"]}}, "it left the file"
    assert routectl("rollback", "--yes", *ALL).code == 0
    assert record(management, vhost)["protected"] == {vhost: {"exchange": ["tasks"], "queue": ["audit"]}}
    assert routectl.matches()


def test_taking_over_keeps_the_protection_of_what_the_file_does_not_name(
    routectl: Command, management: Management, vhost: str
) -> None:
    routectl.write(f"name: old\n{FIRST}")
    assert routectl("apply", "--yes").code == 0
    routectl.write(f"name: new\n{LEFT}")
    assert routectl("apply", "--yes", "--take-over", "stack:old").code == 0
    assert "protected" not in record(management, vhost, "old")
    assert record(management, vhost, "new")["protected"] == {vhost: {"queue": ["audit"]}}
    assert "queue audit is protected" in refused(routectl("apply", "--yes", "--prune", *ALL))


def test_without_a_record_it_holds_for_what_the_file_names_and_a_note_says_so(
    routectl: Command, user: Callable[..., str], vhost: str
) -> None:
    note = "note: `protect` is not recorded: it only holds for what this file names"
    routectl.write(FIRST)
    name, host = user("management"), routectl.broker.management.rpartition("@")[2]
    where = {"url": routectl.broker.url_for(vhost, name, name), "management": f"http://{name}:{name}@{host}"}
    assert note in routectl("apply", "--yes", **where).out
    routectl.write(FIRST.replace("type: topic", "type: direct"))
    assert "exchange tasks is protected" in refused(routectl("apply", "--yes", *ALL, **where))
    assert note in routectl("plan", "--via", "amqp").out
    routectl.write(LEFT)
    assert note not in routectl("plan", **where).out


@pytest.fixture
def other(management: Management, vhost: str) -> Iterator[str]:
    """The name of another vhost, which the test creates; deleted after the test."""
    name = f"{vhost}-other"
    yield name
    delete_vhost(management, name)


def test_a_vhost_is_not_deleted_with_what_is_protected_in_it(
    routectl: Command, management: Management, vhost: str, other: str
) -> None:
    routectl.write(f"queues: {{mail: {{}}}}\nvhosts: {{{other}: {{queues: {{audit: {{protect: true}}}}}}}}")
    assert routectl("apply", "--yes").code == 0
    routectl.write("queues: {mail: {}}")
    for options in (("--prune",), ("--delete", f"vhost:{other}")):
        error = refused(routectl("apply", "--yes", *options, *ALL))
        assert f"vhost {other} would be deleted with queue audit, which is protected" in error
    assert queues(management, other) == ["audit"]
