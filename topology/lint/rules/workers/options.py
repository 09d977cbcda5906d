"""Checks of a profile's `options` against the command line of `celery worker`. Celery need not be installed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from ....base.finding import ValuePath
from ....model import Profile
from ...context import Reporter


@dataclass(frozen=True, slots=True)
class Value:
    """What an option's value must be.

    Parameters:
      text: For messages, such as `a whole number`.
      pattern: Which values it matches.
    """

    text: str
    pattern: str = ".+"


_TEXT = Value("a value")
_WHOLE = Value("a whole number", r"[+-]?\d+")
_SECONDS = Value("a number of seconds", r"[+-]?(\d+\.?\d*|\.\d+)")
_LIMITS = Value("MAX,MIN, such as `10,3`", r"\d+(,\d+)?")


def _one_of(*values: str) -> Value:
    return Value(" or ".join(f"`{value}`" for value in values), f"(?i:{'|'.join(values)})")


_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", "FATAL")

#: The options of `celery worker` on Celery 5.5 to 5.7, by their first name; None: a flag without a value.
OPTIONS: dict[tuple[str, ...], Value | None] = {
    ("--hostname", "-n"): _TEXT,
    ("--detach", "-D"): None,
    ("--statedb", "-S"): _TEXT,
    ("--loglevel", "-l"): Value(
        " or ".join(f"`{each}`" for each in _LEVELS), f"(?i:{'|'.join(_LEVELS)})|\\d+"
    ),
    ("--optimization", "-O"): _one_of("default", "fair"),
    ("--prefetch-multiplier",): _WHOLE,
    ("--disable-prefetch",): None,
    ("--concurrency", "-c"): _TEXT,
    ("--pool", "-P"): _TEXT,
    ("--task-events", "--events", "-E"): None,
    ("--time-limit",): _SECONDS,
    ("--soft-time-limit",): _SECONDS,
    ("--max-tasks-per-child",): _WHOLE,
    ("--pool-start-method",): _one_of("fork", "spawn"),
    ("--max-memory-per-child",): _WHOLE,
    ("--purge", "--discard"): None,
    ("--queues", "-Q"): _TEXT,
    ("--exclude-queues", "-X"): _TEXT,
    ("--include", "-I"): _TEXT,
    ("--without-gossip",): None,
    ("--without-mingle",): None,
    ("--without-heartbeat",): None,
    ("--heartbeat-interval",): _WHOLE,
    ("--autoscale",): _LIMITS,
    ("--beat", "-B"): None,
    ("--schedule-filename", "--schedule", "-s"): _TEXT,
    ("--scheduler",): _TEXT,
    ("--logfile", "-f"): _TEXT,
    ("--pidfile",): _TEXT,
    ("--uid",): _TEXT,
    ("--gid",): _TEXT,
    ("--umask",): _TEXT,
    ("--executable",): _TEXT,
}

#: Options that routectl or Celery handles outside `celery worker`'s own.
_OTHERS: dict[tuple[str, ...], Value | None] = {
    ("--help",): None,
    ("--version",): None,
    ("--profile",): _TEXT,
    ("--share",): _TEXT,
    ("--app", "-A"): _TEXT,
    ("--broker", "-b"): _TEXT,
    ("--result-backend",): _TEXT,
    ("--loader",): _TEXT,
    ("--config",): _TEXT,
    ("--workdir",): _TEXT,
    ("--no-color", "-C"): None,
    ("--quiet", "-q"): None,
}

_FIRST = {name: names[0] for table in (OPTIONS, _OTHERS) for names in table for name in names}
_VALUES = {names[0]: value for table in (OPTIONS, _OTHERS) for names, value in table.items()}

#: Options that are fields of the profile.
_FIELDS = {
    "--queues": "queues",
    "--exclude-queues": "queues",
    "--share": "shares",
    **{
        f"--{field.replace('_', '-')}": field
        for field in (
            *("concurrency", "pool", "prefetch_multiplier", "time_limit", "soft_time_limit"),
            *("max_tasks_per_child", "max_memory_per_child"),
        )
    },
}

_BEFORE_WORKER = "pass it on the command line, before `worker`: `celery {option} ... worker`"

#: Other options that a profile cannot have: why, and what to do.
_REFUSED = {
    "--profile": ("the profile is chosen before its options are read", "remove it"),
    "--help": ("the worker would print its help and exit", "remove it"),
    "--version": ("the worker would print its version and exit", "remove it"),
    "--detach": (
        "the detached worker would read the profile and detach again, without end",
        "pass it on the command line, or run the worker by `celery multi` or a unit of `routectl workers`",
    ),
    "--purge": (
        "every start of the worker, also after a crash, would delete all waiting tasks of its queues",
        "pass it on the command line of the one start that should do so",
    ),
    **dict.fromkeys(
        (
            "--app",
            "--broker",
            "--result-backend",
            "--loader",
            "--config",
            "--workdir",
            "--no-color",
            "--quiet",
        ),
        ("it is an option of `celery`, not of `celery worker`", _BEFORE_WORKER),
    ),
}

#: What workers that share a profile's queues cannot have in common; `%n` in a path is the worker's name.
_OF_ONE_WORKER = {
    "--hostname": "all of them would have the same node name",
    "--beat": "each of them would send every scheduled task",
    "--pidfile": "all of them would use the same file",
    "--statedb": "all of them would use the same file",
}

#: Pools that cannot change their size.
_FIXED_POOLS = ("solo", "threads")


#: Why an option is wrong, and what to do.
_Problem = tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Option:
    """An option in a profile.

    Parameters:
      index: The index of its word.
      name: Its first name, such as `--queues`; None if it is unknown.
      written: Its name as written, such as `-Q`.
      value: Its value, if it has one.
    """

    index: int
    name: str | None
    written: str
    value: str | None = None


def check_options(path: ValuePath, profile: Profile, report: Reporter) -> None:
    """Checks the `options` of a profile.

    Parameters:
      path: The path of the profile.
      profile: The profile.
      report: Collects the findings.
    """
    found = list(parsed(profile.options))
    is_text = report.is_text((*path, "options"))
    for option in found:
        place = (*path, "options") if is_text else (*path, "options", option.index)
        if option.name is None:
            _unknown(place, option.written, report)
            continue
        problem = _problem(option, profile)
        if problem is not None:
            shown = option.written if not report.is_from_outside(place) else report.written(place, "")
            report.add(place, "bad-worker-option", f"`{shown}`: {problem[0]}", problem[1])


def parsed(words: tuple[str, ...]) -> Iterator[Option]:
    """The options in the words of a command line, read as click reads them."""
    rest = iter(enumerate(words))
    for index, word in rest:
        written, equals, value = word.partition("=") if word.startswith("--") else (word[:2], "", word[2:])
        name = _FIRST.get(written)
        if name is None or (not word.startswith("-")):
            yield Option(index, None, word)
        elif _VALUES[name] is None:
            yield Option(index, name, written, value if equals else None)
            if value and not equals:  # several flags in one word, such as `-EB`
                yield from (
                    Option(index, other.name, other.written, other.value) for other in parsed((f"-{value}",))
                )
        elif equals or value:
            yield Option(index, name, written, value)
        else:
            yield Option(index, name, written, next(rest, (0, None))[1])


def slots_of(profile: Profile) -> tuple[int, str] | None:
    """How many tasks a worker runs at a time, and the setting that says so; None if the file does not say."""
    if profile.pool == "solo":
        return 1, "pool: solo"
    for option in parsed(profile.options):
        most = (option.value or "").partition(",")[0]
        if option.name == "--autoscale" and most.isdecimal():
            return int(most), "--autoscale"
    return None if profile.concurrency is None else (profile.concurrency, "concurrency")


def _unknown(path: ValuePath, word: str, report: Reporter) -> None:
    shown = report.written(path, word)
    name = word.partition("=")[0].partition(" ")[0]
    # Only one that is very similar: an app may have added its own.
    similar = difflib.get_close_matches(name, [each for names in OPTIONS for each in names], n=1, cutoff=0.8)
    help_ = f"did you mean `{similar[0]}`?" if similar and shown == word else None
    if not word.startswith("-") or word.strip("-") == "":
        message = f"`{shown}` is not an option, and workers take no other arguments"
        report.add(
            path, "bad-worker-option", message, "remove it, or write it beside its option: `--option=value`"
        )
    elif name in _FIRST and " " in word:
        message = f"`{shown}` is one word of the command line"
        report.add(path, "bad-worker-option", message, f"write two: `{name}` and its value")
    else:
        code = "bad-worker-option" if help_ else "unknown-worker-option"
        help_ = help_ or "ignore this if the app adds it by `app.user_options`"
        report.add(path, code, f"`celery worker` has no option `{shown}`", help_)


def _problem(option: Option, profile: Profile) -> _Problem:
    """Why a profile cannot have an option, and what to do."""
    name = option.name or ""
    if name in _FIELDS:
        field = _FIELDS[name]
        return f"the profile has a field for it, `{field}`", f"write it under `{field}`"
    if name in _REFUSED:
        reason, help_ = _REFUSED[name]
        return reason, help_.format(option=option.written)
    for check in (_value_problem, _autoscale_problem, _shares_problem):
        problem = check(option, name, profile)
        if problem is not None:
            return problem
    return None


def _value_problem(option: Option, name: str, profile: Profile) -> _Problem:
    wanted = _VALUES[name]
    if wanted is None:
        return None if option.value is None else ("it takes no value", f"write `{option.written}`")
    if option.value is None:
        return f"it needs {wanted.text}", f"write `{name}=...`"
    if not re.fullmatch(wanted.pattern, option.value, re.DOTALL):
        return f"its value must be {wanted.text}", "correct it"
    return None


def _autoscale_problem(option: Option, name: str, profile: Profile) -> _Problem:
    if name != "--autoscale":
        return None
    if profile.concurrency is not None:
        return "it replaces `concurrency`", "remove one of the two"
    if profile.pool in _FIXED_POOLS:
        return f"the pool `{profile.pool}` cannot change its size", "remove it, or use the pool `prefork`"
    return None


def _shares_problem(option: Option, name: str, profile: Profile) -> _Problem:
    if (profile.shares or 1) < 2 or name not in _OF_ONE_WORKER or re.search("%[np]", option.value or ""):
        return None
    help_ = "use `%n` in it, the worker's name" if name in ("--pidfile", "--statedb") else "remove it"
    return f"{profile.shares} workers share the queues, and {_OF_ONE_WORKER[name]}", help_
