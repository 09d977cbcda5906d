"""All mistakes are reported at once, without mere consequences of others."""

from __future__ import annotations

from pathlib import Path

import pytest

from routectl.topology.errors import FileError
from routectl.topology.file.load import load
from routectl.topology.lint.context import MAX_FINDINGS

from ...loading import Folder, body

MANY = """\
version: 1
nmae: shop
targets: [3.8]
exchanges:
  tasks: {type: topic, durable: maybe}
  other: {alternate_exchange: gone}
queues:
  high: {type: quorom, delivery_limit: 5, bindings: [{exchange: taks}]}
  low: {message_ttl: 7 days, bindings: [{exchange: tasks, headers: {a: 1}}]}
  low: {}
  dead: {type: stream, dead_letter: {exchange: ''}}
  amq.mine: {}
routes:
  - {tasks: a}
  - {tasks: [b, '/(/'], queue: high}
  - {tasks: c, queue: hihg, priority: 300}
unmatched: normal
workers:
  high: {queues: [high, low, high]}
users:
  app: {password: hunter2, tags: "${NOPE}"}
federation:
  upstreams: {up: {ur: amqp://h}}
policies:
  p: {pattern: a, definition: {federation_upstream: up, max_length: x}}
"""


def test_twenty_mistakes_give_twenty_findings(tmp_path: Path) -> None:
    assert [line.split(" | ")[0] for line in Folder(tmp_path).mistakes(MANY)] == [
        "2:1 unknown-key: unknown key `nmae`",
        "3:11 wrong-value: `targets` must be a RabbitMQ version from 3.10 to 4.x, not `3.8`",
        "5:33 wrong-type: `durable` must be true or false, not `maybe`",
        "6:31 unknown-name: there is no exchange `gone` in this file",
        "8:16 wrong-value: `type` must be one of classic, quorum, stream, not `quorom`",
        "8:65 unknown-name: there is no exchange `taks` in this file",
        "10:3 duplicate-key: duplicate key `low`",
        "11:24 wrong-argument: a stream does not support dead-lettering",
        "12:3 reserved-name: names that begin with `amq.` are reserved by RabbitMQ",
        "14:5 missing-key: `queue` is missing",
        "15:17 bad-pattern: the regular expression `/(/` is invalid: missing ), unterminated subpattern at position 0",
        "16:23 unknown-name: there is no queue `hihg` in this file",
        "16:39 wrong-value: `priority` must be at most 255, not `300`",
        "17:12 unknown-name: there is no queue `normal` in this file",
        "19:30 conflict: `high` is listed twice",
        "21:19 literal-secret: `password`: a password must not be written in the file",
        "21:34 unset-variable: the environment variable NOPE is not set",
        "23:15 missing-key: `uri` of `up` is missing",
        "23:20 unknown-key: unknown key `ur`",
        "25:69 wrong-type: `max_length` must be a whole number, not `x`",
    ]


def test_a_wrong_entry_does_not_hide_the_mistakes_of_its_neighbours(tmp_path: Path) -> None:
    text = body(
        "queues: {q: }\nroutes:\n  - {tasks: a}\n  - {tasks: b, queue: r}\n  - 5\n  - {tasks: '{', queue: q}\n"
        "  - {tasks: c, queue: q, priority: x}\n  - {tasks: d, queue: s}"
    )
    assert [line.split(":")[0] for line in Folder(tmp_path).mistakes(text)] == ["4", "5", "6", "7", "8", "9"]


def test_invalid_objects_can_be_referred_to(tmp_path: Path) -> None:
    text = body(
        "exchanges: {e: 5}\nqueues: {q: 5, r: {bindings: [{exchange: e}]}}\nunmatched: q\n"
        "federation: {upstreams: {u: 5}, upstream_sets: {s: 5}}\n"
        "policies: {p: {pattern: a, definition: {federation_upstream: u}}, "
        "o: {pattern: a, definition: {federation_upstream_set: s}}}"
    )
    assert [line.split(" ")[0] for line in Folder(tmp_path).mistakes(text)] == [
        "2:16",
        "3:13",
        "5:29",
        "5:52",
    ]


def test_thousands_of_mistakes_are_truncated_quickly(tmp_path: Path) -> None:
    folder, count = Folder(tmp_path), 3_000
    alike = "".join(f"  exchange{i}x: {{}}\n" for i in range(count))
    for wrong in (
        "{typ: quorum}",
        "{bindings: [{exchange: exchange%d}]}",
        '{max_length: "${NOPE}"}',
        "{max_length: x}",
    ):
        queues = "".join(f"  q{i}: {wrong.replace('%d', str(i))}\n" for i in range(count))
        findings = folder.findings(body(f"exchanges:\n{alike}queues:\n{queues}"))
        assert len(findings) == MAX_FINDINGS
    assert "more than 200 mistakes" in str(_error(folder))


def _error(folder: Folder) -> BaseException:
    try:
        folder.load()
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError


def test_very_long_lines_are_truncated(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    for text in (
        f"name: {'x' * 5_000_000}",
        f"name: {'a' * 500_000}://x@y",
        f"queues: {{q: {{type: {'y' * 10**6}}}}}",
    ):
        for finding in folder.findings(body(text)):
            assert len(finding.render()) < 2_000
            assert len(repr(finding)) < 4_000


def test_the_error_as_text_says_what_to_do(tmp_path: Path) -> None:
    """A worker whose file has mistakes ends with a traceback, of which this is the last part."""
    (tmp_path / "queues.yaml").write_text("version: 1\nqueues: {high: {typ: quorum}}\n")
    with pytest.raises(FileError) as caught:
        load(tmp_path / "queues.yaml", {})
    assert str(caught.value).splitlines()[1:] == [
        f"{tmp_path}/queues.yaml:2:17: error[unknown-key]: unknown key `typ`",
        "  help: did you mean `type`?",
    ]
