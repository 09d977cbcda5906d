"""Mistakes in what a file says of tasks: routes, `unmatched` and worker profiles. Pure."""

from __future__ import annotations

from . import pattern
from .finding import did_you_mean
from .model import Body, Route
from .model.topology import REFUSE
from .report import Names, Report
from .source import Path_


class RouteCheck:
    """Checks the routes and worker profiles of one vhost.

    Parameters:
      base: The path of the vhost's body.
      body: What it says.
      names: The names that may be referred to.
      report: Takes what is found.
    """

    def __init__(self, base: Path_, body: Body, names: Names, report: Report) -> None:
        self._base = base
        self._queues = names.queues.get(base, frozenset())
        self._body = body
        self._report = report

    def routes(self) -> None:
        """Every rule, and `unmatched`."""
        for index, route in enumerate(self._body.routes):
            self._route((*self._base, "routes", index), route)
        unmatched = self._body.unmatched
        if unmatched != REFUSE and unmatched not in self._queues:
            self._report.missing((*self._base, "unmatched"), "queue", unmatched, self._queues)

    def _route(self, path: Path_, route: Route) -> None:
        wanted = {
            name: field
            for field in ("key", "queue")
            for name in pattern.placeholders(getattr(route, field) or "")
        }
        for position, text in enumerate(route.tasks):
            # A single pattern stands where a list would: its place is the value of `tasks` itself.
            place = (*path, "tasks", position)
            try:
                parsed = pattern.parse(text)
            except ValueError as error:
                outside = self._report.is_from_outside(place)
                message = "the pattern is wrong once its variables are filled in" if outside else str(error)
                self._report(place, "bad-pattern", message)
                continue
            for name, field in wanted.items():
                if name not in parsed.captures:
                    shown = self._report.written(place, text)
                    message = f"`{{{name}}}` in `{field}` is not captured by the pattern `{shown}`"
                    help_ = (
                        did_you_mean(name, parsed.captures)
                        or f"write `{{{name}}}` in the pattern, or name a queue"
                    )
                    self._report((*path, field), "bad-pattern", message, help_)
        if not pattern.placeholders(route.queue) and route.queue not in self._queues:
            self._report.missing((*path, "queue"), "queue", route.queue, self._queues)
        queue = self._body.queues.get(route.queue)
        if queue is not None and queue.type == "stream":
            shown = self._report.written((*path, "queue"), route.queue)
            message = f"`{shown}` is a stream: Celery's workers cannot consume one"
            self._report((*path, "queue"), "bad-route", message, "route tasks to a classic or quorum queue")

    def workers(self) -> None:
        """The queues of every worker profile."""
        for name, profile in self._body.workers.items():
            for index, queue in enumerate(profile.queues):
                path = (*self._base, "workers", name, "queues", index)
                if queue not in self._queues:
                    self._report.missing(path, "queue", queue, self._queues)
                elif queue in profile.queues[:index]:
                    message = f"`{self._report.written(path, queue)}` is named twice"
                    self._report(path, "conflict", message, "remove one of the two")
