"""A queue that the call names: `queue: "tenant.{kwargs.tenant}"`, over the declared queues that fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from routectl.routing import Router
from routectl.routing.check import context, file_tests
from routectl.topology.errors import FileError, RoutingError
from routectl.topology.file.load import load

QUEUES = """\
version: 1
exchanges: {t: {type: topic}}
queues:
  tenant.acme: {bindings: [{exchange: t, key: acme}]}
  tenant.7: {}
  tenant.2f1f4e1c-4d3c-4d55-9d10-0d4f4f0c7a11: {}
  eu.high: {bindings: [{exchange: t, key: eu.high}]}
  us.high: {bindings: [{exchange: t, key: us.high}]}
  sharded.acme: {shards: 3}
  stream.acme: {type: stream}
  rest: {}
"""
UUID_TEXT = "2f1f4e1c-4d3c-4d55-9d10-0d4f4f0c7a11"


def router(tmp_path: Path, *rules: str, unmatched: str = "rest") -> Router:
    file = tmp_path / "queues.yaml"
    file.write_text(
        f"{QUEUES}routes:\n" + "".join(f"  - {rule}\n" for rule in rules) + f"unmatched: {unmatched}\n"
    )
    return Router.from_file(file)


TENANT = '{tasks: job, queue: "tenant.{kwargs.tenant}"}'


@pytest.mark.parametrize(
    ("tenant", "queue"),
    [
        ("acme", "tenant.acme"),
        (7, "tenant.7"),
        (UUID(UUID_TEXT), f"tenant.{UUID_TEXT}"),
        ("globex", "rest"),
        ("", "rest"),
        (None, "rest"),
        (7.0, "rest"),
        (True, "rest"),
        (["acme"], "rest"),
        ("{kwargs.other}", "rest"),
    ],
)
def test_text_numbers_and_uuids_name_a_declared_queue_or_the_next_rule_is_tried(
    tenant: Any, queue: str, tmp_path: Path
) -> None:
    assert router(tmp_path, TENANT).route("job", kwargs={"tenant": tenant}).queue == queue


def test_every_destination_is_published_by_its_own_address(tmp_path: Path) -> None:
    decision = router(tmp_path, TENANT).route("job", kwargs={"tenant": "acme"})
    assert (decision.exchange, decision.routing_key) == ("t", "acme")


def test_celery_gets_the_queue(tmp_path: Path) -> None:
    answer = router(tmp_path, TENANT)("job", [], {"tenant": "acme"}, {})
    assert answer is not None
    assert answer["routing_key"] == "acme"


def test_a_capture_and_parts_of_the_call_combine(tmp_path: Path) -> None:
    found = router(tmp_path, '{tasks: "{region}:*", queue: "{region}.{headers.tier}"}')
    assert found.route("eu:x", headers={"tier": "high"}).queue == "eu.high"
    assert found.route("us:x", headers={"tier": "high"}).queue == "us.high"
    assert found.route("eu:x", headers={"tier": "low"}).queue == "rest"
    assert found.route("asia:x", headers={"tier": "high"}).queue == "rest"


def test_a_captured_text_is_not_read_as_a_part_of_the_call(tmp_path: Path) -> None:
    found = router(tmp_path, '{tasks: "{name}:*", queue: "{name}.{kwargs.tenant}"}')
    assert found.route("{kwargs}:x", kwargs={"tenant": "acme"}).queue == "rest"


def test_shards_of_the_queue_that_the_call_names(tmp_path: Path) -> None:
    found = router(tmp_path, '{tasks: job, queue: "sharded.{kwargs.tenant}", shard_by: kwargs.id}')
    queues = {found.route("job", kwargs={"tenant": "acme", "id": at}).queue for at in range(50)}
    assert queues == {"sharded.acme.0", "sharded.acme.1", "sharded.acme.2"}
    assert found.route("job", kwargs={"tenant": "acme"}).queue == "rest"


def test_the_error_of_a_refused_call_names_the_part_and_not_its_value(tmp_path: Path) -> None:
    found = router(tmp_path, TENANT, unmatched="refuse")
    with pytest.raises(
        RoutingError, match=r"`kwargs\.tenant` is missing, or neither text nor a whole number"
    ):
        found.route("job")
    with pytest.raises(
        RoutingError, match=r"no queue `tenant\.\{kwargs\.tenant\}` is declared for this call"
    ) as caught:
        found.route("job", kwargs={"tenant": "s3cret"})
    assert "s3cret" not in str(caught.value)


def test_other_conditions_still_hold(tmp_path: Path) -> None:
    found = router(tmp_path, '{tasks: job, queue: "tenant.{kwargs.tenant}", when: {kwargs.plan: gold}}')
    assert found.route("job", kwargs={"tenant": "acme", "plan": "gold"}).queue == "tenant.acme"
    assert found.route("job", kwargs={"tenant": "acme"}).queue == "rest"


@given(st.text(max_size=20) | st.integers() | st.sampled_from(["acme", 7, UUID_TEXT]))
def test_a_call_never_leads_to_an_undeclared_queue(
    tmp_path_factory: pytest.TempPathFactory, tenant: str | int
) -> None:
    found = router(tmp_path_factory.getbasetemp(), TENANT)
    expected = f"tenant.{tenant}"
    queue = found.route("job", kwargs={"tenant": tenant}).queue
    assert queue == (expected if expected in found.body.queues else "rest")


@pytest.mark.parametrize(
    ("rule", "mistake"),
    [
        ('{tasks: job, queue: "gone.{kwargs.x}"}', "no queue in this file matches `gone.{kwargs.x}`"),
        ('{tasks: job, queue: "tenant.{kwarg.x}"}', "`{kwarg.x}` must name a part of the call"),
        (
            '{tasks: job, queue: "tenant.{options.eta}"}',
            "cannot refer to `eta`, which Celery handles before routing",
        ),
        ('{tasks: job, queue: "stream.{kwargs.x}"}', "can only become a stream"),
        ('{tasks: job, queue: "sharded.{kwargs.x}"}', "has shards, and no `shard_by` chooses one"),
        ('{tasks: job, queue: "tenant.{kwargs.x}", key: acme}', "`key` cannot be combined"),
        ('{tasks: job, queue: rest, key: "a.{kwargs.x}"}', "`key` cannot be combined"),
    ],
)
def test_rules_that_cannot_work(rule: str, mistake: str, tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught:
        router(tmp_path, rule)
    assert mistake in str(caught.value)


def test_a_rule_whose_queue_the_call_names_shadows_nothing(tmp_path: Path) -> None:
    router(tmp_path, TENANT, "{tasks: job, queue: rest}")
    part = context.VhostContext.of(load(tmp_path / "queues.yaml"), None)
    assert "shadowed-rule" not in {finding.code for finding in file_tests.file_findings(part)}


def test_every_queue_that_the_call_may_name_needs_a_worker(tmp_path: Path) -> None:
    router(tmp_path, TENANT)
    file = tmp_path / "queues.yaml"
    file.write_text(file.read_text() + "workers: {all: {queues: [tenant.acme, rest]}}\n")
    part = context.VhostContext.of(load(file), None)
    unconsumed = [each.object for each in file_tests.file_findings(part) if each.code == "unconsumed-queue"]
    assert unconsumed == ["tenant.7", f"tenant.{UUID_TEXT}"]
