"""Converts pydantic's errors to findings with a message, a position and the likely fix."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from ..base.duration import similar_duration
from ..base.finding import Finding, Position, ValuePath, did_you_mean
from ..base.redaction import URI_KEYS, is_secret_key
from ..base.scalar import Interpolated
from ..lint.registry import make_finding
from ..model import Topology
from .defaults import source_path
from .reader.source import Source

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
    "string_type": "must be a string",
    "dict_type": "must be a map (`name: value` lines)",
    "model_type": "must be a map (`name: value` lines)",
    "model_attributes_type": "must be a map (`name: value` lines)",
    "tuple_type": "must be a list (`- item` lines)",
    "list_type": "must be a list (`- item` lines)",
    "string_too_short": "cannot be empty",
    "too_short": "cannot be empty",
    "value_error": "is invalid",
}
_BOUNDS = {
    "greater_than_equal": ("must be at least", "ge"),
    "less_than_equal": ("must be at most", "le"),
    "greater_than": ("must be more than", "gt"),
    "less_than": ("must be less than", "lt"),
}
#: Error types of the model that are finding codes.
_OWN_CODES = frozenset({"literal-secret", "bad-pattern", "bad-uri", "bad-hash"})
_MAX_SHOWN = 60
#: Findings to explain at most; far fewer are shown.
_MAX_EXPLAINED = 1000

#: RabbitMQ's or Celery's names for fields.
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

#: Keys for the order of tasks, which some expect at the queue and others at the worker, with their sections.
ELSEWHERE = {
    "max_wait": "queues",
    **dict.fromkeys(("order", "weights", "reserve", "concurrency", "prefetch_multiplier"), "workers"),
}


class SourcePositions:
    """The values of a topology as written in the file, including those under `defaults:`."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.has = source.has

    def position(self, path: ValuePath, *, of_key: bool = False) -> Position:
        """The position of the value at `path`, or of its key."""
        return self._source.position(self.written(path), of_key=of_key)

    def written(self, path: ValuePath) -> ValuePath:
        """The path in the file of the value at `path`: the same path, or one under `defaults`."""
        return source_path(path, self._source.has)

    def raw(self, path: ValuePath) -> str | None:
        """The scalar at `path` as written."""
        return self._source.raw(self.written(path))

    def key(self, path: ValuePath) -> str:
        """The last key of `path` as written."""
        return self._source.key(self.written(path))


def findings_of(errors: Sequence[ErrorDetails], positions: SourcePositions) -> list[Finding]:
    """The findings of a validation, one per position.

    Parameters:
      errors: Pydantic's errors.
      positions: The positions of the data.
    """
    found: dict[tuple[Position | None, str | int], Finding] = {}
    seen: set[tuple[ValuePath, str]] = set()
    lists = {error["loc"][:-1] for error in errors}
    for error in errors:
        if error["type"] == "too_short" and error["loc"] in lists:
            continue  # errors in the list itself are already reported
        path = positions.written(error["loc"])
        if (path, error["type"]) in seen:
            continue
        seen.add((path, error["type"]))
        finding = _explain(error, path, positions)
        found.setdefault((finding.position, path[-1] if error["type"] == "missing" else ""), finding)
        if len(found) > _MAX_EXPLAINED:
            break
    return list(found.values())


def _explain(error: ErrorDetails, path: ValuePath, positions: SourcePositions) -> Finding:
    kind = error["type"]
    of_key = False
    if path and path[-1] == "[key]":
        path, of_key = path[:-1], True
    if kind == "missing":
        return _missing(path, positions)
    if kind == "extra_forbidden":
        return _unknown(path, positions)
    path = _without_union(path)
    message, help_ = _sentence(error, path, positions)
    code = kind if kind in _OWN_CODES else "wrong-value"
    code = "wrong-type" if kind in _KINDS or kind == "wrong_type" else code
    return make_finding(code, message, positions.position(path, of_key=of_key), help_)


def _without_union(path: ValuePath) -> ValuePath:
    """The path without the names of union members that pydantic adds."""
    for end in range(1, len(path) + 1):
        if isinstance(path[end - 1], str) and _annotation_at(path[:end]) is None:
            return path[: end - 1]
    return path


def _subject(kind: str, path: ValuePath, positions: SourcePositions) -> str:
    """The subject of a message: the innermost name of the path that is in the file."""
    if not path:
        return "the file "
    for end in range(len(path), 0, -1):
        if isinstance(path[end - 1], str) and positions.has(path[:end]):
            if path[end - 1] == "":
                return ""
            entry = isinstance(path[-1], int) and kind in _KINDS and positions.has(path)
            key = positions.key(path[:end])
            return f"an entry of `{key}` " if entry else f"`{key}` "
    return ""


