"""Configures Celery from the file: queues, routes, defaults, confirms, delays and worker profiles.

    configure(app, "queues.yaml")                                    # an app
    globals().update(settings("queues.yaml", namespace="CELERY", beside=globals()))    # Django settings
    globals().update(settings("queues.yaml", beside=globals()))                        # celeryconfig.py

Celery then declares nothing, unless `declare=True`: a missing queue or exchange is an error at the publisher and one
line in the worker's log.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

from celery.app.defaults import DEFAULTS
from celery.app.utils import Settings

from ..topology.errors import RoutingError
from .publishing import broker_url
from .publishing.failures import (
    BrokerBlocked,
    BrokerDown,
    PublishFailed,
    PublishTimeout,
    QueueDown,
    QueueFull,
    Undeliverable,
    UnknownQueue,
)
from .publishing.rate_limits import RateLimits, limit_bound_tasks, merge_annotations
from .publishing.router import PublishingRouter, Routes, entries, router_of
from .publishing.send_task import wrap_send_task
from .router import PUBLISH_TIMEOUT, Router
from .rules.default_queues import default_queue
from .worker import hooks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from celery import Celery

__all__ = [
    "BrokerBlocked",
    "BrokerDown",
    "PublishFailed",
    "PublishTimeout",
    "QueueDown",
    "QueueFull",
    "Undeliverable",
    "UnknownQueue",
    "configure",
    "settings",
]

_SIGNAL = "routectl"

#: Settings that the file overrides; for all others, the app's own value is kept.
_OWNED_SETTINGS = frozenset(
    f"task_{name}"
    for name in (
        "queues",
        "routes",
        "default_queue",
        "default_exchange",
        "default_exchange_type",
        "default_routing_key",
        "create_missing_queues",
        "queue_max_priority",
    )
)

_logger = logging.getLogger(__name__)

#: What `app.amqp` caches of the configuration; cleared when the configuration changes after its first use.
_CACHED_BY_AMQP = (
    "queues",
    "router",
    "default_exchange",
    "default_queue",
    "send_task_message",
    "create_task_message",
)


def configure(
    app: Celery,
    source: Path | str | Sequence[Path | str] | Router,
    *,
    declare: bool = False,
    vhost: str | None = None,
    watch: bool = False,
    publish_timeout: float | None = PUBLISH_TIMEOUT,
) -> Router:
    """Configures an app from a file, now and whenever it loads its configuration again.

    The app's own settings are kept, except its queues and routes. Adds `--profile` to the app's worker command.

    Parameters:
      app: The app, used before or not.
      source: The file, a file and its overlays, or a router.
      declare: Let Celery declare exactly what is in the file, instead of nothing.
      vhost: One of the file's `vhosts`, or None for its top level.
      watch: Reload the routes when the file changes, see `Router.from_file`. Ignored if `source` is a router.
      publish_timeout: Seconds after which publishing a task fails if the broker has not confirmed it, retries included;
        None to wait for ever.

    Returns:
      The app's router.

    Raises:
      FileError: The file is invalid.
      RoutingError: A rule does not route to exactly one queue.
      UsageError: `source` is not a path, or Celery cannot parse the app's `broker_url`.
    """
    broker_url.check_app(app)
    router = _router(source, declare, vhost, watch, publish_timeout)
    values = _celery_settings(router)

    def apply(**_: Any) -> None:
        changes = _changes_for_app(app, values, router)
        _clear_caches(app)
        app.conf.update(changes)
        limit_bound_tasks(app, values.get("task_annotations", ()))

    app.on_after_configure.disconnect(dispatch_uid=_SIGNAL)
    app.on_after_configure.connect(apply, weak=False, dispatch_uid=_SIGNAL)
    app.__reduce_keys__ = partial(_pickled_config, app)
    wrap_send_task(app)
    broker_url.wrap_connections(app)
    if app.configured:
        apply()
    hooks.add_options(app)
    return router


def settings(
    source: Path | str | Sequence[Path | str] | Router,
    *,
    namespace: str | None = None,
    beside: Mapping[str, Any] | None = None,
    declare: bool = False,
    vhost: str | None = None,
    watch: bool = False,
    publish_timeout: float | None = PUBLISH_TIMEOUT,
) -> dict[str, Any]:
    """Returns the file as Celery settings, for a settings module.

    Parameters:
      source: The file, a file and its overlays, or a router.
      namespace: `CELERY` for names such as `CELERY_TASK_ROUTES`, as in Django; None for Celery's own names.
      beside: Your own settings, such as `globals()`: they are kept, except those of routes and queues; annotations and
        transport options are merged with the file's.
      declare: Let Celery declare exactly what is in the file, instead of nothing.
      vhost: One of the file's `vhosts`, or None for its top level.
      watch: Reload the routes when the file changes, see `Router.from_file`. Ignored if `source` is a router.
      publish_timeout: Seconds after which publishing a task fails if the broker has not confirmed it, retries included;
        None to wait for ever.

    Raises:
      FileError: The file is invalid.
      RoutingError: A rule does not route to exactly one queue.
      UsageError: `source` is not a path.
    """
    values = {
        **_celery_settings(_router(source, declare, vhost, watch, publish_timeout)),
        "broker_transport_options": {"confirm_publish": True},
    }
    found: dict[str, Any] = {}
    for name, value in values.items():
        key = name if namespace is None else f"{namespace.rstrip('_')}_{name}".upper()
        found[key] = _merged(name, value, beside[key]) if beside and key in beside else value
    return found


def _pickled_config(app: Any) -> dict[str, Any]:
    """The pickled configuration of an app, loaded before, since the unpickled app could not load it."""
    app.conf.finalize()
    found: dict[str, Any] = type(app).__reduce_keys__(app)
    return found


def _merged(name: str, value: Any, own: Any) -> Any:
    """The value of a setting that the user has set, too."""
    if name in _OWNED_SETTINGS:
        return value
    if name == "task_annotations":
        return merge_annotations(own, value)
    if name == "broker_transport_options":
        return {**value, **(own or {})}
    return own


def _router(
    source: Any, declare: bool, vhost: str | None, watch: bool, publish_timeout: float | None
) -> PublishingRouter:
    router = source if isinstance(source, Router) else Router.from_file(source, vhost=vhost, watch=watch)
    hooks.connect()
    return PublishingRouter(router, declare=declare, publish_timeout=publish_timeout)


def _changes_for_app(app: Any, values: Mapping[str, Any], router: PublishingRouter) -> dict[str, Any]:
    """The app's settings to change: those the file overrides, and those the app does not set."""
    conf = app.conf
    own = Settings({}, conf.maps[:-1], conf._keys, conf.prefix)
    changes = {name: value for name, value in values.items() if name in _OWNED_SETTINGS or name not in own}
    if router in entries(conf.task_routes):
        changes["task_routes"] = Routes(entries(conf.task_routes))
    elif router_of(app) is None:
        replaced = " and ".join(f"`{name}`" for name in ("task_routes", "task_queues") if own.get(name))
        if replaced:
            _logger.warning("app `%s`: %s replaces its own %s", app.main, router.origin, replaced)
    if "task_annotations" in values:
        changes["task_annotations"] = merge_annotations(conf.task_annotations, values["task_annotations"])
    options = conf.broker_transport_options or {}
    return {**changes, "broker_transport_options": {"confirm_publish": True, **options}}


