"""The JSON Schema accepts and rejects the same files as the loader, and describes every field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from routectl.topology.errors import FileError
from routectl.topology.file.json_schema import schema

from ....markdown import ROOT
from ...loading import Folder, body

SCHEMA = schema()
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def is_valid(text: str) -> bool:
    """Whether a file is valid by the schema."""
    return VALIDATOR.is_valid(yaml.safe_load(text))


def loads(folder: Path, text: str) -> bool:
    """Whether the file loads in any environment."""
    try:
        Folder(folder).load(text, {"V": "5", "B": "true", "PW": "x", "URL": "amqp://h"})
    except FileError:
        return False
    return True


def nodes(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """All subschemas of a schema, with their paths."""
    if isinstance(node, dict):
        yield path, node
        for name, item in node.items():
            yield from nodes(item, f"{path}/{name}")
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from nodes(item, f"{path}/{index}")


def test_it_is_a_schema_of_draft_7() -> None:
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert not [path for path, node in nodes(SCHEMA) if "$defs" in node or ("$ref" in node and len(node) > 1)]


def test_every_property_is_described_and_none_carries_a_title_of_its_name() -> None:
    count = 0
    for path, node in nodes(SCHEMA):
        if path.rpartition("/")[2] == "properties":
            for name, field in node.items():
                assert field.get("description"), f"{path}/{name}"
                count += 1
        elif path and not path.endswith("/properties"):
            assert not isinstance(node.get("title"), str), path
    assert count > 150


def test_the_repositorys_own_file_is_valid() -> None:
    assert is_valid((ROOT / "queues.yaml").read_text())


@pytest.mark.parametrize(
    "text",
    [
        "queues: {high: }",
        "queues:\nexchanges:\nroutes:\nworkers:\nusers:\nvhosts:\ndefaults:\nlimits:\nunmatched:",
        "defaults: {queue: , exchange: }",
        "exchanges: {e: }\nusers: {u: }\nvhosts: {v: }",
        "queues: {123: {type: quorum}}\nunmatched: 123\nworkers: {w: {queues: 123}}",
        "queues: {a: , b: }\nworkers: {w: {queues: a}, x: {queues: [a, b]}}",
        "queues: {a: }\nroutes: [{tasks: x, queue: a}, {tasks: [y.*, z], queue: a, priority: 5}]",
        *(
            f"queues: {{q: {{message_ttl: {value}}}}}"
            for value in ("5", "'5'", "30s", "1h30m", "7d", '"${V}"')
        ),
        *(f"queues: {{q: {{max_length_bytes: {value}}}}}" for value in ("5", "2GiB", "1 MB", '"${V}"')),
        *(f"queues: {{q: {{durable: {value}}}}}" for value in ("true", "False", "yes", "off", '"${B}"')),
        *(
            f"queues: {{q: {{type: stream, max_age: {value}}}}}"
            for value in ("7D", "12h", "1Y", '"${AGE:-1Y}"')
        ),
        *(f"queues: {{q: {{max_length: {value}}}}}" for value in ("0", '"${V}"', '"${V:-7}"')),
        'queues: {q: {type: "${TYPE:-quorum}"}}',
        "queues: {q: {dead_letter: null, message_ttl: null, max_length: ~}}",
        *(
            f"queues: {{q: {{type: quorum, delivery_limit: {value}}}}}"
            for value in ("-1", "5", "none", "null")
        ),
        "queues: {q: {arguments: {x-any: [1, {a: b}]}}}",
        "queues: {q: {bindings: [{exchange: amq.headers, headers: {a: 1}, match: any}]}}",
        "targets: ['3.13', 4.3]",
        "targets: 3.13",
        'users: {u: {password: "${PW}", tags: management, permissions: {/: {read: .*}}}}',
        'federation: {upstreams: {u: {uri: amqp://h}, v: {uri: ["amqps://h", "${URL}"], expires: 1h}}}',
        "shovels: {s: {src_uri: amqp://, src_queue: q, dest_uri: amqp://h, src_delete_after: never}}",
        "shovels: {s: {src_uri: amqp://, src_queue: q, dest_uri: amqp://h, src_delete_after: 100}}",
        "policies: {p: {pattern: ., definition: {max_length: 5}}}",
        "queues: {q: }\nworkers: {w: {queues: q, time_limit: 1.5, soft_time_limit: 1m, acks_late: yes}}",
        "queues: {q: &a {type: quorum}, r: *a}",
        "limits: {max_queues: -1}\ndefault_queue_type: quorum",
    ],
)
def test_files_that_load_are_valid(tmp_path: Path, text: str) -> None:
    assert loads(tmp_path, body(text))
    assert is_valid(body(text)), [
        error.message for error in VALIDATOR.iter_errors(yaml.safe_load(body(text)))
    ]


@pytest.mark.parametrize(
    "text",
    [
        "quues: {}",
        "queues: {q: {typ: 1}}",
        "queues: []",
        "queues: {q: 5}",
        "queues: {q: {type: quorom}}",
        "queues: {q: {durable: maybe}}",
        "queues: {q: {max_length: many}}",
        "queues: {q: {max_length: -1}}",
        *(f"queues: {{q: {{type: quorum, delivery_limit: {value}}}}}" for value in ("-2", "never")),
        "queues: {q: {max_priority: 300}}",
        "queues: {q: {message_ttl: 7 days}}",
        "queues: {q: {max_length_bytes: 5 gigs}}",
        "queues: {q: {type: stream, max_age: 5}}",
        "queues: {q: {bindings: tasks}}",
        "queues: {q: {bindings: [{key: a}]}}",
        "queues: {q: {dead_letter: {}}}",
        "routes: [{tasks: a}]",
        "users: {u: {password: hunter2}}",
        "users: {u: {password: '${PW:-}hunter2'}}",
        "federation: {upstreams: {u: {uri: http://h}}}",
        "policies: {p: {pattern: .}}",
        "vhosts: {v: {queues: {q: {typ: 1}}}}",
        "vhosts: {v: {version: 1}}",
        "defaults: {queue: {typ: 1}}",
    ],
)
def test_invalid_files_do_not_load(tmp_path: Path, text: str) -> None:
    assert not is_valid(body(text))
    assert not loads(tmp_path, body(text))


@pytest.mark.parametrize("version", ["", "version: 2", "version: '1'", "version: true"])
def test_the_version_is_required(tmp_path: Path, version: str) -> None:
    text = f"{version}\nqueues: {{}}\n"
    assert not is_valid(text)
    assert not loads(tmp_path, text)


def test_it_is_small_enough_for_an_editor() -> None:
    assert len(json.dumps(SCHEMA)) < 150_000
