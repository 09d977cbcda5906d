"""`add_consumer` and `cancel_consumer` of a running worker: for queues that there are, and shard by shard."""

from __future__ import annotations

from collections import ChainMap
from typing import TYPE_CHECKING, Any, cast

from celery.utils.log import get_logger
from celery.worker.consumer.control import Control as CelerysControl
from celery.worker.control import nok, ok

from ....topology.errors import UsageError
from ...publishing import transport
from ...publishing.router import router_of
from .. import queue_selection
from .. import share as sharing
from .passive import missing_queues, missing_queues_message

if TYPE_CHECKING:
    from ...router import Router

_logger = get_logger(__name__)


class Control(CelerysControl):  # type: ignore[misc]
    """Celery's step for remote control, of which two commands know the file."""

    def __init__(self, consumer: Any, **options: Any) -> None:
        super().__init__(consumer, **options)
        node = self.box.node
        node.handlers = ChainMap(
            {"add_consumer": add_consumer, "cancel_consumer": cancel_consumer}, node.handlers
        )


def add_consumer(state: Any, queue: str, *_: Any, **__: Any) -> dict[str, str]:
    """Has the worker take a queue; of one with shards, as many as its share.

    Parameters:
      state: What Celery hands to its commands.
      queue: The queue's name. What else Celery's own command takes is for queues that it declares.
    """
    try:
        queues = _queues(state, queue)
    except UsageError as error:
        why = f"{error.message}: {error.hint}" if error.hint else error.message
        _logger.error(why)
        reply: dict[str, str] = nok(why)
        return reply
    # Selected here and now: of what is to be done soon, Celery forgets some when the connection is lost before.
    selected = state.app.amqp.queues
    for name in queues:
        selected.select_add(selected[name])
        state.consumer.call_soon(state.consumer.add_task_queue, name)
    return _done(f"add consumer {queue}")


def cancel_consumer(state: Any, queue: str, **_: Any) -> dict[str, str]:
    """Has the worker take a queue, or all shards of one, no more.

    Parameters:
      state: What Celery hands to its commands.
      queue: The queue's name.
    """
    for name in sharing.expand_shards(_router(state).body, (queue,)):
        state.app.amqp.queues.deselect(name)
        state.consumer.call_soon(state.consumer.cancel_task_queue, name)
    return _done(f"no longer consuming from {queue}")


def _queues(state: Any, queue: str) -> tuple[str, ...]:
    """The queues that a name means to this worker.

    Raises:
      UsageError: There is no such queue, in the file or on the broker.
    """
    app, router = state.app, _router(state)
    queues = queue_selection.select_queues(app, router, (queue,))
    share = state.consumer.controller.options.get("share")
    if share is not None and queue in router.body.shards:
        queues = sharing.queues_of_share(router.body, queues, sharing.parse_share(share))
    known = [app.amqp.queues[name] for name in queues]
    with app.connection_for_read() as connection:
        if transport.of(connection.transport.driver_type).amqp:
            absent = missing_queues(connection, [each.name for each in known if each.no_declare])
            if absent:
                raise UsageError(missing_queues_message(absent, connection.virtual_host))
    return tuple(each.name for each in known)


def _router(state: Any) -> Router:
    """The router of the worker's app, without which the worker would not have this step."""
    return cast("Router", router_of(state.app))


def _done(text: str) -> dict[str, str]:
    reply: dict[str, str] = ok(text)
    return reply
