"""A Celery app's routers, wrapped to record which of them routes a task."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kombu.utils.functional import maybe_evaluate

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
    """One of the app's routers, which records whether it returned a route.

    Parameters:
      router: The router that Celery uses.
    """

    def __init__(self, router: Any) -> None:
        self._router = maybe_evaluate(router)
        self.matched = False

    def __call__(self, name: str, args: Any, kwargs: Any, options: Any, task: Any = None) -> Any:
        """The router's result for a task; a mapping is copied."""
        if hasattr(self._router, "route_for_task"):
            route = self._router.route_for_task(name, args, kwargs)
        else:
            route = self._router(name, args, kwargs, options, task=task)
        self.matched = route is not None
        # Celery modifies the mapping, which the router may return again.
        return dict(route) if isinstance(route, Mapping) else route

    @property
    def name(self) -> str:
        """Where the router is defined, for notes."""
        code = self._router if hasattr(self._router, "__qualname__") else type(self._router)
        return f"{code.__module__}.{code.__qualname__}"


def _is_pair(entry: Any) -> bool:
    return isinstance(entry, list | tuple) and len(entry) == 2 and isinstance(entry[0], str | re.Pattern)
