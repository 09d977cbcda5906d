"""What the loader says of routes: patterns, queues, shards, conditions, keys and priorities, each with its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from routectl.routing import Router
from routectl.topology.lint.context import MAX_FINDINGS

from ....loading import Folder, body, warnings

HERE = """\
exchanges: {tasks: {type: topic}}
queues:
  high: {max_priority: 5, bindings: [{exchange: tasks, key: high}]}
  low: {bindings: [{exchange: tasks, key: low}]}
  orders: {shards: 4, bindings: [{exchange: tasks, key: orders}]}
  log: {type: stream}
"""
NAME_ONE = "name one of them, `orders.0` to `orders.3`"
NO_STREAM = "Celery workers cannot consume streams | route tasks to a classic or quorum queue"
SHARD_BY = "`shard_by` needs a queue with `shards`, and"
GIVE = "give the queue `shards: 8`, or remove `shard_by`"
OWN_BINDING = "without `key`, the queue's own binding is used"
NEVER = "the rule would never match"


def mistakes(folder: Path, text: str) -> list[str]:
    """The mistakes in lines after `HERE`, which has six lines after the version's."""
    return Folder(folder).mistakes(body(HERE + text))


@pytest.mark.parametrize(
    ("pattern", "mistake"),
    [
        (
            "'/(a+)+b/'",
            "8:18 bad-pattern: the regular expression `/(a+)+b/` is refused: catastrophic backtracking on names "
            "that do not match | write `/a+b/`, which matches the same names",
        ),
        (
            "[fine, '/.*.*.*.*x/']",
            "8:25 bad-pattern: the regular expression `/.*.*.*.*x/` is refused: catastrophic backtracking on names "
            "that do not match | write `*x`, which matches the same names",
        ),
        (
            "'/(\\w{1,99}){1,99}/'",
            "8:18 bad-pattern: the regular expression `/(\\w{1,99}){1,99}/` is refused: catastrophic backtracking on "
            "names that do not match | make the repeats match different text, such as `[^.]+` instead of `.+`, or use "
            "globs",
        ),
        (
            "'*.{a}.*.{b}.*.{c}.*'",
            "8:18 bad-pattern: more than 2 captures and `*` of `*.{a}.*.{b}.*.{c}.*` can split a name in too many "
            "ways; separate them with `.` or `:`",
        ),
    ],
)
def test_a_pattern_that_could_take_a_publishers_time_is_refused(
    tmp_path: Path, pattern: str, mistake: str
) -> None:
    assert mistakes(tmp_path, f"routes: [{{tasks: {pattern}, queue: low}}]") == [mistake]


def test_every_slow_expression_is_found_at_once_and_none_from_the_environment_is_shown(
    tmp_path: Path,
) -> None:
    text = body("queues: {q: }\nroutes:\n  - {tasks: '/(a*)*/', queue: q}\n  - {tasks: '/${A}/', queue: q}")
    first, second = Folder(tmp_path).mistakes(text, {"A": "(s+)+ecret"})
    assert first.startswith("4:13 bad-pattern: the regular expression `/(a*)*/` is refused: ")
    assert second.startswith("5:13 bad-pattern: the regular expression `/${A}/` is refused: ")
    assert "ecret" not in second


