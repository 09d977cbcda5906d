"""Calls that a router may see and nobody expects: what the tests of `when` share."""

from __future__ import annotations

import enum
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.utils.functional import SimpleLazyObject, lazystr

from routectl.routing import Router
from routectl.topology.model import Topology


def routers(*whens: dict[str, Any]) -> Router:
    """A router that sends task `t` to `rule0`, `rule1`, … by the first condition that holds, else to `other`."""
    names = [f"rule{index}" for index in range(len(whens))]
    return Router.from_topology(
        Topology.model_validate(
            {
                "version": 1,
                "queues": {name: {} for name in (*names, "other")},
                "routes": [
                    {"tasks": "t", "queue": name, "when": when}
                    for name, when in zip(names, whens, strict=True)
                ],
                "unmatched": "other",
            }
        )
    )


class Hostile:
    """Raises whatever is done with it, even when it is asked for its class."""

    def _raise(self, *_: Any) -> Any:
        raise RuntimeError("hands off")

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __hash__ = __len__ = __iter__ = _raise  # type: ignore[assignment]
    __getitem__ = __contains__ = __str__ = __int__ = __float__ = __index__ = _raise  # type: ignore[assignment]
    __class__ = property(_raise)  # type: ignore[assignment]
    name = keys = get = items = property(_raise)

    def __repr__(self) -> str:
        return "<Hostile>"


class HostileDict(dict[str, Any]):
    def get(self, *_: Any) -> Any:
        raise RuntimeError("hands off")


class HostileList(list[Any]):
    def __getitem__(self, _: Any) -> Any:
        raise RuntimeError("hands off")

    def __len__(self) -> int:
        raise RuntimeError("hands off")


class HostileUUID(uuid.UUID):
    def __str__(self) -> str:
        raise RuntimeError("hands off")


class Plan(enum.StrEnum):
    GOLD = "gold"


class OldPlan(str, enum.Enum):  # noqa: UP042 what applications have
    GOLD = "gold"


class Level(enum.IntEnum):
    HIGH = 9


class LyingText(str):
    __slots__ = ()
    __eq__ = __ne__ = __lt__ = __gt__ = __hash__ = __str__ = Hostile._raise  # type: ignore[assignment]


class LyingNumber(int):
    __eq__ = __ne__ = __lt__ = __gt__ = __ge__ = __hash__ = __int__ = __str__ = Hostile._raise  # type: ignore[assignment]


class LyingDecimal(Decimal):
    __eq__ = __ne__ = __lt__ = __gt__ = __hash__ = __float__ = __str__ = Hostile._raise  # type: ignore[assignment]
    is_snan = is_nan = Hostile._raise  # type: ignore[assignment]


def never() -> Any:
    raise AssertionError("a lazy value was made up")


#: By name, since test tools would ask a hostile value what it is.
ODD: dict[str, Any] = {
    "none": None,
    "nan": float("nan"),
    "decimal nan": Decimal("NaN"),
    "decimal signalling nan": Decimal("sNaN"),
    "fraction": Fraction(1, 2),
    "datetime": datetime(2030, 1, 1, tzinfo=UTC),
    "bytes": b"gold",
    "bytearray": bytearray(b"gold"),
    "list": ["gold"],
    "tuple": ("gold",),
    "set": {"gold"},
    "dict": {"gold": 1},
    "complex": 1j,
    "object": object(),
    "class": str,
    "hostile": Hostile(),
    "lazy text": lazystr("gold"),
    "lazy object": SimpleLazyObject(never),
}
