"""Scalars: names, units, booleans, and environment variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from routectl.topology.base.duration import duration_text, parse_duration, similar_duration
from routectl.topology.base.scalar import typed
from routectl.topology.file.load import load
from routectl.topology.model.types import MAX_MILLISECONDS

from ...loading import Folder, body

ODD_NAMES = [
    "on",
    "no",
    "yes",
    "123",
    "1.0",
    "1.10",
    "1_000",
    "010",
    "0x1F",
    "1e3",
    "-0",
    "+5",
    "2024-01-01",
    "10:30",
    "=",
    "a b",
    "a/b%2F",
    "🐇 rabbits",
    "é" * 127 + "a",
    "🐇" * 63 + "abc",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_stays_as_it_is_written(tmp_path: Path, name: str) -> None:
    topology = (
        Folder(tmp_path)
        .load(
            body(
                f"queues:\n  {name}: {{}}\nunmatched: {name}\nworkers: {{w: {{queues: {name}}}}}\n"
                f"routes:\n  - tasks: {name}\n    queue: {name}\n    key: {name}"
            )
        )
        .topology
    )
    route = topology.routes[0]
    assert {*topology.queues, topology.unmatched, *topology.workers["w"].queues} == {name}
    assert {*route.tasks, route.queue, route.key} == {name}


@pytest.mark.parametrize("name", ["true", "null", "~"])
def test_quoted_scalars_are_names(tmp_path: Path, name: str) -> None:
    folder = Folder(tmp_path)
    assert folder.load(body(f"queues: {{'{name}': }}\nunmatched: '{name}'")).topology.unmatched == name


@pytest.mark.parametrize("name", ["é" * 128, "🐇" * 64, "a" * 256])
def test_a_name_has_at_most_255_bytes(tmp_path: Path, name: str) -> None:
    (mistake,) = Folder(tmp_path).mistakes(body(f"queues: {{{name}: }}"))
    assert mistake == f"2:10 wrong-value: `{name}`: a name cannot exceed 255 bytes of UTF-8"


@pytest.mark.parametrize(
    ("written", "milliseconds"),
    [
        ("5", 5),
        ("'5'", 5),
        ("250ms", 250),
        ("30s", 30_000),
        ("1h30m", 5_400_000),
        ("7d", 604_800_000),
        ("0s", 0),
        ("3.6s", 3600),
        ("1.5h", 5_400_000),
    ],
)
def test_durations(tmp_path: Path, written: str, milliseconds: int) -> None:
    topology = Folder(tmp_path).load(body(f"queues: {{q: {{message_ttl: {written}}}}}")).topology
    assert topology.queues["q"].message_ttl == milliseconds


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(["ms", "s", "m", "h", "d", "w"])), min_size=1)
)
def test_a_duration_is_the_sum_of_its_parts(parts: list[tuple[int, str]]) -> None:
    text = "".join(f"{amount}{unit}" for amount, unit in parts)
    assert parse_duration(text) == sum(parse_duration(f"{amount}{unit}") for amount, unit in parts)


@given(st.integers(0, MAX_MILLISECONDS))
def test_a_duration_is_shown_as_it_can_be_written(milliseconds: int) -> None:
    assert parse_duration(duration_text(milliseconds)) == milliseconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30 s", "30s"),
        ("30 sec", "30s"),
        ("5 Minutes", "5m"),
        ("1h 30min", "1h30m"),
        ("2 hrs", "2h"),
        ("1 hour", "1h"),
        ("2 weeks", "2w"),
        ("250 msecs", "250ms"),
        ("3 milliseconds", "3ms"),
        ("1 month", None),
        ("1 y", None),
        ("10:30", None),
        ("-5s", None),
        ("soon", None),
        ("", None),
    ],
)
def test_the_duration_that_a_text_probably_means(text: str, expected: str | None) -> None:
    assert similar_duration(text) == expected


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (0, "0s"),
        (250, "250ms"),
        (3600, "3.6s"),
        (5_400_000, "1h30m"),
        (61_500, "1m1s500ms"),
        (604_800_000, "7d"),
    ],
)
def test_a_duration_is_shown_in_its_largest_units(milliseconds: int, shown: str) -> None:
    assert duration_text(milliseconds) == shown


@pytest.mark.parametrize(
    ("written", "size"),
    [("5", 5), ("5B", 5), ("512KiB", 524_288), ("200MB", 200_000_000), ("2GiB", 2**31), ("1 TiB", 2**40)],
)
def test_sizes(tmp_path: Path, written: str, size: int) -> None:
    topology = Folder(tmp_path).load(body(f"queues: {{q: {{max_length_bytes: {written}}}}}")).topology
    assert topology.queues["q"].max_length_bytes == size


@pytest.mark.parametrize(
    ("written", "age"), [("7D", "7D"), ("7d", "7D"), ("2w", "14D"), ("1Y", "1Y"), ("12h", "12h")]
)
def test_ages(tmp_path: Path, written: str, age: str) -> None:
    topology = Folder(tmp_path).load(body(f"queues: {{q: {{type: stream, max_age: {written}}}}}")).topology
    assert topology.queues["q"].max_age == age


@pytest.mark.parametrize(
    ("written", "value"),
    [("true", True), ("yes", True), ("on", True), ("False", False), ("no", False), ("off", False)],
)
def test_a_boolean_field_accepts_the_booleans_of_yaml_1_1(tmp_path: Path, written: str, value: bool) -> None:
    topology = Folder(tmp_path).load(body(f"queues: {{q: {{durable: {written}}}}}")).topology
    assert topology.queues["q"].durable is value


@given(st.none() | st.booleans() | st.integers() | st.text("019.-_+eEaé ", max_size=8))
def test_scalars_survive_being_written_and_read(value: Any) -> None:
    written = yaml.safe_dump(value, allow_unicode=True).removesuffix("...\n").strip()
    if written[:1] in "'\"":
        assert yaml.safe_load(written) == value
    elif not isinstance(value, str):
        assert typed(written) == value
    else:
        assert str(typed(written)) == value


ENVIRONMENT = {
    "NAME": "orders",
    "EMPTY": "",
    "LIMIT": "5",
    "YES": "true",
    "TTL": "7d",
    "BAD": "\udcff",
    "AS": "a: b",
}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${NAME}", "orders"),
        ("x-${NAME}-${LIMIT}", "x-orders-5"),
        ("${NOPE:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${NAME:-other}", "orders"),
        ("${NAME:?is needed}", "orders"),
        ("a${EMPTY}b", "ab"),
        ("$${NAME}", "${NAME}"),
        ("$NAME", "$NAME"),
        ("'${AS}'", "a: b"),
    ],
)
def test_variables(tmp_path: Path, written: str, value: str) -> None:
    folder = Folder(tmp_path)
    assert folder.load(body(f"cluster: {written}"), ENVIRONMENT).topology.cluster == value
    assert folder.load(
        body(f"users: {{u: {{tags: ['{written.strip(chr(39))}']}}}}"), ENVIRONMENT
    ).topology.users["u"].tags == (value,)


@pytest.mark.parametrize(
    ("written", "mistake"),
    [
        (
            "${NOPE}",
            "the environment variable NOPE is not set | "
            "set NOPE in the environment, or add a default: `${NOPE:-default}`",
        ),
        (
            "${NOPE:?ask the operators}",
            "the environment variable NOPE is not set: ask the operators | "
            "set NOPE in the environment, or add a default: `${NOPE:-default}`",
        ),
        (
            "${EMPTY:?}",
            "the environment variable EMPTY is empty | "
            "set EMPTY in the environment, or add a default: `${EMPTY:-default}`",
        ),
        ("${BAD}", "the environment variable BAD is not UTF-8 text"),
        (
            "${1A}",
            "`${1A}` is not a valid variable reference | "
            "write `${NAME}`, `${NAME:-default}` or `${NAME:?message}`; a literal `${` is `$${`",
        ),
        (
            "${A:-${B}}",
            "`${` is not a valid variable reference | "
            "write `${NAME}`, `${NAME:-default}` or `${NAME:?message}`; a literal `${` is `$${`",
        ),
    ],
)
def test_unresolvable_variables(tmp_path: Path, written: str, mistake: str) -> None:
    found = Folder(tmp_path).mistakes(body(f"name: {written}"), ENVIRONMENT)
    assert found == [f"2:7 unset-variable: {mistake}"]


def test_variables_take_the_type_of_their_field(tmp_path: Path) -> None:
    queue = (
        Folder(tmp_path)
        .load(
            body(
                "queues:\n  q:\n    max_length: ${LIMIT}\n    durable: '${YES}'\n    message_ttl: ${TTL}\n"
                '    arguments: {x-a: "${LIMIT}"}\n    type: ${NOPE:-classic}\n'
                "exchanges:\n  e:\n    arguments:\n      x-b: ${LIMIT}\n      x-c: ${YES}"
            ),
            ENVIRONMENT,
        )
        .topology
    )
    assert queue.queues["q"].model_dump(exclude_unset=True) == {
        "max_length": 5,
        "durable": True,
        "message_ttl": 604_800_000,
        "arguments": {"x-a": "5"},
        "type": "classic",
    }
    assert queue.exchanges["e"].arguments == {"x-b": 5, "x-c": True}


def test_a_name_before_a_colon_needs_no_quotes_for_a_variable(tmp_path: Path) -> None:
    topology = Folder(tmp_path).load(body("queues:\n  ${NAME}: {}"), ENVIRONMENT).topology
    assert list(topology.queues) == [ENVIRONMENT["NAME"]]


def test_an_unset_variable_has_no_consequences(tmp_path: Path) -> None:
    text = body(
        'queues: {a: {bindings: [{exchange: "${NOPE}"}], max_length: "${NOPE}", dead_letter: {exchange: "${NOPE}"}}}\n'
        'unmatched: ${NOPE}\nroutes: [{tasks: "${NOPE}", queue: "${NOPE}"}]\nworkers: {w: {queues: ["${NOPE}"]}}'
    )
    assert {finding.code for finding in Folder(tmp_path).findings(text)} == {"unset-variable"}


def test_a_million_unclosed_variables_are_parsed_quickly(tmp_path: Path) -> None:
    text = body(f'name: "{"${" * 300_000}"\ncluster: "{"${A:-" * 100_000}"')
    assert {finding.code for finding in Folder(tmp_path).findings(text)} == {"unset-variable"}


def test_producers_do_not_need_the_variables_of_global_parameters(tmp_path: Path) -> None:
    path = tmp_path / "queues.yaml"
    path.write_text(body('global_parameters: {g: {token: "${TOKEN}"}}'))
    assert load(path, {}, only_routing=True).topology.global_parameters == {}


@pytest.mark.parametrize("name", ["shop", "Shop-2.eu_west", "x" * 64])
def test_the_name_of_a_stack_can_be_part_of_names_on_the_broker(tmp_path: Path, name: str) -> None:
    assert Folder(tmp_path).load(body(f"name: {name}")).topology.name == name


@pytest.mark.parametrize("name", ["", "a b", "läden", "a/b", "x" * 65, "a*"])
def test_a_name_of_a_stack_with_other_characters_is_a_mistake(tmp_path: Path, name: str) -> None:
    (mistake,) = Folder(tmp_path).mistakes(body(f'name: "{name}"'))
    assert "must be 1 to 64 letters, digits, `.`, `-` or `_`" in mistake