def test_only_files_are_refused_for_that_since_celerys_own_routes_shall_lead_where_they_do(
    tmp_path: Path,
) -> None:
    assert mistakes(tmp_path, "routes: [{tasks: '/(a+)+b/', queue: low}]")
    router = Router.from_celery({re.compile("(a+)+b"): "low"})
    assert router.route("aab").queue == "low"


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "routes: [{tasks: a, queue: orders}]",
            "8:28 ambiguous-queue: `orders` has 4 shards, and no `shard_by` chooses one | "
            f"add `shard_by: kwargs.NAME`, or {NAME_ONE}",
        ),
        (
            "routes: [{tasks: a, queue: low, shard_by: args.0}]",
            f"8:33 bad-route: {SHARD_BY} `low` has none | {GIVE}",
        ),
        (
            "routes: [{tasks: a, queue: orders.1, shard_by: args.0}]",
            f"8:38 bad-route: {SHARD_BY} `orders.1` is a single shard | "
            "name the queue itself, or remove `shard_by`",
        ),
        (
            "routes: [{tasks: a, queue: orders, shard_by: account}]",
            "8:46 wrong-value: `shard_by` must name a part of the call: `args.0`, `kwargs.NAME`, `headers.NAME` or "
            "`options.NAME`, not `account`",
        ),
        (
            "routes: [{tasks: a, queue: orders, shard_by: [kwargs.a, args.0, kwargs.a]}]",
            "8:65 conflict: `kwargs.a` is listed twice | remove one of the two",
        ),
        (
            "routes: [{tasks: a, queue: orders, shard_by: args.0, key: orders.0}]",
            "8:54 bad-route: one `key` cannot reach every shard: each has its own binding key | remove `key`",
        ),
        (
            "routes: [{tasks: a, queue: orders.4}]",
            "8:28 unknown-name: there is no queue `orders.4` in this file | did you mean `orders.3`?",
        ),
        (
            "routes: [{tasks: '{q}:*', queue: 'ord{q}'}]",
            "8:34 ambiguous-queue: every queue that matches `ord{q}` has shards, and no `shard_by` chooses "
            "one | add `shard_by: kwargs.NAME` to the rule",
        ),
        (
            "routes: [{tasks: '{q}:*', queue: 'lo{q}', shard_by: args.0}]",
            f"8:43 bad-route: {SHARD_BY} no queue that matches `lo{{q}}` has any | {GIVE}",
        ),
        (
            "routes: [{tasks: '{q}:*', queue: '{q}.tasks'}]",
            "8:34 unknown-name: no queue in this file matches `{q}.tasks` | "
            "declare one under `queues:`, or name another",
        ),
        (
            "routes: [{tasks: '{q}:*', queue: 'l{q}g'}]",
            f"8:34 bad-route: `l{{q}}g` can only become a stream: {NO_STREAM}",
        ),
        (
            "unmatched: orders",
            f"8:12 ambiguous-queue: `orders` has 4 shards, but `unmatched` must be one queue | {NAME_ONE}",
        ),
        ("unmatched: log", f"8:12 bad-route: `log` is a stream: {NO_STREAM}"),
        (
            "unmatched: orders.9",
            "8:12 unknown-name: there is no queue `orders.9` in this file | did you mean `orders.3`?",
        ),
    ],
)
def test_a_rule_that_does_not_lead_to_one_queue(tmp_path: Path, text: str, mistake: str) -> None:
    assert mistakes(tmp_path, text) == [mistake]


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ("{gt: 5, lt: 3}", "no value meets both `gt` and `lt`"),
        ("{gt: 5, le: 5}", "no value meets both `gt` and `le`"),
        ("{ge: b, lt: b}", "no value meets both `ge` and `lt`"),
        ("{ge: 1, lt: b}", "`ge` and `lt` compare with a number and with a text: no value is both"),
        ("{eq: 5, ne: 5.0}", "no value meets both `eq` and `ne`"),
        ("{eq: gold, one_of: [silver, bronze], gt: 3}", "no value meets both `eq` and `one_of` and `gt`"),
        ("{eq: true, ge: 0}", "no value meets both `eq` and `ge`"),
        ("{one_of: [1, 2, 8], gt: 3, lt: 7}", "no value of `one_of` meets `gt` and `lt`"),
        ("{one_of: [a, b], none_of: [a, b, c]}", "no value of `one_of` meets `none_of`"),
    ],
)
def test_a_condition_that_no_value_meets(tmp_path: Path, when: str, why: str) -> None:
    text = f"routes: [{{tasks: a, queue: low, when: {{kwargs.x: {when}}}}}]"
    assert mistakes(tmp_path, text) == [f"8:50 wrong-value: `kwargs.x`: {why} | {NEVER}"]


