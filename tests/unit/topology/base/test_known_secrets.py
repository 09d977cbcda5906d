"""Secrets are removed from texts of others, in every notation in which a broker may quote them."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus, unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from routectl.topology.base.known_secrets import KnownSecrets, secrets_in
from routectl.topology.base.secret import Secret
from routectl.topology.broker.reasons import plain_reason

SECRETS = st.text(
    st.one_of(
        st.sampled_from("#/?%@:\"\\ 'ü🐇<>&{}[]abcXYZ019-_."), st.characters(exclude_categories=["Cs"])
    ),
    min_size=1,
    max_size=30,
)


def erlang_string(text: str) -> str:
    """A binary as Erlang's `~p` prints it."""
    return '<<"' + text.replace("\\", "\\\\").replace('"', '\\"') + '">>'


def erlang_bytes(text: str) -> str:
    """A binary that is not printable, as Erlang's `~p` prints it, with line breaks."""
    return "<<" + ",\n   ".join(map(str, text.encode())) + ">>"


NOTATIONS = {
    "plain": str,
    "quoted": lambda text: f'"{text}"',
    "json": json.dumps,
    "json in utf-8": lambda text: json.dumps(text, ensure_ascii=False),
    "python": repr,
    "url": lambda text: quote(text, safe=""),
    "path": quote,
    "form": quote_plus,
    "html": html.escape,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "erlang": erlang_string,
}


@pytest.mark.parametrize("notation", NOTATIONS)
@given(secret=SECRETS.filter(lambda text: len(text) >= 8 and text.strip() == text))
def test_a_secret_is_removed_in_every_notation(notation: str, secret: str) -> None:
    shown = NOTATIONS[notation](secret)
    text = f"cannot create: {shown} is refused"
    assert KnownSecrets([secret]).hide(text).count(shown.strip("\"'")) == 0


@given(secret=SECRETS)
@pytest.mark.parametrize("length", [1])
def test_a_secret_of_any_length_is_removed_from_a_brokers_reply(length: int, secret: str) -> None:
    assume(secret.strip().strip('"<> '))  # which Erlang writes around every text
    known = KnownSecrets([secret], min_length=length)
    for echoed in (secret, html.escape(secret), erlang_string(secret)):
        reason = plain_reason({"error": "bad_request", "reason": f"not_base64: {echoed}"}, known)
        assert reason.replace("not_base64: ", "").strip('"<> ') in ("***", "")


@given(secret=st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=4, max_size=20))
def test_bytes_of_a_secret_are_removed_from_a_brokers_reply(secret: str) -> None:
    known = KnownSecrets([secret], min_length=1)
    reason = plain_reason({"error": "bad_request", "reason": f"bad value {erlang_bytes(secret)}"}, known)
    assert reason == "bad value <<***>>"


def test_a_list_of_numbers_is_read_as_text_before_secrets_are_removed() -> None:
    known = KnownSecrets(["S3cr3t#1"], min_length=1)
    assert plain_reason({"error": "x", "reason": list(map(ord, "no: S3cr3t#1"))}, known) == "no: ***"


@given(password=SECRETS.filter(lambda text: len(unquote(text)) >= 8))
def test_the_password_in_a_uri_is_a_secret_too(password: str) -> None:
    assume(password.strip() == password)
    encoded = quote(password, safe="")
    known = KnownSecrets([f"amqp://app:{encoded}@host/v"])
    assert password not in known.hide(f"login with {password} failed")
    assert encoded not in known.hide(f"login with {encoded} failed")


def test_the_reason_for_a_broken_uri_contains_no_piece_of_it() -> None:
    uri = "amqp://app:S3cr3t/1@host"
    reason = (
        f'"{uri}" not a valid URI: {{{{malformed_uri,"{uri}",[{{list_to_integer,["S3cr3t"]}}]}},"{uri}"}}'
    )
    document = {"error": "bad_request", "reason": f"Validation failed\n\n{reason}\n"}
    assert plain_reason(document) == "a URI is not valid"


def test_a_url_of_somebody_else_is_masked_in_a_brokers_reply() -> None:
    document = {
        "error": "bad_request",
        "reason": "inequivalent arg 'x-from': received amqp://app:S3cr3t@host",
    }
    assert plain_reason(document) == "inequivalent arg 'x-from': received amqp://***@host"


def test_short_passwords_and_names_leave_the_output_readable() -> None:
    known = KnownSecrets(["abc", "app", "guest", "shop", "rabbit"], public={"guest", "shop"})
    text = "vhost shop: application abc uses rabbitmq as user guest"
    assert known.hide(text) == text
    assert known.hide("rabbit, rabbitmq") == "***, rabbitmq"


def test_documents_are_cleaned_in_keys_and_values() -> None:
    known = KnownSecrets(['S3cr3t"#1'])
    document = {"a": ['S3cr3t"#1', {'x S3cr3t"#1': (1, 'S3cr3t"#1')}], "b": None}
    assert known.hide_all(document) == {"a": ["***", {"x ***": [1, "***"]}], "b": None}


def test_secrets_are_found_in_plain_data_and_not_shown() -> None:
    assert secrets_in({"a": [Secret("x"), {"b": (Secret("y"), "z")}], "c": 1}) == ["x", "y"]
    assert "S3cr3t#1" not in repr(KnownSecrets(["S3cr3t#1"]))


@pytest.mark.parametrize("value", ["2024-01-01", "007", '"a\\x41b"', '"eu"', "1e5"])
def test_a_field_is_hidden_also_where_its_value_is_not_json(value: str) -> None:
    known = KnownSecrets([], public={"us"}, fields={"region"})
    assert known.hide(f'{{"region": {value}, "zone": "us"}}').startswith('{"region": "***"')
    assert known.hide('{"region": "us"}') == '{"region": "us"}'
