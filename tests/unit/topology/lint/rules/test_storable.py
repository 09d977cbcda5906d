"""Arguments, headers and tags that RabbitMQ cannot store are found at their position."""

from __future__ import annotations

from pathlib import Path

import pytest

from ....loading import Folder, body

HELP = "remove it, or give it a value"
LONG = "é" * 128


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "exchanges: {h: {type: headers}}\nqueues: {q: {bindings: [{exchange: h, headers: {a: 1, gone: null}}]}}",
            f"3:55 bad-argument: RabbitMQ cannot store `gone: null` | {HELP}",
        ),
        (
            "queues: {q: {arguments: {x-own: {list: [1, ~]}}}}",
            f"2:44 bad-argument: RabbitMQ cannot store `list: null` | {HELP}",
        ),
        (
            "queues: {q: {shards: 2, bindings: [{exchange: amq.topic, key: a, arguments: {x: }}]}}",
            f"2:78 bad-argument: RabbitMQ cannot store `x: null` | {HELP}",
        ),
        (
            "defaults: {exchange: {arguments: {x-own: null}}}\nexchanges: {a: , b: }",
            f"2:35 bad-argument: RabbitMQ cannot store `x-own: null` | {HELP}",
        ),
        (
            "vhosts: {v: {operator_policies: {p: {pattern: a, definition: {arguments: {app-limit: null}}}}}}",
            f"2:75 bad-argument: RabbitMQ cannot store `app-limit: null` | {HELP}",
        ),
        (
            f"queues: {{q: {{arguments: {{{LONG}: 1}}}}}}",
            "2:26 bad-argument: the name of an argument cannot exceed 255 bytes of UTF-8",
        ),
        (
            "users: {app: {tags: [é]}}",
            "2:22 wrong-value: `tags`: a user's tag must be ASCII: RabbitMQ stores other characters wrongly",
        ),
        (
            'vhosts: {v: {tags: ["a\\tb"]}}',
            "2:21 wrong-value: `tags`: a tag cannot contain control characters",
        ),
        (
            'targets: ["3.10", "4.0"]\nvhosts: {v: {tags: [é]}}',
            "3:14 wrong-version: RabbitMQ 3.10 does not support tags of a vhost that are not ASCII: "
            "it is available from 4.0 | remove it, or the version from `targets`",
        ),
    ],
)
def test_what_cannot_be_stored(tmp_path: Path, text: str, mistake: str) -> None:
    assert Folder(tmp_path).mistakes(body(text)) == [mistake]


def test_what_can_be_stored(tmp_path: Path) -> None:
    odd = "{a: '', b: [], c: {}, d: 0.5, e: 1.0e+20, f: [[1]], 'null': x, g: 'null'}"
    loaded = Folder(tmp_path).load(
        body(
            f"exchanges: {{h: {{type: headers}}}}\nqueues: {{q: {{bindings: [{{exchange: h, headers: {odd}}}]}}}}"
        )
    )
    assert loaded.warnings == ()