@pytest.mark.parametrize(
    ("when", "sign", "meant"),
    [
        ('"> 1000"', ">", "gt"),
        ('">=1000"', ">=", "ge"),
        ("<5", "<", "lt"),
        ('{eq: "<= 0.5"}', "<=", "le"),
        ('[gold, "!= -3"]', "!=", "ne"),
        ('{none_of: [" = 3 "]}', "=", "eq"),
    ],
)
def test_a_text_that_looks_like_a_comparison_is_a_warning(
    tmp_path: Path, when: str, sign: str, meant: str
) -> None:
    text = f"queues: {{q: }}\nroutes: [{{tasks: a, queue: q, when: {{kwargs.x: {when}}}}}]"
    assert warnings(tmp_path, text) == [
        f"3:48 odd-condition: `kwargs.x` is compared with text that begins with `{sign}` | "
        f"to compare numbers, write `{{{meant}: …}}`"
    ]


@pytest.mark.parametrize("when", ['">"', "->", '"<b>"', '"> gold"', "a > 5", "{gt: 5}", "[7, 1]"])
def test_a_text_that_only_has_a_sign_is_fine(tmp_path: Path, when: str) -> None:
    text = f"queues: {{q: }}\nroutes: [{{tasks: a, queue: q, when: {{kwargs.x: {when}}}}}]"
    assert warnings(tmp_path, text) == []


@pytest.mark.parametrize("when", ["{}", "", "{gt: null}", "{one_of: []}", "[]", "{present: false, gt: 3}"])
def test_a_condition_that_means_nothing(tmp_path: Path, when: str) -> None:
    (mistake,) = mistakes(tmp_path, f"routes: [{{tasks: a, queue: low, when: {{kwargs.x: {when}}}}}]")
    assert mistake.split(" ", 1)[1].startswith("wrong-value: `kwargs.x`")


@pytest.mark.parametrize(
    "when",
    [
        "{ge: 5, le: 5}",
        "{gt: 3, lt: 4}",
        "{ge: a, lt: b, ne: aa}",
        "{one_of: [1, a], gt: 0}",
        "{present: true, gt: 5}",
        "{eq: 5, gt: 4}",
    ],
)
def test_a_condition_that_some_value_meets(tmp_path: Path, when: str) -> None:
    assert (
        warnings(tmp_path, f"queues: {{q: }}\nroutes: [{{tasks: a, queue: q, when: {{args.0: {when}}}}}]")
        == []
    )


def test_no_value_from_the_environment_is_shown_in_a_condition(tmp_path: Path) -> None:
    text = body("queues: {q: }\nroutes: [{tasks: a, queue: q, when: {args.0: {gt: 9, lt: '${LIMIT}'}}}]")
    (mistake,) = Folder(tmp_path).mistakes(text, {"LIMIT": "hush"})
    assert "hush" not in mistake


def test_a_rate_limit_cannot_depend_on_a_call(tmp_path: Path) -> None:
    text = "routes: [{tasks: a, queue: low, rate_limit: 1/m, when: {args.0: 1}}]"
    assert mistakes(tmp_path, text) == [
        "8:33 bad-route: a rate limit applies to all calls of a task: `when` cannot choose one | "
        "set `rate_limit` in a rule for the task without `when`"
    ]


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "routes: [{tasks: a, queue: high, key: low}]",
            f"8:39 bad-route: key `low` reaches `low`, not `high` alone | {OWN_BINDING}",
        ),
        (
            "routes: [{tasks: a, queue: high, key: hihg}]",
            f"8:39 bad-route: key `hihg` reaches no queue, not `high` alone | {OWN_BINDING}",
        ),
        ("routes: [{tasks: a, queue: high, key: ''}]", f"8:39 bad-route: the key is empty | {OWN_BINDING}"),
        (
            "routes: [{tasks: '{q}:*', queue: '{q}', key: high}]",
            f"8:46 bad-route: key `high` reaches `high`, not `low` alone | {OWN_BINDING}",
        ),
    ],
)
def test_a_key_that_does_not_lead_to_the_rules_queue_alone(tmp_path: Path, text: str, mistake: str) -> None:
    assert mistakes(tmp_path, text) == [mistake]


