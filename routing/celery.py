"""Sets up Celery from the file: queues, routes, defaults, confirms, delays and worker profiles.

    configure(app, "queues.yaml")                                    # an app
    globals().update(settings("queues.yaml", namespace="CELERY"))    # Django settings
    globals().update(settings("queues.yaml"))                        # celeryconfig.py, Flask

Celery then declares nothing, unless `declare=True`: what is missing on the broker is an error at the
publisher and one sentence in the worker's log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.app.defaults import DEFAULTS
from kombu import Exchange, Queue

from ..topology import delay
from ..topology.address import consumable_queues
from ..topology.errors import RoutingError
from ..topology.simulate import BUILT_IN
from .publish import PublishingRouter, Undeliverable
from .router import Router
from .worker import hooks
from .worker.profile import default_queue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from celery import Celery

    from ..topology import model

__all__ = ["Undeliverable", "configure", "settings"]

_SIGNAL = "routectl"

#: What an app caches of its configuration; forgotten when the configuration changes after its first use.
_CACHED = ("queues", "router", "default_exchange", "default_queue", "send_task_message")


def configure(
    app: Celery,
    source: Path | str | Sequence[Path | str] | Router,
    *,
    declare: bool = False,
    vhost: str | None = None,
) -> Router:
    """Sets up an app from a file, now and whenever it reads its configuration again.

    The broker's URL and whatever has nothing to do with routing stay as they are. Adds `--profile` to the
    app's worker command.

    Parameters:
      app: The app, used before or not.
      source: The file, a file and its overlays, or a router.
      declare: Let Celery declare exactly what the file says, instead of nothing.
      vhost: One of the file's `vhosts`, or None for its top level.

    Returns:
      The app's router.

    Raises:
      FileError: The file is wrong.
      RoutingError: A route leads to no queue or several.
    """
    router = _router(source, declare, vhost)
    values = _values(router)

    def apply(**_: Any) -> None:
        options = dict(app.conf.broker_transport_options or {})
        _forget(app)
        app.conf.update({**values, "broker_transport_options": {"confirm_publish": True, **options}})

    app.on_after_configure.disconnect(dispatch_uid=_SIGNAL)
    app.on_after_configure.connect(apply, weak=False, dispatch_uid=_SIGNAL)
    if app.configured:
        apply()
    hooks.add_profile_option(app)
    return router


def settings(
    source: Path | str | Sequence[Path | str] | Router,
    *,
    namespace: str | None = None,
    declare: bool = False,
    vhost: str | None = None,
) -> dict[str, Any]:
    """The file as Celery settings, to be put into a settings module.

    Parameters:
      source: The file, a file and its overlays, or a router.
      namespace: `CELERY` for names such as `CELERY_TASK_ROUTES`, as Django has them; None for Celery's own.
      declare: Let Celery declare exactly what the file says, instead of nothing.
      vhost: One of the file's `vhosts`, or None for its top level.

    Raises:
      FileError: The file is wrong.
      RoutingError: A route leads to no queue or several.
    """
    values = {
        **_values(_router(source, declare, vhost)),
        "broker_transport_options": {"confirm_publish": True},
    }
    if namespace is None:
        return values
    return {f"{namespace.rstrip('_')}_{name}".upper(): value for name, value in values.items()}


class FileQueue(Queue):  # type: ignore[misc]
    """A queue that Celery declares with the file's bindings, not with the key that tasks are published by."""

    attrs = (*Queue.attrs, ("file_bindings", None))

    def _create_queue(self, nowait: bool = False, channel: Any = None) -> None:
        self.queue_declare(nowait=nowait, passive=False, channel=channel)

    def _create_bindings(self, nowait: bool = False, channel: Any = None) -> None:
        channel = channel or self.channel
        for exchange, key, arguments in self.file_bindings or ():
            exchange(channel).declare(nowait=nowait)
            self.bind_to(exchange.name, key, arguments, nowait=nowait, channel=channel)


