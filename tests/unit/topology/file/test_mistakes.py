"""Mistakes in single values: position, message and suggested fix."""

from __future__ import annotations

from pathlib import Path

import pytest

from ...loading import Folder, body

DURATION = "must be a duration such as 30s, 15m, 12h, 7d or 1h30m"


def only(tmp_path: Path, text: str) -> str:
    """The file's only mistake."""
    (mistake,) = Folder(tmp_path).mistakes(text)
    return mistake


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("quues: {}", "2:1 unknown-key: unknown key `quues` | did you mean `queues`?"),
        ("queues:\n  high: {typ: quorum}", "3:10 unknown-key: unknown key `typ` | did you mean `type`?"),
        (
            "queues: {a: {dead-letter: {exchange: ''}}}",
            "2:14 unknown-key: unknown key `dead-letter` | did you mean `dead_letter`?",
        ),
        (
            "queues: {a: {x-message-ttl: 5}}",
            "2:14 unknown-key: unknown key `x-message-ttl` | did you mean `message_ttl`?",
        ),
        (
            "queues: {a: }\nworkers: {w: {queues: a, max_wait: 1m}}",
            "3:26 unknown-key: unknown key `max_wait` | write it at an entry of `queues`",
        ),
        (
            "queues: {a: {order: strict}}",
            "2:14 unknown-key: unknown key `order` | write it at an entry of `workers`",
        ),
        ("queues: {a: {ttl: 5}}", "2:14 unknown-key: unknown key `ttl` | write `message_ttl` here"),
        (
            "queues: {a: {x-dead-letter-exchange: b}}",
            "2:14 unknown-key: unknown key `x-dead-letter-exchange` | write `dead_letter: {exchange: …}` here",
        ),
        (
            "queues: {a: {x-custom-thing: b}}",
            "2:14 unknown-key: unknown key `x-custom-thing` | put it under `arguments:` to pass it through unchanged: "
            "`arguments: {x-custom-thing: …}`",
        ),
        (
            "routes: [{task: a, queue: q, tasks: a}]\nqueues: {q: }",
            "2:11 unknown-key: unknown key `task` | write `tasks` here",
        ),
        ("queues:\n  a: {}\n  a: {}", "4:3 duplicate-key: duplicate key `a` | remove one of the two"),
        ("queues: {}\nqueues: {}", "3:1 duplicate-key: duplicate key `queues` | remove one of the two"),
        *(
            (
                f"rails: {{changed: {value}}}",
                "2:18 wrong-value: `changed` must be a percentage from 0% to 100%, such as 30%, "
                f"not `{value}`",
            )
            for value in ("30", "0.3", "101%", "true", "-1%")
        ),
        (
            "queues: {q: {bindings: [{key: a}]}}",
            "2:25 missing-key: `exchange` is missing | add `exchange: …`",
        ),
        (
            "queues: {q: {dead_letter: {}}}",
            "2:14 missing-key: `exchange` of `dead_letter` is missing | add `exchange: …`",
        ),
    ],
)
def test_keys(tmp_path: Path, text: str, mistake: str) -> None:
    assert only(tmp_path, body(text)) == mistake


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("queues: {}\n", "1:1 missing-key: `version` is missing | write `version: 1` at the top"),
        ("version: 2\n", "1:10 wrong-value: `version` must be 1, not `2` | write `1`"),
        ("version: 1.0\n", "1:10 wrong-value: `version` must be 1, not `1.0` | write `1`"),
        ("version: true\n", "1:10 wrong-value: `version` must be 1, not `true` | write `1`"),
        ("- version: 1\n", "1:1 wrong-type: the file must be a map (`name: value` lines)"),
        ("hello\n", "1:1 wrong-type: the file must be a map (`name: value` lines), not `hello`"),
    ],
)
def test_the_top_of_the_file(tmp_path: Path, text: str, mistake: str) -> None:
    assert only(tmp_path, text) == mistake


