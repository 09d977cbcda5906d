"""Scalar types of the file (durations, sizes, names) with their JSON Schemas."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from math import isfinite
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from ..base.duration import parse_duration
from ..base.redaction import literal_secret, mask_urls, redacted
from ..base.scalar import Interpolated, VariableText, marked
from ..matching.pcre import refusal

MAX_NAME_BYTES = 255
#: RabbitMQ's limit on times: ten years, in milliseconds (rabbit_misc:check_expiry).
MAX_MILLISECONDS = 315_360_000_000

_DIGITS = re.compile(r"\d{1,18}\Z", re.ASCII)
_SIZE = re.compile(r"(\d{1,18}) ?([KMGT]i?B|B)\Z", re.ASCII)
_BYTES = {"B": 1} | {
    prefix + suffix: base ** (power + 1)
    for power, prefix in enumerate("KMGT")
    for suffix, base in (("B", 1000), ("iB", 1024))
}
_PERCENT = re.compile(r"(\d{1,3}) ?%\Z", re.ASCII)
_STACK = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_MAX_AGE = re.compile(r"(\d{1,18})([YMDhmsdw])\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Unit:
    """Marks a field as a duration, and says what a number without a unit counts.

    Parameters:
      milliseconds: The milliseconds in one.
    """

    milliseconds: int

    @property
    def name(self) -> str:
        """The unit's name in the plural."""
        return "milliseconds" if self.milliseconds == 1 else "seconds"

    @property
    def suffix(self) -> str:
        """The unit after a number in the file."""
        return "ms" if self.milliseconds == 1 else "s"


_COUNTS_MILLISECONDS = Unit(1)
_COUNTS_SECONDS = Unit(1000)


