"""Applying a plan to a broker that rejects or loses objects."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.topology.base.resources import Resource, State, binding_key
from routectl.topology.base.secret import Secret
from routectl.topology.change.apply import ApplyReport, apply
from routectl.topology.change.diff import diff
from routectl.topology.change.refusals import refusals
from routectl.topology.errors import AccessRefused, BrokerError, Refused, Rejected, Unreachable
from tests.fakes import MemoryBroker, exchange, planned, policy, queue, state, user, vhost_key

TASKS, HIGH, LOW = exchange("tasks"), queue("high"), queue("low")
BOUND = Resource(binding_key("/", "tasks", "high", "high"))
SHOP = state(TASKS, HIGH, LOW, BOUND, policy("length", **{"max-length": 5}))
NO = Rejected("cannot create it", "for reasons of its own", "ask it why")


def carry_out(
    desired: State, broker: MemoryBroker, *allow: str, delete: Collection[Resource] = ()
) -> ApplyReport:
    deleted = [item.key for item in delete]
    return apply(planned(desired, broker, delete=deleted), lambda _what, _done, _total: None, allow=allow)


def statuses(report: ApplyReport) -> dict[str, str]:
    return {str(outcome.change.key): outcome.status for outcome in report.outcomes}


def errors(report: ApplyReport) -> dict[str, str | None]:
    return {str(outcome.change.key): outcome.error for outcome in report.having("failed")}


def test_everything_is_done_and_a_second_apply_has_nothing_to_do() -> None:
    broker = MemoryBroker()
    report = carry_out(SHOP, broker)
    assert report.exit_code == 0
    assert set(statuses(report).values()) == {"done"}
    assert len(report.outcomes) == len(SHOP)
    assert carry_out(SHOP, broker).outcomes == ()


def test_each_object_is_written_once() -> None:
    broker = MemoryBroker()
    carry_out(SHOP, broker)
    written = [key for _, key in broker.writes]
    assert len(written) == len(set(written)) == len(SHOP)


def test_vhosts_are_created_before_their_objects_and_users_before_their_permissions() -> None:
    shop = Resource(vhost_key("shop"))
    broker = MemoryBroker(vhosts=())
    assert carry_out(state(queue("q", "shop"), policy("p", "shop"), user("app"), shop), broker).exit_code == 0
    assert [str(key) for _, key in broker.writes] == ["vhost shop", "user app", "policy p", "queue q"]


def test_progress_reaches_the_end_of_everything_it_counts() -> None:
    progress: dict[str, tuple[int, int]] = {}
    apply(planned(SHOP, MemoryBroker()), lambda what, done, total: progress.__setitem__(what, (done, total)))
    assert progress == {
        "exchanges, queues and bindings": (4, 4),
        "policy length": (1, 1),
        "reading back": (1, 1),
    }


def test_a_failure_stays_with_its_object_and_the_rest_is_done() -> None:
    broker = MemoryBroker(fail={LOW.key: NO, policy("length").key: NO})
    report = carry_out(SHOP, broker)
    assert report.exit_code == 3
    assert errors(report) == dict.fromkeys(["queue low", "policy length"], NO.message)
    assert {outcome.hint for outcome in report.having("failed")} == {"ask it why"}
    assert len(report.having("done")) == 3
    assert LOW.key not in broker.state


def test_an_apply_of_which_nothing_is_done_did_not_finish_either() -> None:
    assert carry_out(state(LOW), MemoryBroker(fail={LOW.key: NO})).exit_code == 3


def test_a_binding_to_a_queue_that_failed_fails_for_its_own_reason() -> None:
    report = carry_out(SHOP, MemoryBroker(fail={HIGH.key: NO}))
    assert set(errors(report)) == {"queue high", 'binding tasks -> high "high"'}


def test_a_rerun_applies_the_remaining_changes() -> None:
    broker = MemoryBroker(fail={LOW.key: NO})
    carry_out(SHOP, broker)
    broker.fail.clear()
    assert statuses(carry_out(SHOP, broker)) == {"queue low": "done"}


def test_objects_of_a_failed_vhost_are_skipped() -> None:
    shop = Resource(vhost_key("shop"))
    broker = MemoryBroker(fail={shop.key: NO})
    report = carry_out(state(shop, queue("q", "shop"), policy("p", "shop"), HIGH), broker)
    assert statuses(report) == {
        "vhost shop": "failed",
        "queue q": "skipped",
        "policy p": "skipped",
        "queue high": "done",
    }
    assert {item.error for item in report.having("skipped")} == {"its vhost `shop` could not be created"}
    assert report.exit_code == 3
    assert [key.vhost for _, key in broker.writes] == ["", "/"]


@pytest.mark.parametrize("error", [AccessRefused("no access to vhost"), NO])
def test_an_inaccessible_vhost_does_not_affect_others(error: BrokerError) -> None:
    class Closed(MemoryBroker):
        def create_all(self, vhost, resources, progress):  # type: ignore[no-untyped-def]
            if vhost == "closed":
                raise error
            return super().create_all(vhost, resources, progress)

    report = carry_out(state(queue("q", "closed"), HIGH), Closed(vhosts=("closed", "/")))
    assert statuses(report) == {"queue q": "failed", "queue high": "done"}
    assert errors(report) == {"queue q": error.message}


def test_objects_are_created_in_an_existing_vhost_that_cannot_be_updated() -> None:
    shop = Resource(vhost_key("shop"), {"description": "new"})
    broker = MemoryBroker(vhosts=["shop"], fail={shop.key: NO})
    report = carry_out(state(shop, queue("q", "shop")), broker)
    assert statuses(report) == {"vhost shop": "failed", "queue q": "done"}


@pytest.mark.parametrize("method", ["create_all", "put", "delete"])
def test_losing_the_broker_ends_the_apply(method: str) -> None:
    def gone(*_: Any, **__: Any) -> Any:
        raise Unreachable("gone")

    old = queue("old")
    broker = MemoryBroker([old])
    setattr(broker, method, gone)
    with pytest.raises(Unreachable):
        apply(
            planned(state(HIGH, policy("p")), broker, delete=[old.key]),
            lambda *_: None,
            allow=["destructive", "data-loss"],
        )


def test_a_reason_does_not_repeat_the_name_of_its_object() -> None:
    error = Rejected(f"cannot create {HIGH.key}", "no leave")
    assert errors(carry_out(state(HIGH), MemoryBroker(fail={HIGH.key: error}))) == {"queue high": "no leave"}


def test_lost_changes_are_retried() -> None:
    report = carry_out(SHOP, broker := MemoryBroker(lost_in_bulk=[LOW.key]))
    assert report.exit_code == 0
    assert ("put", LOW.key) in broker.writes


def test_lost_changes_are_retried_for_their_reason() -> None:
    report = carry_out(SHOP, MemoryBroker(lost_in_bulk=[LOW.key], fail={LOW.key: NO}))
    assert errors(report) == {"queue low": NO.message}


def test_changes_lost_without_a_reason_are_failures() -> None:
    report = carry_out(SHOP, MemoryBroker(lost=[LOW.key]))
    assert errors(report) == {
        "queue low": "the broker accepted the change, but its state still differs from the file"
    }
    assert report.exit_code == 3


def test_policies_are_changed_in_place() -> None:
    broker = MemoryBroker([policy("p", ttl=1)])
    assert carry_out(state(policy("p", ttl=2)), broker).exit_code == 0
    assert broker.state[policy("p").key] == policy("p", ttl=2)


def test_a_password_is_set_and_found_again() -> None:
    wanted = state(user("app", password=Secret("hush")))
    broker = MemoryBroker([user("app")])
    assert carry_out(wanted, broker).exit_code == 0
    assert carry_out(wanted, broker).outcomes == ()


def test_a_plan_with_a_replacement_is_refused_and_nothing_is_done() -> None:
    broker = MemoryBroker([queue("high", messages=2, arguments={"x-expires": 1})])
    with pytest.raises(
        Refused, match=r"queue high must be replaced to change x-expires \(2 messages, 0 consumers\)"
    ) as refused_error:
        carry_out(SHOP, broker, "disruptive", "destructive", "data-loss")
    assert "change x-expires in the file to match the broker" in refused_error.value.message
    assert broker.writes == []


@pytest.mark.parametrize("busy", [{"messages": None}, {"consumers": None}, {"consumers": 1}])
def test_a_queue_that_may_be_in_use_is_not_replaced(busy: dict[str, int | None]) -> None:
    found = replace(queue("high", arguments={"x-expires": 1}), **busy)
    refused = refusals(planned(SHOP, MemoryBroker([found])), ("destructive", "data-loss"))
    assert [(problem.key, problem.allow) for problem in refused] == [(found.key, ())]


def test_an_exchange_and_an_empty_queue_are_replaced_if_allowed() -> None:
    broker = MemoryBroker([queue("high", arguments={"x-expires": 1}), exchange("tasks", type="fanout")])
    report = carry_out(SHOP, broker, "destructive")
    assert report.exit_code == 0
    assert [str(key) for how, key in broker.writes if how == "replace"] == ["exchange tasks", "queue high"]
    assert diff(SHOP, broker.state).changes == ()


def test_a_failed_replacement_is_reported_and_the_rest_is_done() -> None:
    old = queue("high", arguments={"x-expires": 1})
    broker = MemoryBroker([old], fail={old.key: Rejected(f"cannot replace {old.key}", "it is in the way")})
    report = carry_out(SHOP, broker, "destructive")
    assert report.exit_code == 3
    assert [(str(outcome.change.key), outcome.error) for outcome in report.having("failed")] == [
        ("queue high", "it is in the way")
    ]


def test_a_plan_with_a_problem_is_refused_and_nothing_is_done() -> None:
    broker = MemoryBroker()
    with pytest.raises(Refused, match="is `external`"):
        carry_out(SHOP | state(replace(exchange("theirs"), external=True)), broker)
    assert broker.writes == []


def test_all_refusals_are_reported_at_once() -> None:
    broker = MemoryBroker([queue("high", durable=False), exchange("tasks", type="fanout"), queue("old")])
    found = refusals(planned(SHOP, broker, delete=[queue("old").key]))
    assert [error.message for error in found] == [
        "exchange tasks must be replaced to change type",
        "queue high must be replaced to change durable (0 messages, 0 consumers)",
        "queue old would be deleted (0 messages, 0 consumers)",
    ]


@pytest.mark.parametrize(
    ("messages", "allow", "refused"),
    [
        (0, (), "--allow destructive"),
        (0, ("disruptive",), "--allow destructive"),
        (0, ("destructive",), None),
        (1, (), "--allow destructive --allow data-loss"),
        (1, ("destructive",), "--allow data-loss"),
        (1, ("data-loss",), "--allow destructive"),
        (1, ("destructive", "data-loss"), None),
    ],
)
def test_deletions_and_data_loss_must_be_allowed(
    messages: int, allow: tuple[str, ...], refused: str | None
) -> None:
    broker = MemoryBroker([old := queue("old", messages=messages)])
    if refused is None:
        assert statuses(carry_out({}, broker, *allow, delete=[old])) == {"queue old": "done"}
        assert old.key not in broker.state
        return
    with pytest.raises(Refused) as refused_error:
        carry_out({}, broker, *allow, delete=[old])
    (reason,) = refused_error.value.refusals
    assert reason["hint"] == f"allow it with `{refused}`"
    assert [f"--allow {risk}" for risk in reason["allow"]] == re.findall("--allow [a-z-]+", refused)
    assert broker.writes == []


def test_messages_that_arrive_after_the_plan_keep_the_queue() -> None:
    broker = MemoryBroker([old := queue("old", messages=0)])
    plan = planned({}, broker, delete=[old.key])
    broker.state[old.key] = replace(old, messages=1)
    report = apply(plan, lambda *_: None, allow=["destructive"])
    assert errors(report) == {"queue old": "it holds messages"}
    assert old.key in broker.state


def test_an_ineffective_deletion_is_a_failure_and_is_not_retried() -> None:
    broker = MemoryBroker([old := queue("old")], lost=[queue("old").key])
    report = carry_out({}, broker, "destructive", delete=[old])
    assert errors(report) == {
        "queue old": "the broker accepted the change, but its state still differs from the file"
    }
    assert broker.writes == [("delete", old.key)]


def test_over_amqp_a_difference_fails_and_the_rest_is_done() -> None:
    unseen = [replace(queue("high", durable=False), unseen=True), replace(LOW, unseen=True)]
    broker = MemoryBroker(unseen)
    broker.complete = False
    report = carry_out(state(TASKS, HIGH, LOW), broker)
    assert errors(report) == {"queue high": "inequivalent arg"}
    assert (report.exit_code, statuses(report)["queue low"]) == (3, "done")


NAMES = st.sampled_from("abc")
OBJECTS = st.one_of(
    st.builds(lambda name, kind: exchange(name, type=kind), NAMES, st.sampled_from(["topic", "fanout"])),
    st.builds(lambda name, durable: queue(name, durable=durable), NAMES, st.booleans()),
    st.builds(lambda name, ttl: policy(name, ttl=ttl), NAMES, st.integers(0, 2)),
    st.builds(lambda name, word: user(name, password=Secret(word)), NAMES, st.sampled_from(["x", "y"])),
    st.builds(lambda name, key: Resource(binding_key("/", "amq.topic", name, key)), NAMES, NAMES),
)
STATES = st.lists(OBJECTS, max_size=8).map(lambda found: state(*found))


@given(STATES, STATES)
def test_applying_a_difference_leaves_none_or_changes_nothing(desired: State, live: State) -> None:
    desired = desired | state(*(queue(key.name[2]) for key in desired if len(key.name) == 5))
    broker = MemoryBroker()
    for resource in live.values():
        broker.state[resource.key] = resource
    before = dict(broker.state)
    plan = planned(desired, broker)
    if refusals(plan):
        with pytest.raises(Refused):
            apply(plan, lambda *_: None)
        assert broker.state == before
    else:
        assert apply(plan, lambda *_: None).exit_code == 0
        assert diff(desired, broker.read(desired, ["/"])).changes == ()
