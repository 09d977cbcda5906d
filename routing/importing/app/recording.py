"""An app's Celery router, wrapped to record which entry of `task_routes` routes a task."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import copy
from functools import partial
from typing import Any

from ....topology.errors import UsageError


def app_router(app: Any, source: str) -> Any:
    """The app's Celery router.

    Parameters:
      app: The app.
      source: Its name in messages.

    Raises:
      UsageError: `task_routes` is a list of pairs, which Celery reads as a list of routers.
    """
    try:
        return app.amqp.router
    except ValueError as error:
        routes = app.conf.task_routes
        if isinstance(routes, list | tuple) and any(map(_is_pair, routes)):
            raise UsageError(
                f"Celery cannot read `task_routes` of `{source}`: a list must contain routers, not pairs of a name and "
                "a route",
                "use a mapping, or put the pairs into a list within the list: `[[(name, route), …]]`",
            ) from error
        raise


class RecordingRouter:
    """Routes as an app's Celery router does, and records which entry of `task_routes` returned the route.

    Parameters:
      router: The app's router.
      entries: The entries of `task_routes` to use, as Celery prepares them.
    """

    def __init__(self, router: Any, entries: Sequence[Any]) -> None:
        self._router = copy(router)
        self._router.routes = [partial(self._query, index, entry) for index, entry in enumerate(entries)]
        #: The index of the entry that returned the last route; None if none did.
        self.matched: int | None = None

    def route(self, name: str, options: Mapping[str, Any], task: Any) -> Any:
        """The options that Celery publishes a task without arguments with."""
        self.matched = None
        return self._router.route(dict(options), name, (), {}, task)

    def _query(
        self, index: int, entry: Any, name: str, args: Any, kwargs: Any, options: Any, task: Any = None
    ) -> Any:
        route = self._router.query_router(entry, name, args, kwargs, options, task)
        if route is not None:
            self.matched = index
        # Celery modifies the mapping, which the entry may return again.
        return dict(route) if isinstance(route, Mapping) else route


def code_name(code: Any) -> str:
    """The dotted name of a class or function, or of an object's class."""
    named = code if hasattr(code, "__qualname__") else type(code)
    return f"{named.__module__}.{named.__qualname__}"


def _is_pair(entry: Any) -> bool:
    return isinstance(entry, list | tuple) and len(entry) == 2 and isinstance(entry[0], str | re.Pattern)
