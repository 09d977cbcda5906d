"""Type resolution and environment variable interpolation of YAML scalars."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_STRING = "tag:yaml.org,2002:str"
#: Only canonical spellings are numbers, so that a name such as `1_000` stays text; number fields still accept it.
_INTEGER = re.compile(r"(0|-?[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?\Z")
#: Longer text is not a number; Python refuses to parse integers of more than 4300 digits.
_MAX_DIGITS = 400
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_VARIABLE = re.compile(r"\$\$\{|\$\{(?P<body>(?:[^}$]|\$(?!\{))*)\}|\$\{")
#: Python decodes bytes of an environment variable that are not UTF-8 to lone surrogates.
_SURROGATE = re.compile("[\ud800-\udfff]")
_REFERENCE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*(?::\?[^{}]*|:-)?\}")
_BODY = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?:(?P<op>:-|:\?)(?P<rest>.*))?\Z", re.DOTALL)


class Interpolated(str):
    """Text that comes, at least in part, from the environment; messages never show it.

    Parameters:
      plain: The scalar is unquoted, so `5` may be a number.
      written: The scalar as written in the file; empty if the value is not from the file.
    """

    __slots__ = ("plain", "written")
    plain: bool
    written: str

    def __new__(cls, text: str, *, plain: bool, written: str = "") -> Interpolated:
        """The interpolated text with its source."""
        self = super().__new__(cls, text)
        self.plain = plain
        self.written = written
        return self


class FromVariable:
    """Marks a value of free form that comes, at least in part, from the environment: it is never printed."""

    __slots__ = ()


class VariableText(str, FromVariable):
    """Text from the environment."""

    __slots__ = ()


class VariableInt(int, FromVariable):
    """A whole number from the environment."""

    __slots__ = ()


class VariableFloat(float, FromVariable):
    """A number from the environment."""

    __slots__ = ()


class UnsetSecret(Interpolated):
    """A secret whose variable is not set: an empty text, enough for what does not contact a broker."""

    __slots__ = ()


def only_variables(text: str) -> bool:
    """Whether a text consists of variables only, without literal text or defaults."""
    return not _REFERENCE.sub("", text)


def variables_in(text: str) -> set[str]:
    """The names of the variables that a text refers to."""
    bodies = (match["body"] for match in _VARIABLE.finditer(text) if match["body"])
    return {found["name"] for body in bodies if (found := _BODY.match(body))}


class WrittenFloat(float):
    """A float that keeps its text, so that the version `3.10` stays `3.10` as a string."""

    __slots__ = ("_text",)
    _text: str

    def __new__(cls, text: str) -> WrittenFloat:
        """Parses the text and keeps it."""
        self = super().__new__(cls, text)
        self._text = text
        return self

    def __str__(self) -> str:
        return self._text


@dataclass(frozen=True, slots=True)
class Unset:
    """A variable reference that cannot be resolved.

    Parameters:
      message: What is wrong.
      help: What to do about it.
      name: The variable; empty if the reference is malformed.
    """

    message: str
    help: str | None
    name: str = ""


def scalar(text: str, *, plain: bool, tag: str, environment: Mapping[str, str]) -> Any:
    """The value of a scalar: None, bool, int, float or text; `Unset` if a variable is missing.

    Stricter than YAML 1.1: `yes`, `no`, `on`, `off`, `010`, `1:30` and dates are text, since queue names and routing
    keys mean them as text; boolean fields still accept `yes`.

    Parameters:
      text: The scalar's text, without quotes.
      plain: It is unquoted.
      tag: The tag from YAML's resolver.
      environment: Where `${NAME}` is looked up.
    """
    if "${" in text:
        return _interpolate(text, plain=plain, environment=environment)
    if tag == _STRING or not plain:
        return text
    return typed(text)


def marked(value: Interpolated) -> Any:
    """An interpolated value with the type that YAML would give it, as a `FromVariable` if it is a text or number."""
    found = typed(value) if value.plain else str(value)
    match found:
        case bool() | None:
            return found
        case int():
            return VariableInt(found)
        case float():
            return VariableFloat(found)
    return VariableText(found)


def plain(value: Any) -> Any:
    """A text or number without the mark that it is from the environment."""
    match value:
        case VariableText():
            return str(value)
        case VariableInt():
            return int(value)
        case VariableFloat():
            return float(value)
    return value


def typed(text: str) -> Any:
    """The value of an unquoted scalar: None, bool, int, float, or the text itself."""
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
        if match[0] == "$${":
            return "${"
        parts = _BODY.match(match["body"] or "")
        if parts is None:
            help_ = "write `${NAME}`, `${NAME:-default}` or `${NAME:?message}`; a literal `${` is `$${`"
            missing.append(Unset(f"`{match[0]}` is not a valid variable reference", help_))
            return ""
        return _lookup(parts, environment, missing)

    result = _VARIABLE.sub(replace, text)
    if missing:
        return missing[0]
    return Interpolated(result, plain=plain, written=text) if result != text.replace("$${", "${") else result


def _lookup(parts: re.Match[str], environment: Mapping[str, str], missing: list[Unset]) -> str:
    name, operator, rest = parts["name"], parts["op"], parts["rest"] or ""
    value = environment.get(name)
    if value is not None and _SURROGATE.search(value):
        missing.append(Unset(f"the environment variable {name} is not UTF-8 text", None, name))
        return ""
    if value or (value is not None and operator is None):
        return value
    if operator == ":-":
        return rest
    reason = f": {rest}" if operator == ":?" and rest else ""
    help_ = f"set {name} in the environment, or add a default: `${{{name}:-default}}`"
    state = "not set" if value is None else "empty"
    missing.append(Unset(f"the environment variable {name} is {state}{reason}", help_, name))
    return ""
