"""Rules with `when` that miss calls, since exact names are tried before patterns regardless of their order."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from ...topology.lint.registry import make_finding
from ...topology.matching.pattern import placeholders
from ..rules.decision import RuleMatch
from ..rules.index import Index
from .context import line_prefix
from .implication import may_meet_both, subsumes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...topology.base.finding import Finding
    from ..rules.decision import PatternEntry
    from ..rules.table import Table
    from .context import VhostContext

#: At most this many missed names are counted beyond the first.
_MAX_COUNTED = 100

#: A decision's destination and message options.
_result = attrgetter("queue", "exchange", "routing_key", "priority", "options")


class _Missed(NamedTuple):
    """A name that a pattern with `when` matches, and the later rule that is tried first."""

    name: str
    winner: PatternEntry


def outranked_rules(part: VhostContext) -> Iterator[Finding]:
    """The patterns with `when` whose calls are matched by an exact name in a later rule.

    Except those whose result is the same, or that have an exact name with the same `when`.
    """
    for entry, missed in _outranked(part.router.table):
        first, more = missed[0], len(missed) - 1
        later = line_prefix(first.winner.position).strip() or "another rule"
        share = "all" if subsumes(first.winner.route, entry.route) else "some"
        count = f"{'at least ' * (more >= _MAX_COUNTED)}{more} more name{'s' * (more > 1)}"
        likewise = f"; likewise for {count}" if more else ""
        yield make_finding(
            "exact-first",
            f"for `{first.name}`, {later} comes before this rule and matches {share} of its calls: "
            f"exact names are tried before patterns{likewise}",
            part.pattern(entry),
            _help(entry, first, later, more),
            object_=entry.pattern.text,
        )


def _help(entry: PatternEntry, first: _Missed, later: str, more: int) -> str:
    """How to match the missed calls, or accept that they are missed."""
    names = f"`{first.name}`" + (f" and the other{'s' * (more > 1)}" if more else "")
    route = entry.route
    if placeholders(route.queue) or placeholders(route.key or ""):
        add = f"add a rule with this `when` for {names} above {later}"
    else:
        add = f"add {names} to its `tasks`: exact names are tried in file order"
    rules = f"the rule{'s' * (more > 1)} of the other{'s' * (more > 1)}"
    return f"{add}; if this is intended, move {later}{f' and {rules}' if more else ''} above it"


def _outranked(table: Table) -> list[tuple[PatternEntry, list[_Missed]]]:
    """Each pattern with `when` that misses calls, in file order, with the names up to a maximum."""
    patterns = [entry for entry in table.entries if entry.route.when and entry.pattern.kind != "exact"]
    if not patterns:
        return []
    index = Index((entry.pattern, entry) for entry in patterns)
    missed: dict[int, list[_Missed]] = {id(entry): [] for entry in patterns}
    for name, exact in _exact(table, patterns[0].index):
        for entry, _ in index.matching(name):
            names = missed[id(entry)]
            if len(names) <= _MAX_COUNTED and (winner := _first_match(table, entry, name, exact)) is not None:
                names.append(_Missed(name, winner))
    return [(entry, names) for entry in patterns if (names := missed[id(entry)])]


def _exact(table: Table, after: int) -> Iterator[tuple[str, list[RuleMatch]]]:
    """The exact names in rules after an index, each with all its rules."""
    found: dict[str, list[RuleMatch]] = {}
    for entry in table.entries:
        if entry.pattern.kind == "exact" and entry.decisions:
            found.setdefault(entry.pattern.text, []).append(RuleMatch(entry, entry.decisions))
    return ((name, rules) for name, rules in found.items() if rules[-1].entry.index > after)


def _first_match(
    table: Table, narrow: PatternEntry, name: str, exact: Sequence[RuleMatch]
) -> PatternEntry | None:
    """The first rule after a pattern that matches its calls by exact name; None if there is none."""
    match = next((match for entry, match in table.candidates(name) if entry is narrow), None)
    if match is None:
        return None
    for rule in exact:
        entry, decisions = rule.entry, rule.decisions
        if not may_meet_both(entry.route, narrow.route):
            continue
        same_shards = entry.route.shard_by == narrow.route.shard_by
        same_result = same_shards and [*map(_result, decisions)] == [*map(_result, match.decisions)]
        if entry.index > narrow.index and not same_result:
            return entry
        if subsumes(entry.route, narrow.route):
            return None
    return None
