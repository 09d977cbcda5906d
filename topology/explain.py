"""From pydantic's errors to findings: one sentence each, at the right place, with the likely fix."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from .finding import Finding, did_you_mean
from .model import Topology
from .scalar import Interpolated
from .source import Path_, Source

_KINDS = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "is too large a number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "string_type": "must be text",
    "dict_type": "must be a map (`name: value` lines)",
    "model_type": "must be a map (`name: value` lines)",
    "model_attributes_type": "must be a map (`name: value` lines)",
    "tuple_type": "must be a list (`- item` lines)",
    "list_type": "must be a list (`- item` lines)",
    "string_too_short": "cannot be empty",
    "too_short": "cannot be empty",
}
_BOUNDS = {
    "greater_than_equal": ("must be at least", "ge"),
    "less_than_equal": ("must be at most", "le"),
    "greater_than": ("must be more than", "gt"),
    "less_than": ("must be less than", "lt"),
}
_SECRET_FIELDS = frozenset({"password", "password_hash", "password_file", "uri", "src_uri", "dest_uri"})
_MAX_SHOWN = 60

#: What people write who know RabbitMQ's or Celery's own name for a field.
SYNONYMS = {
    "x-queue-type": "type",
    "routing_key": "key",
    "ttl": "message_ttl",
    "dlx": "dead_letter",
    "x-dead-letter-exchange": "dead_letter: {exchange: …}",
    "dead_letter_exchange": "dead_letter: {exchange: …}",
    "x-dead-letter-routing-key": "dead_letter: {routing_key: …}",
    "prefetch": "prefetch_multiplier",
    "task": "tasks",
    "upstream": "upstreams",
}


def findings_of(errors: Sequence[ErrorDetails], source: Source) -> list[Finding]:
    """The findings of one validation, one for each place, in the order of the file.

    Parameters:
      errors: What pydantic found.
      source: Where the data came from.
    """
    defaults_are_wrong = any(error["loc"][:1] == ("defaults",) for error in errors)
    found: dict[tuple[str, int, int, str | int], Finding] = {}
    for error in errors:
        path = error["loc"]
        if defaults_are_wrong and _came_from_defaults(path, error["type"], source):
            continue
        finding = explain(error, source)
        place = finding.position
        found.setdefault(
            (place.file, place.line, place.column, path[-1] if error["type"] == "missing" else ""), finding
        )
    return list(found.values())


def _came_from_defaults(path: Path_, kind: str, source: Source) -> bool:
    section = 2 if path[:1] == ("vhosts",) else 0
    if len(path) < section + 3 or path[section] not in ("queues", "exchanges"):
        return False
    return kind != "missing" and not source.has(path[: section + 3])


def explain(error: ErrorDetails, source: Source) -> Finding:
    """One error of pydantic's as a finding."""
    path, kind = error["loc"], error["type"]
    of_key = False
    if path and path[-1] == "[key]":
        path, of_key = path[:-1], True
    if kind == "missing":
        return _missing(path, source)
    if kind == "extra_forbidden":
        return _unknown(path, source)
    position = source.position(path, of_key=of_key)
    name = next(
        (
            part
            for part in reversed(path)
            if isinstance(part, str) and source.has(path[: path.index(part) + 1])
        ),
        "",
    )
    message, help_ = _sentence(error, name, path, source)
    code = kind if kind in ("literal-secret", "reserved-name", "bad-pattern", "bad-uri") else "wrong-value"
    code = "wrong-type" if kind in _KINDS or kind == "wrong_type" else code
    return Finding(code, message, position, help_)


def _missing(path: Path_, source: Source) -> Finding:
    owner = path[-2] if len(path) > 1 else None
    where = f" of `{owner}`" if isinstance(owner, str) else ""
    position = source.position(path[:-1], of_key=True)
    help_ = "write `version: 1` at the top" if path == ("version",) else f"add `{path[-1]}: …`"
    return Finding("missing-key", f"`{path[-1]}`{where} is missing", position, help_)


