"""Loading any file returns a topology or raises findings, and nothing else."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from routectl.topology.errors import FileError
from routectl.topology.file.load import Loaded, load

ENVIRONMENT = {"A": "1", "EMPTY": "", "ODD": "\udc80", "LONG": "x" * 300}

#: Words of the file and of YAML, so that random files come near to real ones.
WORDS = re.split(
    " ",
    "version defaults exchanges queues routes workers vhosts users policies federation upstreams shovels include "
    "targets bindings exchange key type quorum stream tasks queue arguments dead_letter password uri message_ttl "
    "max_length headers definition pattern 1 3.10 7d 2GiB true null ~ - ? : , [ ] { } & * ! | > ' \" % @ ` # << "
    "&a *a ${A} ${NOPE} ${ODD} $${ /x/ {q} !!set --- ... amqp://u:p@h \t \n \r \\ \ufeff \0 \x85 \u2028 🐇",
)
SOUP = st.lists(st.sampled_from([*WORDS, " ", "\n", "\n  ", "\n    ", ": "]), max_size=60).map("".join)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(WORDS)
)
DATA = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=25,
)

SECTIONS = [
    *("exchanges", "queues", "routes", "workers", "vhosts", "users", "policies", "defaults", "federation"),
    *("shovels", "targets", "unmatched", "include", "limits"),
]
OBJECT = st.dictionaries(st.sampled_from(WORDS), DATA, max_size=4)

few = settings(max_examples=150, deadline=None)


def attempt(content: bytes) -> Loaded | FileError:
    """The result of loading a file, which must be printable."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "queues.yaml"
        path.write_bytes(content)
        try:
            return load(path, ENVIRONMENT)
        except FileError as error:
            found = error
    for finding in found.findings:
        assert finding.render().encode()
        assert finding.position.line >= 1
        assert finding.position.column >= 1
    assert found.findings
    return found


@few
@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    attempt(content)


@few
@given(st.text(max_size=200))
def test_any_text(text: str) -> None:
    attempt(text.encode("utf-8", "surrogatepass"))


@few
@given(SOUP)
def test_any_sequence_of_tokens(text: str) -> None:
    attempt(("version: 1\n" + text).encode())


@few
@given(DATA)
def test_any_data(data: Any) -> None:
    attempt(yaml.dump(data, allow_unicode=True).encode("utf-8", "surrogatepass"))


@few
@given(
    st.dictionaries(
        st.sampled_from(SECTIONS),
        DATA | st.dictionaries(st.text(max_size=5), OBJECT, max_size=3),
        max_size=4,
    )
)
def test_any_data_in_sections(sections: dict[str, Any]) -> None:
    attempt(yaml.dump({"version": 1, **sections}, allow_unicode=True).encode("utf-8", "surrogatepass"))


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30).filter(
    lambda name: not name.startswith("amq.") and "{" not in name and name not in (".", "..")
)
WHOLE = st.integers(0, 10**11)
QUEUE = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "max_length": WHOLE,
            "message_ttl": WHOLE | st.integers(0, 500).map(lambda days: f"{days}d"),
            "durable": st.booleans(),
            "max_priority": st.integers(1, 255),
            "arguments": st.dictionaries(
                st.text(st.characters(categories=["L"]), min_size=1), WHOLE, max_size=2
            ),
        },
    ),
    st.fixed_dictionaries(
        {"type": st.just("quorum")},
        optional={
            "delivery_limit": st.integers(-1, 50) | st.just("none"),
            "max_length_bytes": WHOLE.map(lambda size: f"{size}KiB"),
        },
    ),
)


@st.composite
def topologies(draw: st.DrawFn) -> dict[str, Any]:
    """A file without unresolved references."""
    exchanges = draw(st.lists(NAMES, unique=True, max_size=4))
    queues = draw(st.dictionaries(NAMES, QUEUE, min_size=1, max_size=4))
    names = sorted(queues)
    if exchanges:
        for queue in queues.values():
            chosen = draw(st.lists(st.sampled_from(exchanges), max_size=2))
            queue["bindings"] = [
                {"exchange": name, "key": draw(st.text("a.*#é", max_size=5))} for name in chosen
            ]
    return {
        "version": 1,
        "exchanges": {
            name: {"type": draw(st.sampled_from(["topic", "direct", "fanout"]))} for name in exchanges
        },
        "queues": queues,
        "routes": [{"tasks": f"task{i}.*", "queue": name} for i, name in enumerate(names)],
        "unmatched": names[0],
        "workers": {"all": {"queues": names}},
    }


@few
@given(topologies())
def test_a_valid_file_loads_with_its_values(data: dict[str, Any]) -> None:
    loaded = attempt(yaml.dump(data, allow_unicode=True).encode())
    assert isinstance(loaded, Loaded), str(loaded)
    topology = loaded.topology
    assert set(topology.queues) == set(data["queues"])
    assert set(topology.exchanges) == set(data["exchanges"])
    assert [route.queue for route in topology.routes] == [route["queue"] for route in data["routes"]]
    for name, queue in data["queues"].items():
        bindings = [(binding.exchange, binding.key) for binding in topology.queues[name].bindings]
        assert bindings == [(binding["exchange"], binding["key"]) for binding in queue.get("bindings", [])]
