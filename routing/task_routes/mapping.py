"""One mapping of Celery's `task_routes`: exact names in a dictionary, globs and regular expressions in an index."""

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
    """The route of names that no pattern matches. It is a class because a class keeps its identity when pickled."""


_NO_MATCH: tuple[tuple[float, Any], dict[str, str]] = ((math.inf, _NoRoute), {})


class MapRouter:
    """One mapping of `task_routes`: exact names first, then globs and regular expressions in order.

    Parameters:
      routes: The mapping, or a list of its pairs.

    Raises:
      UsageError: It is neither, or a key is neither a string nor a compiled regular expression.
    """

    def __init__(self, routes: Any) -> None:
        self._exact: dict[Any, Any] = {}
        globs: dict[re.Pattern[str], str] = {}
        patterns: dict[re.Pattern[str], Any] = {}  # of equal ones, the first's position and the last's value
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
            hint = "put a list of pairs inside another list: `task_routes = ([(name, route), ...],)`"
            text = f"`{redacted_repr(routes)}` in task_routes does not map names to routes: {error}"
            raise UsageError(text, hint if isinstance(routes, tuple) else None) from None
        indexed: list[tuple[Pattern, tuple[int, Any]]] = []
        self._not_indexed: list[tuple[int, re.Pattern[Any], Any]] = []
        for index, (regex, route) in enumerate(patterns.items()):
            pattern = _parse(globs[regex], "glob") if regex in globs else _open_ended(regex)
            if pattern:
                indexed.append((pattern, (index, route)))
            else:
                self._not_indexed.append((index, regex, route))
        self._index = Index(indexed)
        #: The routes of exact names, and a cache of those found by a pattern.
        self.known = self._exact.copy()

    def __call__(self, name: str, *_: Any) -> dict[Any, Any] | None:
        """Returns the route of a name as a new dict, or None.

        Raises:
          TypeError: The route is neither a dict nor a string.
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
        """The route of an exact name, if another thread is clearing the cache, or of the first pattern that matches."""
        if name in self._exact:
            return self._exact[name]
        (first, indexed_route), _ = next(self._index.matching(name), _NO_MATCH)
        for index, regex, route in self._not_indexed:
            if index > first:
                break
            if regex.match(name):
                return route
        return indexed_route


def _open_ended(regex: re.Pattern[Any]) -> Pattern | None:
    """An expression as our pattern, which must match to the name's end; None if the expression has flags."""
    if isinstance(regex.pattern, str) and regex.flags == re.UNICODE:
        return _parse(f"/(?:{regex.pattern})(?s:.*)/", "regex")
    return None


def _parse(text: str, kind: str) -> Pattern | None:
    """Parses a text as our pattern; None if it is not one of that kind."""
    try:
        found = parse(text)
    except ValueError:
        return None
    return found if found.kind == kind else None


def _normalised(value: Any) -> Any:
    """A copy of a route, so that later changes by its owner have no effect; a queue's name as a dict."""
    if type(value) is str and value:
        return {"queue": value}
    return value.copy() if type(value) is dict else value
