"""Which values from variables are hidden, where, and what a reader still sees."""

from __future__ import annotations

from pathlib import Path

import pytest

from routectl.topology.base.known_secrets import KnownSecrets
from routectl.topology.change.desired import desired_state
from routectl.topology.change.diff import diff
from routectl.topology.errors import FileError
from routectl.topology.file.load import Loaded, load
from routectl.topology.model.routing import Condition

from ...loading import Folder

LABEL = "hunter2hunter2"


def loaded(tmp_path: Path, text: str, **environment: str) -> Loaded:
    Folder(tmp_path).write(f"version: 1\n{text}\n")
    return load(tmp_path / "queues.yaml", environment)


def known(tmp_path: Path, text: str, **environment: str) -> KnownSecrets:
    return loaded(tmp_path, text, **environment).known_secrets()


@pytest.mark.parametrize(
    "text",
    [
        'queues: {q: {arguments: {x-note: "${LABEL}"}}}',
        'queues: {q: {arguments: {x-note: "made of ${LABEL}"}}}',
        'defaults: {queue: {arguments: {x-note: "${LABEL}"}}}\nqueues: {q: {}}',
        'vhosts: {v: {description: "${LABEL}"}}',
        'global_parameters: {note: {deep: ["${LABEL}"]}}',
        'queues: {q: {bindings: [{exchange: amq.headers, headers: {label: "${LABEL}"}}]}}',
        'policies: {p: {pattern: q, definition: {arguments: {note: "${LABEL}"}}}}',
        'shovels: {s: {src_uri: "amqp://", src_queue: a, dest_uri: "amqp://", src_consumer_args: {a: "${LABEL}"}}}',
        'queues: {q: {}}\nroutes: [{tasks: a, queue: q, headers: {label: "${LABEL}"}}]',
        'queues: {q: {}}\nroutes: [{tasks: a, queue: q, when: {kwargs.a: ["${LABEL}"]}}]',
        'queues: {q: {}}\nunmatched: q\ntests: [{task: a, queue: q, args: ["${LABEL}"]}]',
    ],
)
def test_a_value_of_free_form_is_hidden_wherever_it_occurs(tmp_path: Path, text: str) -> None:
    assert known(tmp_path, text, LABEL=LABEL).hide(f"refused: '{LABEL}'.") == "refused: '***'."


@pytest.mark.parametrize(
    "text",
    [
        'queues: {"${LABEL}": {}}',
        'queues: {q: {bindings: [{exchange: amq.topic, key: "${LABEL}"}]}}',
        'vhosts: {"${LABEL}": {}}',
        'policies: {p: {pattern: "^${LABEL}", definition: {max_length: 1}}}',
        'users: {u: {tags: "${LABEL}"}}',
        'queues: {q: {arguments: {x-note: "${LABEL}"}}, "${LABEL}.high": {}}',
    ],
)
def test_names_are_shown_and_what_is_part_of_a_name(tmp_path: Path, text: str) -> None:
    assert LABEL in known(tmp_path, text, LABEL=LABEL).hide(LABEL)


@pytest.mark.parametrize("value", ["1", "true", "eu", "12345", "queue", "null"])
def test_a_short_or_common_value_is_hidden_in_its_field_only(tmp_path: Path, value: str) -> None:
    text = 'queues: {q: {arguments: {x-note: "${LABEL}"}, max_length: 77}}'
    file = loaded(tmp_path, text, LABEL=value)
    shown = f"{value} of 12345 queues in eu: true"
    assert file.known_secrets().hide(shown) == shown
    created = diff(desired_state(file.topology, "/"), {}).changes[0].as_dict()["after"]
    assert created["arguments"] == {"x-note": "***", "x-max-length": 77}


def test_a_number_without_quotes_is_hidden_in_its_field_and_keeps_its_type(tmp_path: Path) -> None:
    file = loaded(tmp_path, "queues:\n  q:\n    arguments:\n      x-note: ${LABEL}\n", LABEL="7")
    (created,) = diff(desired_state(file.topology, "/"), {}).changes
    assert created.as_dict()["after"]["arguments"] == {"x-note": "***"}
    assert created.resource.properties["arguments"]["x-note"].reveal() == 7


def test_a_header_of_a_binding_is_hidden_at_any_length(tmp_path: Path) -> None:
    text = 'queues: {q: {bindings: [{exchange: amq.headers, headers: {label: "${LABEL}", plain: eu}}]}}'
    hide = known(tmp_path, text, LABEL="us").hide
    assert hide('{"label": "us", "plain": "eu"}') == '{"label": "***", "plain": "eu"}'
    assert hide('{"label": "an old one"} {"label": 7}') == '{"label": "***"} {"label": "***"}'


def test_a_condition_compares_with_the_value_of_the_variable(tmp_path: Path) -> None:
    text = 'queues: {q: {}}\nroutes: [{tasks: a, queue: q, when: {kwargs.a: "${LABEL}"}}]'
    condition = loaded(tmp_path, text, LABEL=LABEL).topology.routes[0].when["kwargs.a"]
    assert isinstance(condition, Condition)
    assert (condition.eq, type(condition.eq)) == (LABEL, str)


@pytest.mark.parametrize(
    "text",
    [
        'queues: {q: {"${LABEL}": 1}}',
        '"${LABEL}": 1',
        'queues: {q: {"${LABEL}": 1, "${LABEL}": 2}}',
        'queues: {q: {}}\nroutes: [{tasks: a, queue: q, when: {"${LABEL}": 1}}]',
        'queues: {q: {}}\nroutes: [{tasks: a, queue: q, when: {"kwargs.${LABEL}": {gt: 5, lt: 3}}}]',
        'queues: {q: {}}\nroutes: [{tasks: a, queue: "{kwarg.${LABEL}}"}]',
        'queues: {q: {max_length: "${LABEL}"}}',
    ],
)
def test_a_mistake_quotes_the_variable_and_not_its_value(tmp_path: Path, text: str) -> None:
    with pytest.raises(FileError) as caught:
        loaded(tmp_path, text, LABEL=LABEL)
    assert LABEL not in str(caught.value)
    assert "${LABEL}" in "".join(finding.render() for finding in caught.value.findings)


def test_a_warning_does_not_contain_the_values_that_it_compares(tmp_path: Path) -> None:
    text = (
        'queues: {q: {arguments: {x-note: "${LABEL}"}}}\n'
        'policies: {p: {pattern: q, definition: {arguments: {note: "${OTHER}"}}}}'
    )
    warnings = loaded(tmp_path, text, LABEL=LABEL, OTHER="hunter3hunter3").warnings
    assert "ineffective-key" in {warning.code for warning in warnings}
    assert "hunter" not in "".join(warning.render() for warning in warnings)
