"""A reason for which a plan cannot be applied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ...base.resources import Key, Kind
from ...errors import Refused

#: The number of reasons that the message of an error lists.
_MOST = 20


class Problem(NamedTuple):
    """A reason for which a plan cannot be applied, and what to do about it.

    Parameters:
      message: What is wrong, with the name of the object.
      hint: What to do about it.
      key: The object; None if the reason concerns several.
      allow: The risks that `--allow` would have to accept; empty if no option helps.
    """

    message: str
    hint: str
    key: Key | None = None
    allow: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The reason as plain data for JSON; without an object, `kind`, `vhost` and `name` are None."""
        where = dict.fromkeys(("kind", "vhost", "name")) if self.key is None else self.key.as_dict()
        return {**where, "message": self.message, "hint": self.hint, "allow": list(self.allow)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Problem:
        """The reason from the result of `as_dict`.

        Raises:
          KeyError, TypeError, ValueError: the data is not valid.
        """
        key = None if data["kind"] is None else Key(Kind(data["kind"]), data["vhost"], tuple(data["name"]))
        problem = cls(data["message"], data["hint"], key, tuple(data["allow"]))
        texts = (problem.message, problem.hint, *problem.allow, *((key.vhost, *key.name) if key else ()))
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("not texts")
        return problem


def refusal(message: str, problems: Sequence[Problem], hint: str | None = None) -> Refused:
    """The error for a plan that is refused as a whole.

    Parameters:
      message: What is refused.
      problems: The reasons; the message lists the first ones, the error's `refusals` has all.
      hint: What to do, if it is the same for all.
    """
    lines = []
    for problem in problems[:_MOST]:
        lines += [f"  {problem.message}", *([] if hint else [f"    {problem.hint}"])]
    if len(problems) > _MOST:
        lines.append(f"  and {len(problems) - _MOST} more, which `--format json` lists")
    text = "\n".join([f"{message}:", *lines])
    return Refused(text, hint, tuple(problem.as_dict() for problem in problems))
