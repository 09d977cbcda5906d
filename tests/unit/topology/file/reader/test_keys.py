"""`${NAME}` in names: in the keys of maps, as in values."""

from __future__ import annotations

from pathlib import Path

import pytest

from routectl.topology.errors import FileError
from routectl.topology.file.load import load

FILE = """\
version: 1
exchanges: {"${ENV}.tasks": {type: topic}}
queues:
  "${ENV}.low": {bindings: [{exchange: "${ENV}.tasks", key: "${ENV}.low"}]}
  "${ENV}.high": {bindings: [{exchange: "prod.tasks", key: high}]}
routes: [{tasks: "urgent.*", queue: "${ENV}.high"}]
unmatched: prod.low
workers: {"${ENV}": {queues: ["${ENV}.high", prod.low]}}
vhosts: {"${ENV}-reports": {queues: {nightly: {}}}}
users: {"${ENV}-app": {tags: [], permissions: {"${ENV}-reports": {read: ".*"}}}}
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("queues.yaml").write_text(FILE)


def mistakes(*files: str, **environment: str) -> list[str]:
    with pytest.raises(FileError) as caught:
        load(files, environment)
    return [str(finding) for finding in caught.value.findings]


def test_names_are_replaced_everywhere() -> None:
    topology = load("queues.yaml", {"ENV": "prod"}).topology
    assert list(topology.exchanges) == ["prod.tasks"]
    assert list(topology.queues) == ["prod.low", "prod.high"]
    assert topology.routes[0].queue == "prod.high"
    assert topology.workers["prod"].queues == ("prod.high", "prod.low")
    assert list(topology.vhosts) == ["prod-reports"]
    assert list(topology.users["prod-app"].permissions) == ["prod-reports"]


def test_a_mistake_in_such_an_entry_has_its_position() -> None:
    Path("queues.yaml").write_text('version: 1\nqueues:\n  "${ENV}.jobs": {typ: quorum}\n')
    assert mistakes("queues.yaml", ENV="prod") == ["queues.yaml:3:19: error[unknown-key]: unknown key `typ`"]


def test_a_name_that_becomes_invalid_is_reported_at_its_key() -> None:
    Path("queues.yaml").write_text('version: 1\nqueues: {"${ENV}": {}, "${ENV}x": {}}\n')
    (reserved, also) = mistakes("queues.yaml", ENV="amq.a")
    assert reserved.startswith("queues.yaml:2:10: error[reserved-name]")
    assert also.startswith("queues.yaml:2:24: error[reserved-name]")


def test_two_names_that_become_the_same_are_a_duplicate() -> None:
    Path("queues.yaml").write_text('version: 1\nqueues: {prod: {}, "${ENV}": {}}\n')
    assert mistakes("queues.yaml", ENV="prod") == [
        "queues.yaml:2:20: error[duplicate-key]: duplicate key `${ENV}`"
    ]


def test_a_variable_that_is_not_set_is_an_error_at_each_name() -> None:
    Path("queues.yaml").write_text('version: 1\nqueues:\n  "${ENV}.low": {}\nunmatched: "${ENV}.low"\n')
    assert mistakes("queues.yaml") == [
        "queues.yaml:3:3: error[unset-variable]: the environment variable ENV is not set",
        "queues.yaml:4:12: error[unset-variable]: the environment variable ENV is not set",
    ]


def test_names_of_sections_that_are_left_out_need_no_variable() -> None:
    Path("queues.yaml").write_text('version: 1\nqueues: {a: {}}\nusers: {"${USER_NAME}": {tags: []}}\n')
    assert load("queues.yaml", {}, only_routing=True).topology.queues.keys() == {"a"}


def test_an_overlay_and_an_include_meet_the_name_that_results() -> None:
    Path("base.yaml").write_text(
        'include: "${ENV}.more.yaml"\nversion: 1\nqueues: {"${ENV}.a": {max_length: 1}}\n'
    )
    Path("prod.more.yaml").write_text("queues: {prod.a: {type: classic}}\n")
    Path("over.yaml").write_text('queues: {"${OTHER:-prod}.a": {max_length: 2}}\n')
    topology = load(["base.yaml", "over.yaml"], {"ENV": "prod"}).topology
    assert topology.queues["prod.a"].max_length == 2
    assert topology.queues["prod.a"].type == "classic"
    assert mistakes("base.yaml") == [
        "base.yaml:1:10: error[unset-variable]: the environment variable ENV is not set"
    ]


def test_a_literal_dollar_brace_is_escaped_as_in_values() -> None:
    Path("queues.yaml").write_text('version: 1\nqueues: {"$${ENV}.a": {}}\nunmatched: "$${ENV}.a"\n')
    assert list(load("queues.yaml", {}).topology.queues) == ["${ENV}.a"]
