"""Prepares the file's data for validation: empty sections, defaults, password files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from ..base.finding import ValuePath
from ..base.resources import BUILT_IN_EXCHANGES
from ..base.scalar import Interpolated
from ..model import Queue
from ..model.support import support_of

#: Sections of a body whose entries are maps, so that `high:` means `high: {}`.
NAMED_SECTIONS = ("exchanges", "queues", "policies", "operator_policies", "shovels", "workers")

_MAX_PASSWORD_LENGTH = 4096

ReportError = Callable[[ValuePath, str, str, str | None], None]
FileOf = Callable[[ValuePath], str]


def bodies(data: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """The body of each vhost in the data, with its path."""
    yield (), data
    vhosts = data.get("vhosts")
    if isinstance(vhosts, dict):
        for name, body in vhosts.items():
            if isinstance(body, dict):
                yield ("vhosts", name), body


def prepare(data: dict[str, Any], report_error: ReportError, file_of: FileOf) -> dict[str, Any]:
    """The data with defaults applied, ready for validation.

    Parameters:
      data: The file's data; it is not modified.
      report_error: Called with path, code, message and help for each error in a password file.
      file_of: The file that has the value at a path.
    """
    prepared = {key: value for key, value in data.items() if value is not None}
    defaults: dict[str, Any] = {}
    if isinstance(prepared.get("defaults"), dict):
        defaults = {key: value for key, value in prepared["defaults"].items() if value is not None}
        prepared["defaults"] = defaults
    if isinstance(prepared.get("vhosts"), dict):
        prepared["vhosts"] = {
            name: {key: value for key, value in (body or {}).items() if value is not None}
            if isinstance(body, dict | None)
            else body
            for name, body in prepared["vhosts"].items()
        }
    for _, body in bodies(prepared):
        for section in NAMED_SECTIONS:
            if isinstance(body.get(section), dict):
                body[section] = {name: {} if item is None else item for name, item in body[section].items()}
        _complete_built_in(body)
        _apply_defaults(body, "queues", defaults.get("queue"), _queue_defaults)
        _apply_defaults(body, "exchanges", defaults.get("exchange"), lambda defaults, _item: defaults)
    if isinstance(prepared.get("users"), dict):
        prepared["users"] = {
            name: _with_password(name, user, report_error, file_of)
            for name, user in prepared["users"].items()
        }
    return prepared


def source_path(path: ValuePath, has: Callable[[ValuePath], bool]) -> ValuePath:
    """The path in the file of a value in the prepared data: the same path, or one under `defaults:`.

    Parameters:
      path: The path of a value in the prepared data.
      has: Whether the file has a value at a path.
    """
    start = 2 if path[:1] == ("vhosts",) else 0
    path = _unsharded(path, start, has)
    if len(path) < start + 3 or path[start] not in ("queues", "exchanges") or has(path[: start + 3]):
        return path
    default = ("defaults", str(path[start])[:-1], *path[start + 2 :])
    return default if has(default[:3]) else path


def _unsharded(path: ValuePath, start: int, has: Callable[[ValuePath], bool]) -> ValuePath:
    """The path with a shard's name replaced by the name of its queue in the file."""
    if path[start : start + 1] != ("queues",) or len(path) < start + 2 or has(path[: start + 2]):
        return path
    queue, _, number = str(path[start + 1]).rpartition(".")
    written = (*path[: start + 1], queue)
    return (*written, *path[start + 2 :]) if number.isdecimal() and has(written) else path


def _complete_built_in(body: dict[str, Any]) -> None:
    """Built-in exchanges have a known type, and are never declared."""
    exchanges = body.get("exchanges")
    if isinstance(exchanges, dict):
        body["exchanges"] = {
            name: {"type": BUILT_IN_EXCHANGES[name], "external": True, **item}
            if name in BUILT_IN_EXCHANGES and isinstance(item, dict)
            else item
            for name, item in exchanges.items()
        }


def _apply_defaults(
    body: dict[str, Any], section: str, defaults: Any, applicable: Callable[[Any, Any], Any]
) -> None:
    items = body.get(section)
    if not isinstance(items, dict) or not isinstance(defaults, dict) or not defaults:
        return
    body[section] = {
        name: {**applicable(defaults, item), **item}
        if isinstance(item, dict) and not item.get("external")
        else item
        for name, item in items.items()
    }


def _queue_defaults(defaults: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    """The defaults without those that the queue's type does not support, unless it is the default type."""
    default_type = defaults.get("type")
    queue_type = item.get("type", default_type or "classic")
    if not isinstance(queue_type, str) or queue_type == default_type:
        return defaults
    unsupported = _unsupported_by(queue_type)
    return {name: value for name, value in defaults.items() if name not in unsupported}


@cache
def _unsupported_by(queue_type: str) -> frozenset[str]:
    if queue_type not in ("classic", "quorum", "stream"):
        return frozenset()
    unsupported = {name for name, support in support_of(Queue).items() if support.on(queue_type) is None}
    if queue_type == "stream":
        unsupported |= {"dead_letter", "shards", "max_wait"}
    return frozenset(unsupported if queue_type == "classic" else unsupported | {"durable", "auto_delete"})


def _with_password(name: str, user: Any, report_error: ReportError, file_of: FileOf) -> Any:
    """The user with the password from its `password_file`, whose path is relative to the file that names it."""
    if user is None:
        return {}
    if not isinstance(user, dict) or not isinstance(user.get("password_file"), str):
        return user
    path = ("users", name, "password_file")
    if "password" in user or "password_hash" in user:
        report_error(path, "conflict", "a password is given in more than one way", "keep one of them")
        return user
    try:
        with (Path(file_of(path)).parent / user["password_file"]).open(encoding="utf-8") as file:
            password = file.readline(_MAX_PASSWORD_LENGTH).rstrip("\r\n")
    except OSError as error:
        reason = (error.strerror or "not a file").lower()
        report_error(path, "missing-file", f"the password file cannot be read: {reason}", None)
        return user
    except ValueError:
        report_error(path, "missing-file", "the password file is not valid UTF-8", "save it as UTF-8")
        return user
    if not password:
        report_error(path, "literal-secret", "the password file's first line is empty", None)
        return user
    return {**user, "password": Interpolated(password, plain=False)}
