"""Secrets are never printed, and password hashes are verified."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
import pickle
from typing import Any

import pytest
from pydantic import BaseModel

from routectl.topology.base.redaction import mask_urls, redacted
from routectl.topology.base.secret import MASK, Secret, mask, password_matches


def test_a_secret_is_never_printed() -> None:
    secret = Secret("hush")
    shown = [str(secret), repr(secret), f"{secret}", f"{secret!r:>10}", f"{[secret]}", "%s" % secret]  # noqa: UP031
    assert all("hush" not in text for text in shown)
    assert secret.reveal() == "hush"


def test_a_secret_cannot_be_pickled_or_dumped() -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(Secret("hush"))
    with pytest.raises(TypeError):
        copy.copy(Secret("hush"))
    with pytest.raises(TypeError):
        json.dumps(Secret("hush"))


def test_equality_is_by_value() -> None:
    assert Secret("é") == Secret("é")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


def test_in_a_model() -> None:
    class User(BaseModel):
        password: Secret

    user = User.model_validate({"password": "hush"})
    assert user.password.reveal() == "hush"
    assert "hush" not in f"{user!r}{user}{user.model_dump_json()}{user.model_dump(mode='json')}"
    assert User(password=Secret("x")).password == Secret("x")


def test_urls_are_masked() -> None:
    assert mask_urls("see amqp://u:p@h/v and http://h") == f"see amqp://{MASK}@h/v and http://h"


def test_plain_data_is_masked() -> None:
    assert mask({"a": [Secret("x"), 1], "b": ("y",)}) == {"a": [MASK, 1], "b": ["y"]}


@pytest.mark.parametrize("name", ["sha256", "sha512", "md5"])
def test_password_hashes(name: str) -> None:
    salt, algorithm = b"\x01\x02\x03\x04", f"rabbit_password_hashing_{name}"
    digest = hashlib.new(name, salt + "pässword".encode()).digest()
    stored = Secret(base64.b64encode(salt + digest).decode())
    assert password_matches(Secret("pässword"), stored, algorithm)
    assert not password_matches(Secret("password"), stored, algorithm)
    assert not password_matches(Secret("pässword"), stored, "unknown")
    assert not password_matches(Secret("pässword"), Secret("no base64!"), algorithm)
    assert not password_matches(Secret("pässword"), Secret(""), algorithm)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (
            {"password": "x", "Api-Key": 5, "apikey": "x", "x_token": ["x", "y"]},
            {"password": "***", "Api-Key": "***", "apikey": "***", "x_token": ["***", "***"]},
        ),
        ({"credentials": {"user": "u", "passwd": "x"}}, {"credentials": {"user": "u", "passwd": "***"}}),
        (
            {"password": None, "token": "${TOKEN}", "secret": "${A}x"},
            {"password": None, "token": "${TOKEN}", "secret": "***"},
        ),
        (
            ["amqp://u:p@host", ("Bearer x", "bearer of news, all")],
            ["amqp://***@host", ("Bearer ***", "bearer of news, all")],
        ),
        ({"amqp://u:p@host": 1, 5: 2.5, "tokens": True}, {"amqp://***@host": 1, "5": 2.5, "tokens": True}),
    ],
)
def test_everything_that_looks_like_a_secret_is_masked(data: Any, shown: Any) -> None:
    assert redacted(data) == shown