def _router(source: Any, declare: bool, vhost: str | None) -> PublishingRouter:
    hooks.connect()
    router = source if isinstance(source, Router) else Router.from_file(source, vhost=vhost)
    return PublishingRouter(router, declare=declare)


def _values(router: PublishingRouter) -> dict[str, Any]:
    """Every setting except the transport's options, by Celery's lower-case names."""
    queues = list(_queues(router))
    default = _default_queue(router)
    values = {
        "task_queues": queues,
        "task_routes": (router,),
        "task_create_missing_queues": False,
        "task_default_queue": default,
        # The default exchange knows every queue by its name. Any other would be put in the place of queues'
        # own default exchange (`Queues._add`).
        "task_default_exchange": "",
        "task_default_exchange_type": "direct",
        "task_default_routing_key": default,
        "task_queue_max_priority": None,  # an argument more on every queue, which quorum queues refuse
        "worker_detect_quorum_queues": True,
        "broker_native_delayed_delivery_queue_type": "quorum",
        "control_queue_exclusive": True,
        "event_queue_exclusive": True,
    }
    return {name: value for name, value in values.items() if name in DEFAULTS}


def _default_queue(router: Router) -> str:
    """The queue of tasks without a route."""
    queue = default_queue(router.body)
    if queue is None:
        raise RoutingError(
            f"{router.origin} has no queue that tasks could go to", "declare one under `queues`"
        )
    return queue


def _queues(router: PublishingRouter) -> Iterator[Queue]:
    """The file's queues as kombu has them, all that a worker can consume."""
    body, book = router.body, router.table.addresses
    for name in consumable_queues(body):
        queue = body.queues[name]
        # Celery delays tasks on the broker as soon as it sees a quorum queue, which needs more to exist.
        unseen = queue.type == "quorum" and book.delay is None and not book.is_task_queue(name)
        if router.declare and not unseen:
            yield _declared_queue(body, name, book.of(name))
        else:
            yield _existing_queue(name, book.of(name), {} if unseen else queue.declare_arguments())
    if book.delay is not None and not any(queue.type == "quorum" for queue in body.queues.values()):
        # Celery delays on the broker only if it sees a quorum queue: the first level's is one.
        level = delay.level_name(0)
        yield _existing_queue(level, ("", "direct", level), {"x-queue-type": "quorum"})


def _existing_queue(name: str, address: tuple[str, str, str], arguments: Mapping[str, Any]) -> Queue:
    exchange, kind, key = address
    return Queue(
        name,
        Exchange(exchange, kind, no_declare=True),
        routing_key=key,
        queue_arguments=dict(arguments),
        no_declare=True,
    )


def _declared_queue(body: model.Body, name: str, address: tuple[str, str, str]) -> Queue:
    queue = body.queues[name]
    exchange, _, key = address
    return FileQueue(
        name,
        _exchange(body, exchange),
        routing_key=key,
        durable=queue.durable,
        auto_delete=queue.auto_delete,
        queue_arguments=queue.declare_arguments(),
        no_declare=queue.external,
        file_bindings=[
            (_exchange(body, binding.exchange), binding.key, binding.binding_arguments())
            for binding in queue.bindings
        ],
    )


def _exchange(body: model.Body, name: str) -> Exchange:
    """An exchange as the file declares it; one that is external or not in the file is left alone."""
    exchange = body.exchanges.get(name)
    if exchange is None:
        return Exchange(name, BUILT_IN.get(name, "direct"), no_declare=True)
    return Exchange(
        name,
        exchange.type,
        durable=exchange.durable,
        auto_delete=exchange.auto_delete,
        arguments=exchange.declare_arguments(),
        no_declare=exchange.external,
    )


def _forget(app: Any) -> None:
    """Drops what an app that was used before remembers of its old configuration."""
    amqp = app.__dict__.get("amqp")
    if amqp is not None:
        for name in _CACHED:
            amqp.__dict__.pop(name, None)
        amqp._producer_pool = amqp._rtable = None
    app._pool = None