def _missing(path: ValuePath, positions: SourcePositions) -> Finding:
    owner = path[-2] if len(path) > 1 else None
    where = f" of `{positions.key(path[:-1])}`" if isinstance(owner, str) else ""
    position = positions.position(path[:-1], of_key=True)
    help_ = "write `version: 1` at the top" if path == ("version",) else f"add `{path[-1]}: …`"
    return make_finding("missing-key", f"`{path[-1]}`{where} is missing", position, help_)


def _unknown(path: ValuePath, positions: SourcePositions) -> Finding:
    word = positions.key(path)
    model = model_at(path[:-1])
    known = list(model.model_fields) if model else []
    synonym = SYNONYMS.get(word)
    if synonym and synonym.split(":")[0] in known:
        help_: str | None = f"write `{synonym}` here"
    else:
        help_ = did_you_mean(word, known)
    if help_ is None and word in ELSEWHERE:
        help_ = f"write it at an entry of `{ELSEWHERE[word]}`"
    if help_ is None and word.startswith("x-") and "arguments" in known:
        help_ = f"put it under `arguments:` to pass it through unchanged: `arguments: {{{word}: …}}`"
    if help_ is None and known:
        help_ = "valid keys: " + ", ".join(sorted(known))
    return make_finding("unknown-key", f"unknown key `{word}`", positions.position(path, of_key=True), help_)


def _sentence(error: ErrorDetails, path: ValuePath, positions: SourcePositions) -> tuple[str, str | None]:
    kind, context = error["type"], error.get("ctx") or {}
    subject = _subject(kind, path, positions)
    if kind in _BOUNDS:
        words, bound = _BOUNDS[kind]
        return f"{subject}{words} {context[bound]}{_given(error, path, positions)}", None
    if kind == "literal_error":
        return _invalid_choice(error, subject, path, positions)
    words = _KINDS.get(kind) or error["msg"]
    help_: str | None = None
    if kind == "literal-secret":
        is_password = path[:1] == ("users",)
        help_ = "write `password: ${NAME}`, or `password_file:`" if is_password else "write it as `${NAME}`"
    if kind == "bad-uri":
        help_ = context["help"]
    if kind == "bad-hash":
        help_ = "make one with `rabbitmqctl hash_password`, or write `password: ${NAME}` for a plain password"
    if kind == "string_type" and (raw := positions.raw(path)):
        help_ = f'put it in quotes: `"{raw}"`' if len(raw) <= _MAX_SHOWN and "${" not in raw else None
    given = _given(error, path, positions)
    if kind == "duration" and given and (similar := similar_duration(str(error["input"]))):
        help_ = f"did you mean `{similar}`?"
    separator = "" if words.startswith(("must", "is", "cannot", "has")) else ": "
    shown = "" if words.startswith(("a ", "is an ", "is not a valid ")) else given
    return (f"{subject.rstrip()}{separator or ' '}{words}" if subject else words) + shown, help_


def _invalid_choice(
    error: ErrorDetails, subject: str, path: ValuePath, positions: SourcePositions
) -> tuple[str, str | None]:
    choices = [str(choice) for choice in _literals(_annotation_at(path))]
    given = error["input"]
    if len(choices) == 1:
        return f"{subject}must be {choices[0]}{_given(error, path, positions)}", f"write `{choices[0]}`"
    near = None
    if isinstance(given, str) and not isinstance(given, Interpolated):
        near = did_you_mean(given[:_MAX_SHOWN], choices)
    return f"{subject}must be one of {', '.join(choices)}{_given(error, path, positions)}", near


def _given(error: ErrorDetails, path: ValuePath, positions: SourcePositions) -> str:
    """The invalid value, unless it is secret, interpolated, or not a scalar; messages about keys contain it already."""
    if error["loc"][-1:] == ("[key]",) or error["type"].endswith("too_short"):
        return ""
    if path[:1] == ("users",) or any(is_secret_key(str(part)) or part in URI_KEYS for part in path):
        return ""
    raw = positions.raw(path)
    if isinstance(error["input"], dict | list | tuple | Interpolated) or raw is None:
        return ""
    if "${" in raw or len(raw) > _MAX_SHOWN:
        return ""
    return f", not `{raw}`" if raw else ", but is empty"


def _literals(annotation: Any) -> list[Any]:
    if typing.get_origin(annotation) is typing.Literal:
        return list(typing.get_args(annotation))
    return [choice for part in typing.get_args(annotation) for choice in _literals(part)]


def model_at(path: ValuePath) -> type[BaseModel] | None:
    """The model at a path, if there is one."""
    return next(iter(_models(_annotation_at(path))), None)


def _annotation_at(path: ValuePath) -> Any:
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