@pytest.mark.parametrize(
    ("value", "mistake"),
    [
        ("5", "2:13 wrong-type: `q` must be a map (`name: value` lines), not `5`"),
        ("[]", "2:13 wrong-type: `q` must be a map (`name: value` lines)"),
        (
            "{type: quorum, delivery_limit: never}",
            "2:44 wrong-type: `delivery_limit` must be a whole number or `none`, not `never`",
        ),
        (
            "{type: quorum, delivery_limit: -2}",
            "2:44 wrong-value: `delivery_limit` must be at least -1, or `none`, not `-2`",
        ),
        (
            "{type: quorom}",
            "2:20 wrong-value: `type` must be one of classic, quorum, stream, not `quorom` | did you mean `quorum`?",
        ),
        ("{max_length: many}", "2:26 wrong-type: `max_length` must be a whole number, not `many`"),
        ("{max_length: true}", "2:26 wrong-type: `max_length` must be a whole number, not `true`"),
        ("{max_length: 1.5}", "2:26 wrong-type: `max_length` must be a whole number, not `1.5`"),
        ("{max_length: .inf}", "2:26 wrong-type: `max_length` must be a whole number, not `.inf`"),
        ("{max_length: -1}", "2:26 wrong-value: `max_length` must be at least 0, not `-1`"),
        ("{max_priority: 256}", "2:28 wrong-value: `max_priority` must be at most 255, not `256`"),
        (
            "{max_length: 9223372036854775808}",
            "2:26 wrong-type: `max_length` is too large a number, not `9223372036854775808`",
        ),
        ("{max_length: ٣}", "2:26 wrong-type: `max_length` must be a whole number, not `٣`"),
        ("{durable: maybe}", "2:23 wrong-type: `durable` must be true or false, not `maybe`"),
        ("{durable: null}", "2:23 wrong-type: `durable` must be true or false, not `null`"),
        ("{bindings: tasks}", "2:24 wrong-type: `bindings` must be a list (`- item` lines), not `tasks`"),
        (
            "{bindings: [5]}",
            "2:25 wrong-type: an entry of `bindings` must be a map (`name: value` lines), not `5`",
        ),
        ("{arguments: 5}", "2:25 wrong-type: `arguments` must be a map (`name: value` lines), not `5`"),
        ("{arguments: {x-a: 1.5e+999}}", "2:25 wrong-type: `arguments` is too large a number"),
        ("{dead_letter: x}", "2:27 wrong-type: `dead_letter` must be a map (`name: value` lines), not `x`"),
        (
            "{message_ttl: 7 days}",
            f"2:27 wrong-value: `message_ttl` {DURATION}, not `7 days` | did you mean `7d`?",
        ),
        ("{max_wait: 30 s}", f"2:24 wrong-value: `max_wait` {DURATION}, not `30 s` | did you mean `30s`?"),
        (
            "{message_ttl: .5h}",
            f"2:27 wrong-value: `message_ttl` {DURATION}, not `.5h` | did you mean `0.5h`?",
        ),
        (
            "{message_ttl: 1.5ms}",
            "2:27 wrong-value: `message_ttl` must be a whole number of milliseconds, not `1.5ms`",
        ),
        ("{message_ttl: -5s}", f"2:27 wrong-value: `message_ttl` {DURATION}, not `-5s`"),
        ("{message_ttl: 7D}", f"2:27 wrong-value: `message_ttl` {DURATION}, not `7D` | did you mean `7d`?"),
        ("{message_ttl: 10:30}", f"2:27 wrong-value: `message_ttl` {DURATION}, not `10:30`"),
        ("{message_ttl: ''}", f"2:27 wrong-value: `message_ttl` {DURATION}, but is empty"),
        ("{message_ttl: 700w}", "2:27 wrong-value: `message_ttl` must be at most 315360000000, not `700w`"),
        ("{expires: 0s}", "2:23 wrong-value: `expires` must be at least 1, not `0s`"),
        (
            "{max_length_bytes: 5 gb}",
            "2:32 wrong-value: `max_length_bytes` must be a size such as 512KiB, 200MB or 2GiB, not `5 gb`",
        ),
        (
            "{type: stream, max_age: 5}",
            "2:37 wrong-value: `max_age` must be an age such as 12h, 7D or 1Y (Y, M, D, h, m, s), not `5`",
        ),
    ],
)
def test_values_of_a_queue(tmp_path: Path, value: str, mistake: str) -> None:
    assert only(tmp_path, body(f"queues: {{q: {value}}}")) == mistake


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("routes: {tasks: a}", "2:9 wrong-type: `routes` must be a list (`- item` lines)"),
        ("workers: [a]", "2:10 wrong-type: `workers` must be a map (`name: value` lines)"),
        ("queues: {e: {type: qourum}}", "did you mean `quorum`?"),
        (
            "delayed_delivery: sometimes",
            "2:19 wrong-value: `delayed_delivery` must be one of auto, always, never",
        ),
        ("limits: {max_queues: -2}", "2:22 wrong-value: `max_queues` must be at least -1, not `-2`"),
        (
            "shovels: {s: {src_uri: amqp://, dest_uri: amqp://h, src_delete_after: maybe}}",
            "`src_delete_after` must be one of never, queue-length, not `maybe`",
        ),
        (
            "federation: {upstreams: {u: {uri: 'ftp://h'}}}",
            "bad-uri: `uri` must begin with amqp:// or amqps://",
        ),
        ("workers: {w: {queues: []}}", "2:23 wrong-type: `queues` cannot be empty"),
        ("workers: {w: {queues: [true]}}", 'must be a string, not `true` | put it in quotes: `"true"`'),
        ("queues: {'': }", "2:10 wrong-value: a name cannot be empty"),
        ('queues: {"a\\nb": }', "a name cannot contain line breaks or NUL, which RabbitMQ would strip"),
        (
            "policies: {p: {pattern: '(', definition: {max_length: 1}}}",
            "bad-pattern: `pattern` is not a valid regular",
        ),
        (
            "policies: {p: {pattern: 'a)', definition: {max_length: 1}}}",
            "bad-pattern: `pattern` is not a valid regular",
        ),
        (
            "users: {u: {permissions: {/: {read: '['}}}}",
            "2:37 bad-pattern: `read` is not a valid regular expression",
        ),
        (
            'queues: {high: }\nallow: [{code: unreached-queue, reason: ""}]\n',
            "3:41 wrong-type: `reason` cannot be empty",
        ),
    ],
)
def test_values_elsewhere(tmp_path: Path, text: str, mistake: str) -> None:
    assert mistake in only(tmp_path, body(text))


