"""Producers and workers load the same file as `apply`, without its passwords."""

from __future__ import annotations

from pathlib import Path

import pytest

from routectl.routing.router import Router
from routectl.topology.errors import FileError
from routectl.topology.file.load import load

FILE = """
version: 1
queues: {high: }
policies: {ttl: {pattern: "^high$", definition: {message_ttl: 7d}}}
routes: [{tasks: billing.*, queue: high}]
users: {app: {password: "${APP_PASSWORD}"}}
vhosts: {other: {shovels: {move: {src_uri: "${SOURCE}", src_queue: a, dest_uri: "${DESTINATION}"}}}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "queues.yaml"
    path.write_text(FILE)
    return path


def test_a_router_needs_no_password_of_users_and_links(file: Path) -> None:
    assert Router.from_file(file).route("billing.charge").queue == "high"


def test_plan_and_apply_need_them(file: Path) -> None:
    with pytest.raises(FileError) as caught:
        load(file, {}, require_secrets=True)
    assert [finding.code for finding in caught.value.findings] == ["unset-variable"] * 3
    (first, *_) = caught.value.findings
    assert (
        first.help
        == "set APP_PASSWORD in the environment of `plan` and `apply`; other commands do without it"
    )


def test_a_file_is_checked_without_its_secrets(file: Path) -> None:
    loaded = load(file, {})
    assert [finding.code for finding in loaded.missing_secrets] == ["unset-variable"] * 3
    assert loaded.warnings == ()
    assert (
        load(file, {"APP_PASSWORD": "pw", "SOURCE": "amqp://", "DESTINATION": "amqp://"}).missing_secrets
        == ()
    )


@pytest.mark.parametrize(
    "section",
    [
        'users: {u: {password: "${A}${B}"}}',
        'users: {u: {password_hash: "${HASH:?ask the operators}"}}',
        "users: {u: {password_file: nowhere.txt}}",
        'shovels: {s: {src_uri: "amqp://u:${PW}@h/v", src_queue: a, dest_uri: ["amqp://", "${URI}"]}}',
        'federation: {upstreams: {u: {uri: "${URI}", arguments: {x-token: "${TOKEN}"}}}}',
        'global_parameters: {mail: {password: "${MAIL_PASSWORD}"}}',
    ],
)
def test_whatever_a_secret_is_made_of_only_plan_and_apply_need_it(tmp_path: Path, section: str) -> None:
    path = tmp_path / "queues.yaml"
    path.write_text(f"version: 1\n{section}\n")
    assert load(path, {}).missing_secrets
    with pytest.raises(FileError):
        load(path, {}, require_secrets=True)


@pytest.mark.parametrize(
    "text",
    [
        'users: {u: {tags: "${TAGS}", password: "${PW}"}}',
        'users: {u: {password: "${PW:-dummy}"}}',
        'users: {u: {password: "${PW PW}"}}',
        'shovels: {s: {src_uri: "amqp://", src_queue: "${QUEUE}", dest_uri: "${URI}"}}',
        'queues: {q: {}}\nroutes: [{tasks: a, queue: q, headers: {Authorization: "${TOKEN}"}}]',
        'queues: {q: {max_length: "${PW}"}}',
    ],
)
def test_what_is_no_secret_of_a_user_or_a_link_is_always_needed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "queues.yaml"
    path.write_text(f"version: 1\n{text}\n")
    with pytest.raises(FileError) as caught:
        load(path, {})
    assert {finding.code for finding in caught.value.findings} <= {"unset-variable", "literal-secret"}
