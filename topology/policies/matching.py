"""Which policies apply to a queue or exchange: as RabbitMQ decides it, by type, name, keys and priority."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..matching.expressions import is_safe
from ..model.support import Version
from .keys import QUEUE_TYPES, excluding

#: What Python's `re` accepts, but reads differently from PCRE: `[[:alpha:]]` and `a{,3}`.
_DIFFERENT = re.compile(r"\[\[[:.=]|\{,")


@dataclass(frozen=True, slots=True)
class Target:
    """A queue or exchange.

    Parameters:
      name: Its name.
      queue_type: The type of a queue; None for an exchange, empty if it is unknown.
      arguments: The arguments of a queue.
    """

    name: str
    queue_type: str | None = None
    arguments: Mapping[str, Any] | None = None

    @property
    def kind(self) -> str:
        """`queue` or `exchange`."""
        return "exchange" if self.queue_type is None else "queue"


@dataclass(frozen=True)
class AppliedPolicy:
    """A policy or operator policy.

    Parameters:
      name: Its name.
      pattern: The regular expression for names.
      apply_to: The kinds and types of objects.
      priority: The highest applies.
      definition: Its keys, by RabbitMQ's names.
    """

    name: str
    pattern: str
    apply_to: str
    priority: int
    definition: Mapping[str, Any]

    @cached_property
    def search(self) -> Callable[[bytes], object] | None:
        """The search of the pattern in a name in UTF-8; None if only RabbitMQ can evaluate the pattern."""
        return _compiled(self.pattern)

    def is_for(self, target: Target) -> bool:
        """Whether `apply_to` includes such an object."""
        if target.queue_type is None:
            return self.apply_to in ("all", "exchanges")
        return self.apply_to in ("all", "queues") or QUEUE_TYPES.get(self.apply_to) == target.queue_type


def _compiled(pattern: str) -> Callable[[bytes], object] | None:
    """The search of a pattern in bytes, as RabbitMQ does it; None if Python reads it differently or may be too slow."""
    if _DIFFERENT.search(pattern):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expression = re.compile(pattern.encode())
        return expression.search if is_safe(pattern) else None
    except (re.error, RecursionError, OverflowError, UnicodeEncodeError):
        return None


@dataclass(frozen=True, slots=True)
class Match:
    """The policies of a queue or exchange.

    Parameters:
      applied: The one that applies; of several with the same priority, the first by name.
      tied: Others with the same priority and another definition: it is undefined which one applies.
      hidden: Those with a lower priority, the highest first.
      excluded: Those that do not apply because the queue's type does not support these keys.
    """

    applied: AppliedPolicy | None = None
    tied: tuple[AppliedPolicy, ...] = ()
    hidden: tuple[AppliedPolicy, ...] = ()
    excluded: tuple[tuple[AppliedPolicy, tuple[str, ...]], ...] = ()


class PolicySet:
    """The policies, or the operator policies, of one vhost.

    Parameters:
      policies: The policies.
      versions: The versions of RabbitMQ, if known: which keys exclude a queue depends on them.
    """

    def __init__(self, policies: Iterable[AppliedPolicy], versions: Sequence[Version] = ()) -> None:
        self.policies = sorted(policies, key=lambda policy: (-policy.priority, policy.name))
        self._excluding: dict[tuple[str, str], tuple[str, ...]] = {}
        self._searches: dict[str | None, list[tuple[AppliedPolicy, Callable[[bytes], object]]]] = {}
        self._versions = versions

    @property
    def is_certain(self) -> bool:
        """Whether all patterns can be evaluated."""
        return all(policy.search is not None for policy in self.policies)

    def match(self, target: Target) -> Match:
        """The policies whose pattern and `apply_to` match an object."""
        name = target.name.encode()
        found = [policy for policy, search in self._of_type(target) if search(name)]
        if not found:
            return _NOTHING
        excluded = [(policy, keys) for policy in found if (keys := self._keys(policy, target))]
        if excluded:
            names = {policy.name for policy, _ in excluded}
            found = [policy for policy in found if policy.name not in names]
        if not found:
            return Match(excluded=tuple(excluded))
        applied, *rest = found
        tied = (
            policy
            for policy in rest
            if policy.priority == applied.priority and policy.definition != applied.definition
        )
        hidden = (policy for policy in rest if policy.priority < applied.priority)
        return Match(applied, tuple(tied), tuple(hidden), tuple(excluded))

    def _of_type(self, target: Target) -> list[tuple[AppliedPolicy, Callable[[bytes], object]]]:
        """The policies for objects of this kind and type, with their searches."""
        kind = target.queue_type
        if kind not in self._searches:
            self._searches[kind] = [
                (policy, policy.search) for policy in self.policies if policy.search and policy.is_for(target)
            ]
        return self._searches[kind]

    def _keys(self, policy: AppliedPolicy, target: Target) -> tuple[str, ...]:
        """The keys that exclude an object from a policy."""
        if not target.queue_type:
            return ()
        key = (policy.name, target.queue_type)
        if key not in self._excluding:
            self._excluding[key] = excluding(policy.definition, target.queue_type, self._versions)
        return self._excluding[key]


_NOTHING = Match()
