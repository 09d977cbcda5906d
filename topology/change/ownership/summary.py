"""What a plan says of its stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...base.resources import Key, Kind


@dataclass(frozen=True, slots=True)
class Ownership:
    """The part of a plan about what its stack created.

    Parameters:
      stack: The name of the stack.
      prune: Whether the plan deletes what the stack created and its file no longer names.
      pruned: What it deletes for that reason.
      taken: The objects that the stack takes over.
      protected: Objects that exist and that the file protects from now on.
      unprotected: Those that it no longer protects.
    """

    stack: str
    prune: bool = False
    pruned: tuple[Key, ...] = ()
    taken: tuple[Key, ...] = ()
    protected: tuple[Key, ...] = ()
    unprotected: tuple[Key, ...] = ()

    @property
    def recorded(self) -> tuple[tuple[Key, str], ...]:
        """The objects of which only the record changes, each with what it says from now on."""
        groups = (
            (self.taken, "taken over"),
            (self.protected, "protected"),
            (self.unprotected, "no longer protected"),
        )
        return tuple((key, what) for keys, what in groups for key in keys)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "stack": self.stack,
            "prune": self.prune,
            "pruned": [key.as_dict() for key in self.pruned],
            "taken_over": [key.as_dict() for key in self.taken],
            "protected": [key.as_dict() for key in self.protected],
            "unprotected": [key.as_dict() for key in self.unprotected],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Ownership:
        """The part from the result of `as_dict`.

        Raises:
          KeyError, TypeError, ValueError: the data is not valid.
        """
        if not isinstance(data["stack"], str) or not isinstance(data["prune"], bool):
            raise TypeError("not a stack")
        sections = ("pruned", "taken_over", "protected", "unprotected")
        return cls(data["stack"], data["prune"], *(_keys(data[section]) for section in sections))


def _keys(items: Sequence[Mapping[str, Any]]) -> tuple[Key, ...]:
    keys = tuple(Key(Kind(item["kind"]), item["vhost"], tuple(item["name"])) for item in items)
    if not all(isinstance(text, str) for key in keys for text in (key.vhost, *key.name)):
        raise TypeError("not texts")
    return keys
