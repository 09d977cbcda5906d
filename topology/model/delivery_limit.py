"""The delivery limit of a queue: a number, or `none`, which RabbitMQ expresses differently in each series."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from .support import Version

#: A delivery limit that is no limit, in every version of RabbitMQ.
UNLIMITED = "none"

#: The first version of RabbitMQ that has a default delivery limit, and -1 for none.
UNLIMITED_SINCE: Version = (4, 0)

_INTEGER = re.compile(r"-?\d{1,18}\Z", re.ASCII)
_SCHEMA = {"anyOf": [{"type": "integer", "minimum": -1}, {"type": "string", "const": UNLIMITED}]}


def _checked(value: Any) -> Any:
    """A whole number or `none`, checked here for one message instead of one for each type."""
    if value is None or value == UNLIMITED:
        return value if value is None else UNLIMITED
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    if isinstance(value, bool) or not _INTEGER.match(text):
        raise PydanticCustomError("wrong_type", "must be a whole number or `none`")
    if int(text) < -1:
        raise PydanticCustomError("wrong_value", "must be at least -1, or `none`")
    return int(text)


DeliveryLimit = Annotated[int | Literal["none"], BeforeValidator(_checked), WithJsonSchema(_SCHEMA)]