def _unknown(path: Path_, source: Source) -> Finding:
    word = str(path[-1])
    model = model_at(path[:-1])
    known = list(model.model_fields) if model else []
    synonym = SYNONYMS.get(word)
    if synonym and synonym.split(":")[0] in known:
        help_: str | None = f"write `{synonym}` here"
    else:
        help_ = did_you_mean(word, known)
    if help_ is None and word.startswith("x-") and "arguments" in known:
        help_ = f"put it under `arguments:` to pass it as it is: `arguments: {{{word}: …}}`"
    if help_ is None and known:
        help_ = "known here: " + ", ".join(sorted(known))
    return Finding("unknown-key", f"unknown key `{word}`", source.position(path, of_key=True), help_)


def _sentence(error: ErrorDetails, name: str, path: Path_, source: Source) -> tuple[str, str | None]:
    kind, context = error["type"], error.get("ctx") or {}
    subject = f"`{name}` " if name else "the file " if not path else ""
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"{subject}{words} {context[bound]}", None
    if kind == "literal_error":
        choices = _choices(path)
        given = error["input"]
        near = (
            did_you_mean(given, choices)
            if isinstance(given, str) and not isinstance(given, Interpolated)
            else None
        )
        return f"{subject}must be one of {', '.join(choices)}{_given(error, path, source)}", near
    words = _KINDS.get(kind) or error["msg"]
    help_ = (
        "write `password: ${NAME}`, or `password_file:`"
        if kind == "literal-secret" and "uri" not in name
        else None
    )
    if kind == "literal-secret" and "uri" in name:
        help_ = "write it as `${NAME}`"
    if kind == "reserved-name":
        help_ = "built-in exchanges can be bound without being declared"
    separator = "" if words.startswith(("must", "is", "cannot")) else ": "
    shown = "" if words.startswith(("a ", "names ")) else _given(error, path, source)
    return (f"{subject.rstrip()}{separator or ' '}{words}" if subject else words) + shown, help_


def _given(error: ErrorDetails, path: Path_, source: Source) -> str:
    """What stands there, unless it is secret, from outside, or no scalar."""
    if any(part in _SECRET_FIELDS for part in path) or isinstance(
        error["input"], dict | list | tuple | Interpolated
    ):
        return ""
    existing = path
    while existing and not source.has(existing):
        existing = existing[:-1]
    raw = source.raw(existing)
    if raw is None or "${" in raw or len(raw) > _MAX_SHOWN:
        return ""
    return f", not `{raw}`" if raw else ", not empty"


def _choices(path: Path_) -> list[str]:
    annotation = _annotation_at(path)
    return [str(choice) for choice in _literals(annotation)]


def _literals(annotation: Any) -> list[Any]:
    if typing.get_origin(annotation) is typing.Literal:
        return list(typing.get_args(annotation))
    return [choice for part in typing.get_args(annotation) for choice in _literals(part)]


def model_at(path: Path_) -> type[BaseModel] | None:
    """The model that the value at a path is validated by, if it is a model."""
    return next(iter(_models(_annotation_at(path))), None)


def _annotation_at(path: Path_) -> Any:
    annotation: Any = Topology
    for part in path:
        annotation = _step(annotation, part)
        if annotation is None:
            return None
    return annotation


def _step(annotation: Any, part: str | int) -> Any:
    for model in _models(annotation):
        field = model.model_fields.get(str(part))
        return field.annotation if field else None
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is dict:
        return arguments[1]
    if origin is tuple and isinstance(part, int):
        return arguments[0]
    if origin in (typing.Union, types.UnionType, typing.Annotated):
        return next((found for argument in arguments if (found := _step(argument, part)) is not None), None)
    return annotation if _literals(annotation) else None


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType, typing.Annotated):
        return [model for argument in typing.get_args(annotation) for model in _models(argument)]
    return []
