"""Exact names come before patterns, wherever they stand: which calls a rule with `when` misses by that. Pure."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

from ...topology.lint.registry import make_finding
from ...topology.matching.pattern import placeholders
from ..rules.index import Index
from .context import line_prefix
from .implication import may_meet_both, subsumes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...topology.base.finding import Finding
    from ..rules.decision import Decision, PatternEntry
    from ..rules.table import Table
    from .context import VhostContext

#: A rule for a certain name, and where it leads.
_Asked = tuple["PatternEntry", tuple["Decision", ...]]

#: So many names that a pattern misses are counted, beside the first.
_MANY = 100


class _Missed(NamedTuple):
    """A name that a pattern with `when` matches, and the rule further down that is asked first."""

    name: str
    taker: PatternEntry


def outranked_rules(part: VhostContext) -> Iterator[Finding]:
    """The patterns with `when` whose calls an exact name takes that stands further down.

    Not those that lead to the same as the exact name does, or that an exact name with the same `when` stands in for.
    """
    for entry, missed in _outranked(part.router.table):
        first, more = missed[0], len(missed) - 1
        lower = line_prefix(first.taker.position).strip() or "another rule"
        takes = "all" if subsumes(first.taker.route, entry.route) else "some"
        count = f"{'at least ' * (more >= _MANY)}{more} more name{'s' * (more > 1)}"
        likewise = f"; likewise for {count}" if more else ""
        yield make_finding(
            "exact-first",
            f"for `{first.name}`, {lower} is asked before this rule and takes {takes} of its calls: "
            f"exact names come before patterns{likewise}",
            part.pattern(entry),
            _help(entry, first, lower, more),
        )


def _help(entry: PatternEntry, first: _Missed, lower: str, more: int) -> str:
    """How to have the calls that a pattern misses, or say that it shall miss them."""
    names = f"`{first.name}`" + (f" and the other{'s' * (more > 1)}" if more else "")
    route = entry.route
    if placeholders(route.queue) or placeholders(route.key or ""):
        add = f"write a rule with this `when` for {names} above {lower}"
    else:
        add = f"add {names} to its `tasks`: exact names are asked in the file's order"
    rules = f"the rule{'s' * (more > 1)} of the other{'s' * (more > 1)}"
    return f"{add}; if it is meant so, move {lower}{f' and {rules}' if more else ''} above it"


def _outranked(table: Table) -> list[tuple[PatternEntry, list[_Missed]]]:
    """Each pattern with `when` that misses calls, in the file's order, with the names; of many only some."""
    patterns = [entry for entry in table.entries if entry.route.when and entry.pattern.kind != "exact"]
    if not patterns:
        return []
    alike: dict[str, list[PatternEntry]] = {}
    for entry in patterns:
        alike.setdefault(entry.pattern.text, []).append(entry)
    index = Index((entries[0].pattern, entries) for entries in alike.values())
    missed: dict[int, list[_Missed]] = {id(entry): [] for entry in patterns}
    for name, exact in _exact(table, patterns[0].index):
        for entry in chain.from_iterable(entries for entries, _ in index.matching(name)):
            some = missed[id(entry)]
            if len(some) <= _MANY and (taker := _taker(table, entry, name, exact)) is not None:
                some.append(_Missed(name, taker))
    return [(entry, some) for entry in patterns if (some := missed[id(entry)])]


def _exact(table: Table, after: int) -> Iterator[tuple[str, list[_Asked]]]:
    """The names that rules behind a certain one name, each with all of its rules."""
    found: dict[str, list[_Asked]] = {}
    for entry in table.entries:
        if entry.pattern.kind == "exact" and entry.decisions:
            found.setdefault(entry.pattern.text, []).append((entry, entry.decisions))
    return ((name, rules) for name, rules in found.items() if rules[-1][0].index > after)


def _taker(table: Table, narrow: PatternEntry, name: str, exact: Sequence[_Asked]) -> PatternEntry | None:
    """The first exact name below a pattern that takes calls which the pattern asks for; None if none does."""
    leads = narrow.decisions or next((to for entry, to in table.candidates(name) if entry is narrow), None)
    if leads is None:
        return None
    for entry, decisions in exact:
        if not may_meet_both(entry.route, narrow.route):
            continue
        if entry.index > narrow.index and not _same_result((entry, decisions), (narrow, leads)):
            return entry
        if subsumes(entry.route, narrow.route):
            return None
    return None


def _same_result(one: _Asked, other: _Asked) -> bool:
    """Whether two rules send a call to the same place, with the same said of the message."""
    (entry, decisions), (narrow, others) = one, other
    return entry.route.shard_by == narrow.route.shard_by and list(map(_result, decisions)) == list(
        map(_result, others)
    )


def _result(decision: Decision) -> tuple[Any, ...]:
    return (
        decision.queue,
        decision.exchange,
        decision.routing_key,
        decision.priority,
        decision.options,
    )
