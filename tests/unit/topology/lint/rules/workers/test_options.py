"""A profile's `options` are checked like the command line that they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from routectl.topology.base.finding import Finding
from routectl.topology.errors import FileError
from routectl.topology.file.load import load


def findings(folder: Path, options: str, **fields: object) -> list[tuple[str, str, str | None]]:
    """Code, message and help of what the file finds about these `options`, written as in YAML."""
    body = "".join(f", {name}: {json.dumps(value)}" for name, value in fields.items())
    path = folder / "queues.yaml"
    path.write_text(
        "version: 1\n"
        "queues: {low: {shards: 4}, high: {}}\n"
        "routes: [{tasks: l.*, queue: low, shard_by: args.0}]\n"
        "unmatched: high\n"
        f"workers: {{low: {{queues: [low, high]{body}, options: {options}}}}}\n"
    )
    found: Sequence[Finding]
    try:
        found = load(path).warnings
    except FileError as error:
        found = error.findings
    assert all(finding.position.line == 5 for finding in found)
    return [(finding.code, finding.message, finding.help) for finding in found]


@pytest.mark.parametrize(
    "options",
    [
        '"--autoscale 4,1"',
        "[--autoscale, '4,1']",
        "[--autoscale=4]",
        '"-l info -E --without-gossip"',
        "\"-EB -linfo --statedb '/var/lib/my app/%n.db'\"",
        "[-n, 'shop-low@%h', --pidfile=/run/%n.pid]",
        "[--heartbeat-interval, 10]",
        "[]",
        '""',
    ],
)
def test_options_that_a_worker_accepts(tmp_path: Path, options: str) -> None:
    assert findings(tmp_path, options) == []


@pytest.mark.parametrize(
    ("options", "message", "help_"),
    [
        ("[-Q, high]", "`-Q`: the profile has a field for it, `queues`", "write it under `queues`"),
        ('"-X high"', "`-X`: the profile has a field for it, `queues`", "write it under `queues`"),
        ("[-c4]", "`-c`: the profile has a field for it, `concurrency`", "write it under `concurrency`"),
        ("[--pool=solo]", "`--pool`: the profile has a field for it, `pool`", "write it under `pool`"),
        (
            "[--prefetch-multiplier=1]",
            "`--prefetch-multiplier`: the profile has a field for it, `prefetch_multiplier`",
            "write it under `prefetch_multiplier`",
        ),
        ("[--share=1/2]", "`--share`: the profile has a field for it, `shares`", "write it under `shares`"),
        (
            "[--profile, high]",
            "`--profile`: the profile is chosen before its options are read",
            "remove it",
        ),
        (
            '"-ED"',
            "`-D`: the detached worker would read the profile and detach again, without end",
            "pass it on the command line, or run the worker by `celery multi` or a unit of `routectl workers`",
        ),
        (
            "[--purge]",
            "`--purge`: every start of the worker, also after a crash, would delete all waiting tasks of its queues",
            "pass it on the command line of the one start that should do so",
        ),
        (
            "[-A, shop]",
            "`-A`: it is an option of `celery`, not of `celery worker`",
            "pass it on the command line, before `worker`: `celery -A ... worker`",
        ),
        ("[--help]", "`--help`: the worker would print its help and exit", "remove it"),
        ("[--autoscle=4]", "`celery worker` has no option `--autoscle=4`", "did you mean `--autoscale`?"),
        (
            '["--autoscale 4,1"]',
            "`--autoscale 4,1` is one word of the command line",
            "write two: `--autoscale` and its value",
        ),
        (
            "[--autoscale, many]",
            "`--autoscale`: its value must be MAX,MIN, such as `10,3`",
            "correct it",
        ),
        ("[--autoscale]", "`--autoscale`: it needs MAX,MIN, such as `10,3`", "write `--autoscale=...`"),
        ("[--without-gossip=1]", "`--without-gossip`: it takes no value", "write `--without-gossip`"),
        (
            "[high]",
            "`high` is not an option, and workers take no other arguments",
            "remove it, or write it beside its option: `--option=value`",
        ),
        (
            '"-- -E"',
            "`--` is not an option, and workers take no other arguments",
            "remove it, or write it beside its option: `--option=value`",
        ),
    ],
)
def test_options_that_it_refuses_or_that_contradict_the_profile(
    tmp_path: Path, options: str, message: str, help_: str
) -> None:
    assert findings(tmp_path, options) == [("bad-worker-option", message, help_)]


def test_an_option_that_only_the_app_can_have_is_a_warning(tmp_path: Path) -> None:
    [(code, message, _)] = findings(tmp_path, "[--zone=eu]")
    assert (code, message) == ("unknown-worker-option", "`celery worker` has no option `--zone=eu`")


def test_autoscale_contradicts_concurrency_and_pools_of_fixed_size(tmp_path: Path) -> None:
    [(_, message, _)] = findings(tmp_path, "[--autoscale=4]", concurrency=2)
    assert message == "`--autoscale`: it replaces `concurrency`"
    [(_, message, _)] = findings(tmp_path, "[--autoscale=4]", pool="threads")
    assert message == "`--autoscale`: the pool `threads` cannot change its size"


@pytest.mark.parametrize("option", ["-n=low@%h", "-B", "--pidfile=/run/low.pid", "--statedb=low.db"])
def test_workers_that_share_queues_cannot_share_a_name_a_file_or_a_schedule(
    tmp_path: Path, option: str
) -> None:
    [(code, message, _)] = findings(tmp_path, f"['{option}']", shares=2)
    assert code == "bad-worker-option"
    assert "2 workers share the queues" in message


def test_text_with_an_open_quote_is_an_error(tmp_path: Path) -> None:
    [(_, message, _)] = findings(tmp_path, '"--statedb \'x"')
    assert message == "`options` must be a command line with closed quotes, not `--statedb 'x`"


def test_a_word_from_a_variable_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPTION", "--hush-hush")
    for options in ("[-E, '${OPTION}']", "'-E ${OPTION}'", "['--loglevel=${OPTION}']", "'-Q ${OPTION}'"):
        [(_, message, help_)] = findings(tmp_path, options)
        assert "hush" not in f"{message}{help_}"
