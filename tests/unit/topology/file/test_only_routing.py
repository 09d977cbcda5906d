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
vhosts: {other: {shovels: {move: {src_uri: "${SOURCE}", dest_uri: "${DESTINATION}"}}}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "queues.yaml"
    path.write_text(FILE)
    return path


def test_a_router_needs_no_password_of_users_and_links(file: Path) -> None:
    assert Router.from_file(file).route("billing.charge").queue == "high"


def test_apply_needs_them(file: Path) -> None:
    with pytest.raises(FileError) as caught:
        load(file, {})
    assert [finding.code for finding in caught.value.findings] == ["unset-variable"] * 3
