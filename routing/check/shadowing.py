"""Unreachable rules: an earlier rule already matches all of their names and calls."""

from __future__ import annotations

from collections import defaultdict
from itertools import product, takewhile
from typing import TYPE_CHECKING, Any

from ...topology.lint.registry import make_finding
from ...topology.matching.equivalents import as_glob
from ...topology.matching.expressions import parse as parse_expression
from ...topology.matching.pattern import Pattern, Wildcard, items_of, parse, placeholders
from ..rules.index import Index
from .context import line_prefix
from .implication import BroaderRules

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...topology.base.finding import Finding
    from ..rules.decision import PatternEntry
    from .context import VhostContext

#: Characters that do not occur in any pattern (from a private-use area).
_FRESH = "\ue000\ue000\ue000"

#: Texts for each wildcard: a glob that matches the names with all of these matches any name with other texts, too.
_FILLINGS = {
    Wildcard.ONE: (_FRESH[0], "."),
    Wildcard.SEGMENT: (_FRESH[0], _FRESH),
    Wildcard.ANY: ("", ".", _FRESH[0], _FRESH, f"{_FRESH}.{_FRESH}:{_FRESH}"),
}


def shadowed_rules(part: VhostContext) -> Iterator[Finding]:
    """The unreachable patterns: for every name and call that they match, an earlier one matches first."""
    for entry, earlier in _shadowed(part.router.table.entries):
        text = entry.pattern.text
        if earlier is None:
            message = f"`{text}` matches no name"
            yield make_finding("shadowed-rule", message, part.pattern(entry), "remove it", object_=text)
            continue
        line = line_prefix(earlier.position).strip() or "the earlier rule"
        if _calls(earlier) == _calls(entry):
            message = f"`{text}` is unreachable: an earlier rule has the same pattern"
            help_ = f"remove it here or at {line}"
        else:
            matches = "matches all of its calls" if earlier.depends_on_call else "matches it"
            message = f"`{text}` is unreachable: `{earlier.pattern.text}` already {matches}"
            help_ = f"move it above {line}, or remove it"
        yield make_finding("shadowed-rule", message, part.pattern(entry), help_, object_=text)


def covers(earlier: Pattern, later: Pattern) -> bool:
    """Whether an earlier pattern matches every name that a later one matches; False also if this cannot be proved.

    Parameters:
      earlier: The pattern that is tried first.
      later: The pattern that may be unreachable.
    """
    if earlier.text == later.text or later.kind == "exact":
        return earlier.match(later.text) is not None or earlier.text == later.text
    plain = _plain(earlier)
    return plain is not None and all(plain.match(name) is not None for name in _examples(later))


def _plain(pattern: Pattern) -> Pattern | None:
    """The pattern as a glob or capture without character sets, for which examples are a proof; None for others."""
    if pattern.kind == "regex":
        glob = as_glob(pattern.text[1:-1])
        return None if glob is None else parse(glob)
    return pattern if pattern.kind != "exact" and "[" not in pattern.text else None


def _examples(pattern: Pattern) -> list[str]:
    """Example names for each combination of fillings, each used for all wildcards of its kind; no name is empty."""
    items = items_of(pattern)
    wildcards = [wildcard for wildcard in Wildcard if wildcard in items]
    names = []
    for texts in product(*(_FILLINGS[wildcard] for wildcard in wildcards)):
        filling = dict(zip(wildcards, texts, strict=True))
        names.append("".join(item if isinstance(item, str) else filling[item] for item in items))
    return [name for name in dict.fromkeys(names) if name]


def _shadowed(entries: Sequence[PatternEntry]) -> Iterator[tuple[PatternEntry, PatternEntry | None]]:
    """Each unreachable pattern with the earlier one that covers it, or with None if it matches no name at all."""
    exact: defaultdict[str, BroaderRules] = defaultdict(BroaderRules)
    always: list[PatternEntry] = []
    conditional: list[tuple[int, PatternEntry]] = []
    for entry in entries:
        if entry.pattern.kind == "exact":
            earlier = exact[entry.pattern.text].of(entry.route)
            if earlier:
                yield entry, earlier[0]
            elif not placeholders(entry.route.queue):
                exact[entry.pattern.text].add(entry)
        elif entry.pattern.kind == "regex" and not parse_expression(entry.pattern.text[1:-1]).getwidth()[1]:
            yield entry, None
        elif entry.depends_on_call or placeholders(entry.route.queue):
            conditional.append((len(always), entry))
        else:
            always.append(entry)
    finder = _Finder(always)
    for before, entry in enumerate(always):
        if (found := finder.covering(entry, before)) is not None:
            yield entry, found
    broader = BroaderRules()
    for before, entry in conditional:
        found = finder.covering(entry, before) or next(
            (rule for rule in broader.of(entry.route) if covers(rule.pattern, entry.pattern)), None
        )
        if found is not None:
            yield entry, found
        if not placeholders(entry.route.queue):
            broader.add(entry)


class _Finder:
    """Finds the first of many patterns that covers another."""

    def __init__(self, entries: Sequence[PatternEntry]) -> None:
        self._index = Index((_plain(entry.pattern) or entry.pattern, at) for at, entry in enumerate(entries))
        self._by_text: dict[str, int] = {}
        for at, entry in enumerate(entries):
            self._by_text.setdefault(entry.pattern.text, at)
        self._entries = entries

    def covering(self, entry: PatternEntry, before: int) -> PatternEntry | None:
        """The first pattern with a lower index than `before` that covers an entry."""
        same = self._by_text.get(entry.pattern.text, before)
        if same < before:
            return self._entries[same]
        for name in _examples(entry.pattern)[-1:]:
            likely = takewhile(lambda at: at < before, (at for at, _ in self._index.matching(name)))
            return next(
                (self._entries[at] for at in likely if covers(self._entries[at].pattern, entry.pattern)), None
            )
        return None


def _calls(entry: PatternEntry) -> tuple[Any, ...]:
    """Which names and calls a rule's pattern is for."""
    return entry.pattern.text, entry.route.when, entry.route.shard_by