class Model(BaseModel):
    """Base class of all models: frozen, and without unknown keys."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        coerce_numbers_to_str=True,
        use_attribute_docstrings=False,
        defer_build=True,
        hide_input_in_errors=True,
    )

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        for name, value in super().__repr_args__():
            yield name, redacted(value, name or "")


#: The largest integer in an AMQP table.
MAX_WHOLE = 2**63 - 1


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("wrong_type", "must be a whole number")
    return value


def _in_range(value: int) -> int:
    if abs(value) > MAX_WHOLE:
        raise PydanticCustomError("wrong_type", "is too large a number")
    return value


def _in_milliseconds(value: Any) -> Any:
    if isinstance(value, str):
        if _DIGITS.match(value):
            return int(value)
        try:
            return parse_duration(value)
        except ValueError as error:
            raise PydanticCustomError("duration", str(error)) from None
    if isinstance(value, bool) or not isinstance(value, int):
        raise PydanticCustomError("duration", "must be a duration such as 30s or 7d, or whole milliseconds")
    return value


def _in_seconds(value: Any) -> Any:
    if isinstance(value, str) and not _DIGITS.match(value):
        milliseconds = _in_milliseconds(value)
        return milliseconds / 1000 if milliseconds % 1000 else milliseconds // 1000
    if isinstance(value, bool):
        raise PydanticCustomError("duration", "must be a duration such as 30s or 5m, or seconds")
    return value


def _whole_seconds(value: Any) -> Any:
    seconds = _in_seconds(value)
    if isinstance(seconds, float):
        raise PydanticCustomError("duration", "must be whole seconds, or a duration such as 30s or 5m")
    return seconds


def _in_bytes(value: Any) -> Any:
    if isinstance(value, str) and not _DIGITS.match(value):
        match = _SIZE.match(value)
        if not match:
            raise PydanticCustomError("size", "must be a size such as 512KiB, 200MB or 2GiB")
        return int(match[1]) * _BYTES[match[2]]
    if isinstance(value, bool | float):
        raise PydanticCustomError("size", "must be a size such as 512KiB or 2GiB, or whole bytes")
    return value


def _percent(value: Any) -> int:
    match = _PERCENT.match(value) if isinstance(value, str) else None
    if match is None or int(match[1]) > 100:
        raise PydanticCustomError("percent", "must be a percentage from 0% to 100%, such as 30%")
    return int(match[1])


def _age(value: Any) -> Any:
    match = _MAX_AGE.match(value) if isinstance(value, str) else None
    if not match or int(match[1]) == 0:
        raise PydanticCustomError("duration", "must be an age such as 12h, 7D or 1Y (Y, M, D, h, m, s)")
    if match[2] == "w":
        return f"{int(match[1]) * 7}D"
    return match[1] + match[2].replace("d", "D")


def _marked_text(value: Any, validated: ValidatorFunctionWrapHandler) -> Any:
    text = validated(value)
    return VariableText(text) if isinstance(value, Interpolated) else text


def _name(value: str) -> str:
    if not value:
        raise PydanticCustomError("name", "a name cannot be empty")
    if len(value.encode()) > MAX_NAME_BYTES:
        raise PydanticCustomError("name", "a name cannot exceed 255 bytes of UTF-8")
    if "\r" in value or "\n" in value or "\0" in value:
        raise PydanticCustomError(
            "name", "a name cannot contain line breaks or NUL, which RabbitMQ would strip"
        )
    if value in (".", ".."):
        raise PydanticCustomError(
            "name", "a name cannot be `.` or `..`, which the management API cannot address"
        )
    return value


def _short_text(value: str) -> str:
    if len(value.encode()) > MAX_NAME_BYTES:
        raise PydanticCustomError("name", "a routing key cannot exceed 255 bytes of UTF-8")
    return value


def _stack_name(value: str) -> str:
    if not _STACK.match(value):
        message = "must be 1 to 64 letters, digits, `.`, `-` or `_`: it is part of names on the broker"
        raise PydanticCustomError("name", "{message}", {"message": message})
    return value


def _name_or_default(value: str) -> str:
    return _name(value) if value else value


def _regex(value: str) -> str:
    reason = refusal(value)
    if reason is not None:
        message = f"is not a valid regular expression: {reason}"
        raise PydanticCustomError("bad-pattern", "{message}", {"message": message})
    return value


def _plain(value: Any) -> Any:
    """Arbitrary data, with values from the environment marked, and those without quotes typed as YAML would do."""
    if isinstance(value, Interpolated):
        return marked(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        value = float(value)
    if (isinstance(value, int) and not abs(value) <= MAX_WHOLE) or (
        isinstance(value, float) and not isfinite(value)
    ):
        raise PydanticCustomError("wrong_type", "is too large a number")
    return value


def no_literal_secret(value: Any) -> Any:
    """Rejects data that contains a secret, or a default for one, as written in the file."""
    key = literal_secret(value)
    if key is not None:
        named = f": `{mask_urls(key)}`" if key else ""
        raise PydanticCustomError(
            "literal-secret", "a secret must not be written in the file{named}", {"named": named}
        )
    return value


def _listed(value: Any) -> Any:
    """A value as a list, so that a list with one item can be written without brackets."""
    return value if isinstance(value, list | tuple | None) else [value]


_DURATION_SCHEMA = {
    "type": ["integer", "string"],
    "pattern": r"^((\d+(\.\d+)?(ms|[smhdw]))+|\d+|.*\$\{.+\}.*)$",
}
_SIZE_SCHEMA = {"type": ["integer", "string"], "pattern": r"^(\d+ ?([KMGT]i?B|B)|\d+|.*\$\{.+\}.*)$"}
_STACK_SCHEMA = r"^[A-Za-z0-9._-]{1,64}$|\$\{.+\}"
_AGE_SCHEMA = {"type": "string", "pattern": r"^\d+[YMDhmsdw]$|\$\{.+\}"}
_PERCENT_SCHEMA = {"type": "string", "pattern": r"^\d{1,3} ?%$|\$\{.+\}"}
LIST_SCHEMA = {"type": ["string", "number", "array"], "items": {"type": ["string", "number"]}}

Whole = Annotated[int, BeforeValidator(_no_boolean), AfterValidator(_in_range)]
Positive = Annotated[Whole, Field(ge=1)]
Weight = Annotated[Whole, Field(ge=1, le=1000)]
Milliseconds = Annotated[
    int,
    BeforeValidator(_in_milliseconds),
    Field(ge=0, le=MAX_MILLISECONDS),
    WithJsonSchema(_DURATION_SCHEMA),
    _COUNTS_MILLISECONDS,
]
PositiveMilliseconds = Annotated[
    int,
    BeforeValidator(_in_milliseconds),
    Field(ge=1, le=MAX_MILLISECONDS),
    WithJsonSchema(_DURATION_SCHEMA),
    _COUNTS_MILLISECONDS,
]
Seconds = Annotated[
    float,
    BeforeValidator(_in_seconds),
    Field(gt=0, allow_inf_nan=False),
    WithJsonSchema(_DURATION_SCHEMA | {"type": ["number", "string"]}),
    _COUNTS_SECONDS,
]
WholeSeconds = Annotated[
    int,
    BeforeValidator(_whole_seconds),
    Field(ge=0),
    WithJsonSchema(_DURATION_SCHEMA),
    _COUNTS_SECONDS,
]
Size = Annotated[int, BeforeValidator(_in_bytes), Field(ge=0), WithJsonSchema(_SIZE_SCHEMA)]
Percent = Annotated[int, BeforeValidator(_percent), WithJsonSchema(_PERCENT_SCHEMA)]
Age = Annotated[str, BeforeValidator(_age), WithJsonSchema(_AGE_SCHEMA)]
Name = Annotated[str, AfterValidator(_name)]
StackName = Annotated[str, AfterValidator(_stack_name), Field(json_schema_extra={"pattern": _STACK_SCHEMA})]
ExchangeName = Annotated[str, AfterValidator(_name_or_default)]
RoutingKey = Annotated[str, AfterValidator(_short_text)]
Regex = Annotated[str, AfterValidator(_regex)]
PlainValue = Annotated[Any, BeforeValidator(_plain)]
#: Text of free form, unlike a name.
FreeText = Annotated[str, WrapValidator(_marked_text)]
#: Whether an exchange or queue is declared elsewhere, and whether it may be missing until then.
External = bool | Literal["later"]
#: Data of any kind, such as the call of a test, which may contain made-up secrets.
PlainMapping = Annotated[dict[str, Any], BeforeValidator(_plain)]
#: Data that is sent as it is, to a broker or with a task.
Arguments = Annotated[PlainMapping, BeforeValidator(no_literal_secret)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_listed), WithJsonSchema(LIST_SCHEMA)]
Texts = Annotated[tuple[str, ...], BeforeValidator(_listed), WithJsonSchema(LIST_SCHEMA)]


@cache
def duration_fields(model: type[BaseModel]) -> dict[str, Unit]:
    """The fields of a model that are durations, with the unit of a bare number."""
    return {
        name: unit
        for name, field in model.model_fields.items()
        if (unit := _unit(field.annotation, field.metadata))
    }


def _unit(annotation: Any, metadata: Iterable[Any] = ()) -> Unit | None:
    found = next((item for item in metadata if isinstance(item, Unit)), None)
    parts = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return found or _unit(parts[0], parts[1:])
    return found or next((unit for part in parts if (unit := _unit(part))), None)
