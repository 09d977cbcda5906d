"""What an app's own settings do to the file's routes and queues. Pure: the app comes as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....topology.base.finding import Severity
from ....topology.lint.registry import make_finding
from ..reachability import routable_queues

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ....topology.base.finding import Finding
    from ..context import VhostContext
    from .facts import AppFacts

#: The arguments of a queue that RabbitMQ takes for the same as one that is declared without any.
_PLAIN = {"x-queue-type": "classic"}


def own_settings(part: VhostContext, app: AppFacts) -> Iterator[Finding]:
    """What of an app's settings says otherwise than the file, or undoes what `configure` sets.

    Parameters:
      part: The file.
      app: The app.
    """
    yield from _routes(part, app)
    yield from _strange_queues(part, app)
    yield from _missing_queues(part, app)
    yield from _confirms(part, app)


def _routes(part: VhostContext, app: AppFacts) -> Iterator[Finding]:
    if app.ignored:
        message = f"`task_routes` of {app.name} was set after the app's first use: Celery goes on by the earlier one"
        yield make_finding(
            "own-routes", message, help_="set it before the first task is sent, or use `configure`"
        )
    elif app.overridden:
        message = (
            f"`task_routes` of {app.name} was set after `configure`: Celery goes by that, not by the file"
        )
        yield make_finding("own-routes", message, help_="take it out, and say it in the file's `routes`")
    elif app.routes_by is not None and not app.same:
        if app.routes_by == part.router.origin:
            message = f"{app.name} was set up from {app.routes_by}, but not with the routes that are checked"
        else:
            message = f"{app.name} was set up from {app.routes_by}, which says something else than {part.router.origin}"
        yield make_finding("own-routes", message, help_="name the same files and vhost here and there")


def _strange_queues(part: VhostContext, app: AppFacts) -> Iterator[Finding]:
    """The app's queues that the file does not know."""
    book = part.router.table.addresses
    known = {*part.body.queues, *(name for name, _ in (book.delay.queues if book.delay else ()))}
    strange = [name for name in app.queues or () if name not in known]
    if strange:
        message = (
            f"`task_queues` of {app.name} has {_listed(strange)}, which {part.router.origin} does not know"
        )
        help_ = "declare them in the file, take them out of the app, or accept it with `--allow own-queues`"
        yield make_finding("own-queues", message, help_=help_)


def _missing_queues(part: VhostContext, app: AppFacts) -> Iterator[Finding]:
    """The queues that a router leads to which stands in `task_routes` by hand, and that Celery does not know."""
    if not (app.manually_installed and app.same and app.amqp):
        return
    known = set(app.queues or ())
    missing = dict.fromkeys(queue for queue, _ in routable_queues(part) if queue not in known)
    if missing:
        message = (
            f"`task_queues` of {app.name} has no {_listed(missing)}, to which the router leads: "
            "Celery makes such queues up, and declares them without arguments"
        )
        refused = any(part.body.queues[queue].declare_arguments() != _PLAIN for queue in missing)
        if refused:
            message += ", which RabbitMQ refuses (406)"
        help_ = 'take `settings(router)["task_queues"]` for it, or set up the app by `configure`'
        severity = Severity.ERROR if refused else None
        yield make_finding("own-queues", message, None, help_, severity=severity)


def _confirms(part: VhostContext, app: AppFacts) -> Iterator[Finding]:
    """Publisher confirms that are off in an app whose lost tasks are to be errors."""
    if app.routes_by is not None and app.amqp and not (app.manually_installed or app.confirms):
        message = (
            f"`broker_transport_options` of {app.name} leave publisher confirms off: "
            "a task that no queue takes is lost without an error"
        )
        help_ = "set `confirm_publish` to `True` there, or leave it to `configure`"
        yield make_finding("own-confirms", message, help_=help_)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
