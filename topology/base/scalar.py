"""One YAML scalar: its type, and the environment variables in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_STRING = "tag:yaml.org,2002:str"
#: Numbers that are spelled in one way only, so that as a name they stay what they are; `1_000` is text, and a number
#: where a field wants one.
_INTEGER = re.compile(r"(0|-?[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?\Z")
#: No number is longer; Python refuses to read one of more than 4300 digits.
_MAX_DIGITS = 400
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_VARIABLE = re.compile(r"\$\$\{|\$\{(?P<body>(?:[^}$]|\$(?!\{))*)\}|\$\{")
_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::\?[^{}]*|:-)?\}")
_BODY = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<op>:-|:\?)(?P<rest>.*))?\Z", re.DOTALL)


class Interpolated(str):
    """Text that came, at least in part, from the environment: it is never shown in a message.

    Parameters:
      plain: The scalar stood without quotes, so that `5` in it may be a number.
      written: How it stands in the file; empty if none of it does.
    """

    __slots__ = ("plain", "written")
    plain: bool
    written: str

    def __new__(cls, text: str, *, plain: bool, written: str = "") -> Interpolated:
        """The text, with where it came from."""
        self = super().__new__(cls, text)
        self.plain = plain
        self.written = written
        return self


def only_variables(text: str) -> bool:
    """Whether a text consists of variables alone, without text or defaults of the file's own."""
    return not _REFERENCE.sub("", text)


class WrittenFloat(float):
    """A float that remembers how it was written, so that the version `3.10` stays `3.10` as text."""

    __slots__ = ("_text",)
    _text: str

    def __new__(cls, text: str) -> WrittenFloat:
        """The number that the text says."""
        self = super().__new__(cls, text)
        self._text = text
        return self

    def __str__(self) -> str:
        return self._text


@dataclass(frozen=True, slots=True)
class Unset:
    """A variable that the file needs and the environment lacks."""

    message: str
    help: str | None


def scalar(text: str, *, plain: bool, tag: str, environment: Mapping[str, str]) -> Any:
    """The value of a scalar: None, bool, int, float or text; `Unset` if a variable is missing.

    Stricter than YAML 1.1: `yes`, `no`, `on`, `off`, `010`, `1:30` and dates are text here, since as names of
    queues and keys they are meant as text; a field that wants a boolean takes `yes` all the same.

    Parameters:
      text: The scalar's text, without quotes.
      plain: It stood without quotes.
      tag: The tag that YAML's resolver gave it.
      environment: Where `${NAME}` is looked up.
    """
    if "${" in text:
        return _interpolate(text, plain=plain, environment=environment)
    if tag == _STRING or not plain:
        return text
    return typed(text)


def typed(text: str) -> Any:
    """What an unquoted scalar means: None, bool, int, float, or the text itself."""
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if len(text) <= _MAX_DIGITS and _INTEGER.match(text):
        return int(text)
    if len(text) <= _MAX_DIGITS and _FLOAT.match(text):
        return WrittenFloat(text)
    return text


def _interpolate(text: str, *, plain: bool, environment: Mapping[str, str]) -> Any:
    missing: list[Unset] = []

    def replace(match: re.Match[str]) -> str:
        body = match["body"]
        if match[0] == "$${":
            return "${"
        parts = _BODY.match(body) if body is not None else None
        if parts is None:
            help_ = "write `${NAME}`, `${NAME:-default}` or `${NAME:?message}`; a literal `${` is `$${`"
            missing.append(Unset(f"`{match[0]}` is not a variable", help_))
            return ""
        return _lookup(parts, environment, missing)

    result = _VARIABLE.sub(replace, text)
    if missing:
        return missing[0]
    return Interpolated(result, plain=plain, written=text) if result != text.replace("$${", "${") else result


def _lookup(parts: re.Match[str], environment: Mapping[str, str], missing: list[Unset]) -> str:
    name, operator, rest = parts["name"], parts["op"], parts["rest"] or ""
    value = environment.get(name)
    if value is not None and not value.isascii() and not _is_text(value):
        missing.append(Unset(f"the environment variable {name} is not UTF-8 text", None))
        return ""
    if value or (value is not None and operator is None):
        return value
    if operator == ":-":
        return rest
    reason = f": {rest}" if operator == ":?" and rest else ""
    help_ = f"set {name} in the environment, or give a default: `${{{name}:-default}}`"
    state = "not set" if value is None else "empty"
    missing.append(Unset(f"the environment variable {name} is {state}{reason}", help_))
    return ""


def _is_text(value: str) -> bool:
    """Whether text from the environment is text: bytes that are not UTF-8 arrive as lone surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
