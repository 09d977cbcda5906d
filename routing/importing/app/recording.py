"""The routers of a Celery app: all of them as Celery made them, and each, asked for what it says of a task."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from kombu.utils.functional import maybe_evaluate

from ....topology.errors import UsageError


def app_router(app: Any, source: str) -> Any:
    """The app's own router.

    Parameters:
      app: The app.
      source: What to call it.

    Raises:
      UsageError: The routes are a list of pairs, which Celery takes for a list of routers.
    """
    try:
        return app.amqp.router
    except ValueError as error:
        routes = app.conf.task_routes
        if isinstance(routes, list | tuple) and any(map(_is_pair, routes)):
            raise UsageError(
                f"Celery cannot read `task_routes` of `{source}`: it is a list of routers, and a pair of a name and a "
                "route is none",
                "write a mapping, or a list of pairs within the list: `[[(name, route), …]]`",
            ) from error
        raise


class RecordingRouter:
    """One router of the app's, which remembers whether it answered.

    Parameters:
      router: As Celery has it.
    """

    def __init__(self, router: Any) -> None:
        self._router = maybe_evaluate(router)
        self.answered = False

    def __call__(self, name: str, args: Any, kwargs: Any, options: Any, task: Any = None) -> Any:
        """What it says, as Celery asks it; a mapping is a copy."""
        if hasattr(self._router, "route_for_task"):
            route = self._router.route_for_task(name, args, kwargs)
        else:
            route = self._router(name, args, kwargs, options, task=task)
        self.answered = route is not None
        # Celery writes into what it gets, which may be a router's only copy.
        return dict(route) if isinstance(route, Mapping) else route

    @property
    def called(self) -> str:
        """What to call the router."""
        code = self._router if hasattr(self._router, "__qualname__") else type(self._router)
        return f"{code.__module__}.{code.__qualname__}"


def _is_pair(entry: Any) -> bool:
    return isinstance(entry, list | tuple) and len(entry) == 2 and isinstance(entry[0], str | re.Pattern)
