"""Secrets among an app's headers, options and arguments become variables of the file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu import Exchange, Queue

from routectl.routing.importing.app.secret_variables import SecretVariables
from routectl.routing.router import Router

from ...imported import Imported, Importer

ARGUMENTS = {
    "task_queues": [
        Queue(
            "high",
            Exchange("tasks", "topic", arguments={"x-password": "hunter1"}),
            "high",
            binding_arguments={"x-token": "hunter2"},
            queue_arguments={"x-callback": "https://u:hunter3@host", "x-level": 3},
            consumer_arguments={"x-secret": "hunter4"},
        )
    ],
    "task_routes": {
        "a": {"queue": "high", "headers": {"Authorization": "Bearer hunter5", "tenant": "acme"}},
        "b": {"queue": "high", "headers": {"Authorization": "Bearer hunter6"}},
        "c.*": {"queue": "high", "api_key": "hunter7", "nested": [{"passphrase": "hunter8"}]},
        "d.*": {"queue": "high", "headers": {"Authorization": "Bearer hunter5"}},
    },
    "task_annotations": {"a": {"headers": {"token": "hunter9"}}},
    "beat_schedule": {
        "nightly": {
            "task": "a",
            "schedule": 60,
            "options": {"queue": "high", "headers": {"token": "hunter10"}},
        }
    },
}


@pytest.fixture
def imported(tmp_path: Path) -> Imported:
    return Importer(tmp_path)(**ARGUMENTS)


def test_no_secret_is_written_or_said(imported: Imported) -> None:
    everything = [imported.text, *imported.notes, repr(asdict(imported.document))]
    assert not [text for text in everything if "hunter" in text]


def test_each_secret_is_a_variable_named_after_its_key(imported: Imported) -> None:
    assert imported.rules[:2] == [
        '- {tasks: a, queue: high, headers: {Authorization: "${AUTHORIZATION}", tenant: acme}}',
        '- {tasks: b, queue: high, headers: {Authorization: "${AUTHORIZATION_2}"}}',
    ]
    assert 'arguments: {x-callback: "${X_CALLBACK}", x-level: 3}' in imported.text
    assert '"${AUTHORIZATION_3}"' not in imported.text
    assert "x-secret: ***" in imported.text
    (note,) = [note for note in imported.notes if "looks like a secret" in note]
    assert "written as variables: set them in the environment of workers" in note


def test_with_the_variables_set_tasks_have_the_headers_that_celery_sends(
    imported: Imported, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in imported.document.configuration.variables:
        monkeypatch.setenv(name, f"value of {name}")
    monkeypatch.setenv("AUTHORIZATION", "Bearer hunter5")
    answer = Router.from_file(imported.file)("a")
    assert answer is not None
    assert answer["headers"] == {"Authorization": "Bearer hunter5", "tenant": "acme"}


DATA = st.recursive(
    st.text() | st.integers() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["token", "x-api-key", "my password", "plain", "secret.4", "ключ_token"]), DATA
    )
)
def test_names_of_variables_are_valid_and_differ(data: dict[str, Any]) -> None:
    secrets = SecretVariables()
    first = secrets.replaced(data)
    assert first == secrets.replaced(data)
    assert len(set(secrets.names)) == len(secrets.names)
    assert all(name.isidentifier() and name.isascii() and name.isupper() for name in secrets.names)