def test_a_key_is_not_judged_by_exchanges_and_queues_that_are_wrong(tmp_path: Path) -> None:
    text = "queues: {q: {bindings: [{exchange: EXCHANGE, key: k}]}}\nroutes: [{tasks: a, queue: q, key: k}]"
    unknown = body(text.replace("EXCHANGE", "gone"))
    assert [line.split(":")[0] for line in Folder(tmp_path).mistakes(unknown)] == ["2"]
    wrong = body("exchanges: {e: {durable: maybe}}\n" + text.replace("EXCHANGE", "e"))
    assert [line.split(":")[0] for line in Folder(tmp_path).mistakes(wrong)] == ["2"]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            "queues: {q: }\nroutes: [{tasks: a, queue: q, priority: 9}]",
            "3:41 lost-priority: RabbitMQ ignores the priority: `q` has no `max_priority` | "
            "give the queue `max_priority`, or use a separate queue for urgent tasks",
        ),
        (
            "queues: {q: {max_priority: 5}}\nroutes: [{tasks: a, queue: q, priority: 9}]",
            "3:41 lost-priority: `q` has `max_priority: 5`: RabbitMQ treats 9 as 5 | "
            "lower the priority, or raise `max_priority`",
        ),
        (
            "queues: {q: {max_priority: 5}}\ntests: [{task: a, queue: q, priority: 9}]",
            "3:39 lost-priority: `q` has `max_priority: 5`: RabbitMQ treats 9 as 5 | "
            "lower the priority, or raise `max_priority`",
        ),
        (
            "queues: {q: {shards: 2}}\nroutes: [{tasks: a, queue: q, shard_by: args.0, priority: 9}]",
            "3:59 lost-priority: RabbitMQ ignores the priority: `q.0` has no `max_priority` | "
            "give the queue `max_priority`, or use a separate queue for urgent tasks",
        ),
        (
            "targets: [3.13, 4.3]\nqueues: {q: {type: quorum}}\nroutes: [{tasks: a, queue: q, priority: 9}]\n"
            "delayed_delivery: never",
            "4:41 lost-priority: RabbitMQ 3.13 ignores the priority: quorum queues such as `q` support "
            "priorities from 4.0 on | use a separate queue for urgent tasks, or `type: classic` with `max_priority`",
        ),
    ],
)
def test_a_priority_that_the_queue_does_not_take_is_a_warning(
    tmp_path: Path, text: str, warning: str
) -> None:
    assert warnings(tmp_path, text) == [warning]


@pytest.mark.parametrize(
    "text",
    [
        "queues: {q: {max_priority: 9}}\nroutes: [{tasks: a, queue: q, priority: 9}]",
        "queues: {q: {type: quorum}}\nroutes: [{tasks: a, queue: q, priority: 9}]\ndelayed_delivery: never",
        "targets: 4.0\ndelayed_delivery: never\nqueues: {q: {type: quorum}}\n"
        "routes: [{tasks: a, queue: q, priority: 9}]",
        "queues: {q: {external: true}}\nroutes: [{tasks: a, queue: q, priority: 9}]",
        "queues: {q: , r: {max_priority: 9}}\nroutes: [{tasks: '{q}:*', queue: '{q}', priority: 9}]",
    ],
)
def test_a_priority_that_some_queue_takes_is_fine(tmp_path: Path, text: str) -> None:
    assert warnings(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "tests: [{task: a, queue: hihg}]",
            "8:26 unknown-name: there is no queue `hihg` in this file | did you mean `high`?",
        ),
        (
            "tests: [{task: a, queue: orders.8}]",
            "8:26 unknown-name: there is no queue `orders.8` in this file | did you mean `orders.3`?",
        ),
        (
            "tests: [{task: a, queue: high, priority: -1}]",
            "8:42 wrong-value: `priority` must be at least 0, not `-1`",
        ),
        (
            "tests: [{task: a, queue: high, priority: 256}]",
            "8:42 wrong-value: `priority` must be at most 255, not `256`",
        ),
    ],
)
def test_a_test_that_no_route_can_pass(tmp_path: Path, text: str, mistake: str) -> None:
    assert mistakes(tmp_path, text) == [mistake]


def test_warnings_never_crowd_out_mistakes(tmp_path: Path) -> None:
    many = "\n".join(f"  - {{tasks: t{number}, queue: q, priority: 9}}" for number in range(2 * MAX_FINDINGS))
    found = Folder(tmp_path).findings(body(f"queues: {{q: }}\nroutes:\n{many}\nunmatched: gone"))
    assert "unknown-name" in {finding.code for finding in found}
