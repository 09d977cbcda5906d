"""App settings that differ from the file's routes and queues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....topology.base.finding import Severity
from ....topology.base.listing import listed
from ....topology.lint.registry import make_finding
from ..reachability import routable_queues

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....topology.base.finding import Finding
    from ..context import VhostContext
    from .facts import AppFacts

#: RabbitMQ treats a queue with these arguments as equivalent to one without any.
_PLAIN = {"x-queue-type": "classic"}


def own_settings(part: VhostContext, app: AppFacts) -> Iterator[Finding]:
    """App settings that differ from the file, or undo what `configure` sets.

    Parameters:
      part: The file.
      app: The app.
    """
    yield from _routes(part, app)
    yield from _undeclared_queues(part, app)
    yield from _missing_queues(part, app)
    yield from _confirms(part, app)


def _routes(part: VhostContext, app: AppFacts) -> Iterator[Finding]:
    if app.ignored:
        message = f"`task_routes` of {app.name} was set after the app's first use: Celery keeps using the earlier value"
        help_ = "set it before the first task is sent, or use `configure`"
    elif app.overridden:
        message = f"`task_routes` of {app.name} was set after `configure`: Celery uses it instead of the file"
        help_ = "remove it, and add its routes to the file"
    elif app.routes_by is not None and not app.same:
        if app.routes_by == part.router.origin:
            message = f"{app.name} was set up from {app.routes_by}, but not with the routes that are checked"
        else:
            message = f"{app.name} was set up from {app.routes_by}, which differs from {part.router.origin}"
        help_ = "use the same files and vhost for the app and for this command"
    else:
        return
    yield make_finding("own-routes", message, help_=help_)


def _undeclared_queues(part: VhostContext, app: AppFacts) -> Iterator[Finding]:
    """The app's queues that the file does not declare."""
    book = part.router.table.addresses
    known = {*part.body.queues, *(name for name, _ in (book.delay.queues if book.delay else ()))}
    undeclared = [name for name in app.queues or () if name not in known]
    if undeclared:
        queues = f"{listed(undeclared, 10, quote='`')}, which {part.router.origin} does not declare"
        message = f"`task_queues` of {app.name} contains {queues}"
        help_ = "declare them in the file, remove them from the app, or accept it with `--allow own-queues`"
        yield make_finding("own-queues", message, help_=help_, object_=",".join(undeclared))


def _missing_queues(part: VhostContext, app: AppFacts) -> Iterator[Finding]:
    """Queues that a router in `task_routes` routes to and `task_queues` lacks."""
    if not (app.manually_installed and app.same and app.amqp):
        return
    known = set(app.queues or ())
    missing = dict.fromkeys(queue for queue, _ in routable_queues(part) if queue not in known)
    if missing:
        message = (
            f"`task_queues` of {app.name} lacks {listed(missing, 10, quote='`')}, to which the router routes: "
            "Celery declares such queues without arguments"
        )
        refused = any(part.body.queues[queue].declare_arguments() != _PLAIN for queue in missing)
        if refused:
            message += ", which RabbitMQ refuses (406)"
        help_ = 'set it to `settings(router)["task_queues"]`, or set up the app with `configure`'
        severity = Severity.ERROR if refused else None
        yield make_finding("own-queues", message, None, help_, severity=severity, object_=",".join(missing))


def _confirms(part: VhostContext, app: AppFacts) -> Iterator[Finding]:
    """Publisher confirms that an app turns off, without which lost tasks are no errors."""
    if app.routes_by is not None and app.amqp and not (app.manually_installed or app.confirms):
        message = (
            f"`broker_transport_options` of {app.name} disables publisher confirms: "
            "a task that reaches no queue is lost without an error"
        )
        help_ = "set `confirm_publish` to `True` there, or let `configure` set it"
        yield make_finding("own-confirms", message, help_=help_)
