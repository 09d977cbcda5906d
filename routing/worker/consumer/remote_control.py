"""The remote control commands `add_consumer` and `cancel_consumer`, for existing queues and for shards."""

from __future__ import annotations

from collections import ChainMap
from typing import TYPE_CHECKING, Any, cast

from celery.utils.log import get_logger
from celery.worker.control import nok, ok

from ....topology.errors import UsageError
from ...publishing import transport
from ...publishing.router import router_of
from .. import queue_selection
from .. import share as sharing
from .node_name import PatientControl
from .passive import absent_queues, missing_queues_message

if TYPE_CHECKING:
    from ...router import Router

_logger = get_logger(__name__)


class Control(PatientControl):
    """The step for remote control, with two commands replaced."""

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        node = self.box.node
        node.handlers = ChainMap(
            {"add_consumer": add_consumer, "cancel_consumer": cancel_consumer}, node.handlers
        )


def add_consumer(state: Any, queue: str, *_: Any, **__: Any) -> dict[str, str]:
    """Makes the worker consume a queue; of a queue with shards, those in its share.

    Parameters:
      state: The worker's state, as Celery passes it to commands.
      queue: The queue's name. The other parameters of Celery's command are for declaring a queue.
    """
    try:
        queues = _queues(state, queue)
    except UsageError as error:
        text = f"{error.message}: {error.hint}" if error.hint else error.message
        _logger.error(text)
        reply: dict[str, str] = nok(text)
        return reply
    # Selected at once: Celery drops pending `call_soon` calls when the connection is lost.
    selected = state.app.amqp.queues
    for name in queues:
        selected.select_add(selected[name])
        state.consumer.call_soon(state.consumer.add_task_queue, name)
    return _done(f"add consumer {queue}")


def cancel_consumer(state: Any, queue: str, **_: Any) -> dict[str, str]:
    """Makes the worker stop consuming a queue, or all shards of one.

    Parameters:
      state: The worker's state, as Celery passes it to commands.
      queue: The queue's name.
    """
    for name in sharing.expand_shards(_router(state).body, (queue,)):
        state.app.amqp.queues.deselect(name)
        state.consumer.unavailable.discard(name)
        state.consumer.call_soon(state.consumer.cancel_task_queue, name)
    return _done(f"no longer consuming from {queue}")


def _queues(state: Any, queue: str) -> tuple[str, ...]:
    """The queues that this worker consumes for a name.

    Raises:
      UsageError: The file or the broker has no such queue, or its node is down.
    """
    app, router = state.app, _router(state)
    queues = queue_selection.select_queues(app, router, (queue,))
    if queue in router.body.shards:
        share = sharing.parse_share(state.consumer.controller.options.get("share"))
        queues = sharing.queues_of_share(router.body, queues, share)
    found = [app.amqp.queues[name] for name in queues]
    with app.connection_for_read() as connection:
        if transport.of(connection.transport.driver_type).amqp:
            absent = absent_queues(connection, [each.name for each in found if each.no_declare])
            if absent.missing:
                raise UsageError(missing_queues_message(absent.missing, connection.virtual_host))
            for name, reason in absent.unavailable.items():
                raise UsageError(f"queue `{name}` is unavailable", reason)
    return tuple(each.name for each in found)


def _router(state: Any) -> Router:
    """The router of the worker's app, which only workers with a router have this step for."""
    return cast("Router", router_of(state.app))


def _done(text: str) -> dict[str, str]:
    reply: dict[str, str] = ok(text)
    return reply