@pytest.mark.parametrize("pattern", ["", "^a", r"\Qa(b\E", "(*UTF8)a", "(?|a|b)", "a*+", "[]a]", r"\p{L}"])
def test_regular_expressions_that_only_pcre_supports_are_accepted(tmp_path: Path, pattern: str) -> None:
    Folder(tmp_path).load(body(f"policies: {{p: {{pattern: '{pattern}', definition: {{max_length: 1}}}}}}"))


def test_a_mistake_is_shown_with_its_line_a_caret_and_the_fix(tmp_path: Path) -> None:
    (finding,) = Folder(tmp_path).findings(body("queues:\n  high: {type: quorom}"))
    assert finding.render() == (
        "error[wrong-value]: `type` must be one of classic, quorum, stream, not `quorom`\n"
        f" --> {tmp_path}/queues.yaml:3:16\n"
        "  |\n"
        "3 |   high: {type: quorom}\n"
        "  |                ^^^^^^\n"
        "help: did you mean `quorum`?"
    )


def test_the_caret_is_placed_correctly_with_wide_characters_and_long_lines(tmp_path: Path) -> None:
    (finding,) = Folder(tmp_path).findings(body("queues: {🐇🐇: {typ: 1}}"))
    assert finding.render().splitlines()[4] == "  |                 ^^^"
    (finding,) = Folder(tmp_path).findings(body(f"queues: {{{'a' * 200}: {{}}, b: {{typ: 1}}}}"))
    shown, caret = finding.render().splitlines()[3:5]
    assert shown[caret.index("^") :].startswith("typ: 1")
    assert shown.startswith("2 | …aaa")