def _celery_settings(router: PublishingRouter) -> dict[str, Any]:
    """All settings except the transport options, by Celery's lower-case names."""
    default = default_queue(router.body)
    if default is None:
        raise RoutingError(f"{router.origin} has no queue for tasks", "declare one under `queues`")
    values = {
        "task_queues": router.task_queues,
        "task_routes": Routes((router,)),
        "task_create_missing_queues": False,
        "task_default_queue": default,
        # The default exchange reaches every queue by its name. Any other would replace the default exchange of
        # queues that use it (`Queues._add`).
        "task_default_exchange": "",
        "task_default_exchange_type": "direct",
        "task_default_routing_key": default,
        "task_queue_max_priority": None,  # adds an argument to every queue, which quorum queues reject
        "worker_detect_quorum_queues": True,
        "broker_native_delayed_delivery_queue_type": "quorum",
        "control_queue_exclusive": True,
        "event_queue_exclusive": True,
    }
    if any(route.rate_limit is not None for route in router.body.routes):
        values["task_annotations"] = [RateLimits(router)]
    return {name: value for name, value in values.items() if name in DEFAULTS}


def _clear_caches(app: Any) -> None:
    """Clears what an app that was used before caches of its old configuration."""
    amqp = app.__dict__.get("amqp")
    if amqp is not None:
        for name in _CACHED_BY_AMQP:
            amqp.__dict__.pop(name, None)
        amqp._producer_pool = amqp._rtable = None
    app._pool = None
    app.__dict__.pop("annotations", None)
