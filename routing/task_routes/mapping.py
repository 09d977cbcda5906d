"""One mapping of Celery's `task_routes`: an exact name by dictionary, then globs and expressions by an index."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...topology.base.redaction import redacted_repr
from ...topology.errors import UsageError
from ...topology.matching.pattern import parse
from ..rules.index import Index
from ..rules.table import CACHE_SIZE

if TYPE_CHECKING:
    from ...topology.matching.pattern import Pattern

_UNKNOWN = object()


class _NoRoute:
    """The route of names that no pattern matches. A class stays itself when it is pickled."""


_NO_MATCH: tuple[tuple[float, Any], dict[str, str]] = ((math.inf, _NoRoute), {})


class MapRouter:
    """One mapping of `task_routes`: exact names first, then globs and expressions in their order.

    Parameters:
      routes: The mapping, or its pairs.

    Raises:
      UsageError: They are no pairs, or a key is neither text nor a compiled expression.
    """

    def __init__(self, routes: Any) -> None:
        self._exact: dict[Any, Any] = {}
        globs: dict[re.Pattern[str], str] = {}
        patterns: dict[re.Pattern[str], Any] = {}  # of equal ones, the first's place and the last's value
        try:
            for key, value in routes.items() if isinstance(routes, Mapping) else routes:
                if isinstance(key, re.Pattern):
                    patterns[key] = _normalised(value)
                elif "*" in key:
                    regex = re.compile(fnmatch.translate(key))
                    globs[regex], patterns[regex] = key, _normalised(value)
                else:
                    self._exact[key] = _normalised(value)
        except (TypeError, ValueError) as error:
            hint = "a list of pairs stands in a list of its own: `task_routes = ([(name, route), ...],)`"
            text = f"`{redacted_repr(routes)}` in task_routes does not map names to routes: {error}"
            raise UsageError(text, hint if isinstance(routes, tuple) else None) from None
        indexed: list[tuple[Pattern, tuple[int, Any]]] = []
        self._others: list[tuple[int, re.Pattern[Any], Any]] = []
        for place, (regex, route) in enumerate(patterns.items()):
            pattern = _parse(globs[regex], "glob") if regex in globs else _open_ended(regex)
            if pattern:
                indexed.append((pattern, (place, route)))
            else:
                self._others.append((place, regex, route))
        self._index = Index(indexed)
        #: Every exact name's value, and that of names which were found by a pattern.
        self.known = self._exact.copy()

    def __call__(self, name: str, *_: Any) -> dict[Any, Any] | None:
        """The route of a name, a dict of its own for every call, or None.

        Raises:
          TypeError: The route is neither a dict nor text.
        """
        route = self.known.get(name, _UNKNOWN)
        if route is _UNKNOWN:
            route = self._search(name)
            if len(self.known) >= CACHE_SIZE + len(self._exact):
                self.known.clear()
                self.known.update(self._exact)
            self.known[name] = route
        if route is _NoRoute:
            return None
        try:
            return dict(route)
        except ValueError:
            return {"queue": route}

    def _search(self, name: str) -> Any:
        """The value of an exact name that another thread forgets just now, or of the first pattern that matches."""
        if name in self._exact:
            return self._exact[name]
        (end, route), _ = next(self._index.matching(name), _NO_MATCH)
        for place, regex, other in self._others:
            if place > end:
                break
            if regex.match(name):
                return other
        return route


def _open_ended(regex: re.Pattern[Any]) -> Pattern | None:
    """The pattern of ours that says what an expression does, which need not match to the end; None if it has flags."""
    if isinstance(regex.pattern, str) and regex.flags == re.UNICODE:
        return _parse(f"/(?:{regex.pattern})(?s:.*)/", "regex")
    return None


def _parse(text: str, kind: str) -> Pattern | None:
    """The pattern of ours that a text spells; None if it spells none of that kind."""
    try:
        found = parse(text)
    except ValueError:
        return None
    return found if found.kind == kind else None


def _normalised(value: Any) -> Any:
    """A value of a mapping that nobody else changes; a queue's name as the dict that it stands for."""
    if type(value) is str and value:
        return {"queue": value}
    return value.copy() if type(value) is dict else value
