"""The file's queues as kombu queues, for Celery's `task_queues`."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from kombu import Exchange, Queue, binding

from ...topology.base.resources import BUILT_IN_EXCHANGES
from ...topology.delivery import delayed
from ...topology.delivery.addresses import consumable_queues
from ...topology.model.delivery_limit import UNLIMITED, UNLIMITED_SINCE
from ...topology.model.support import parse_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from ...topology import model
    from ...topology.delivery.addresses import AddressBook


class FileQueue(Queue):  # type: ignore[misc]
    """A queue that Celery declares with the file's bindings, not with the routing key of its tasks.

    Celery itself binds it for delayed tasks with that routing key only; `delay_bindings` are those for other keys.
    """

    attrs = (*Queue.attrs, ("file_bindings", None), ("delay_bindings", None), ("unlimited", bool))

    def as_dict(self, recurse: bool = False) -> dict[str, Any]:
        """Returns kombu's dict, with the file's bindings in kombu's format if it must be serializable.

        Parameters:
          recurse: Whether it must be serializable, as for `celery inspect active_queues`.
        """
        found: dict[str, Any] = super().as_dict(recurse)
        if recurse:
            found.pop("unlimited", None)
            found.pop("delay_bindings", None)
            bindings = [
                binding(exchange, key, arguments=arguments)
                for exchange, key, arguments in found.pop("file_bindings") or ()
            ]
            found["bindings"] = [each.as_dict(recurse=True) for each in bindings]
        return found

    def _create_queue(self, nowait: bool = False, channel: Any = None) -> None:
        queue = self
        if self.unlimited and _has_default_limit(channel or self.channel):
            queue = copy(self)
            queue.queue_arguments = {**self.queue_arguments, "x-delivery-limit": -1}
        queue.queue_declare(nowait=nowait, passive=False, channel=channel)

    def _create_bindings(self, nowait: bool = False, channel: Any = None) -> None:
        channel = channel or self.channel
        for exchange, key, arguments in self.file_bindings or ():
            exchange(channel).declare(nowait=nowait)
            self.bind_to(exchange.name, key, arguments, nowait=nowait, channel=channel)
        for exchange, key in self.delay_bindings or ():
            Exchange(delayed.DELIVERY, "topic")(channel).declare(nowait=nowait)
            exchange(channel).bind_to(delayed.DELIVERY, key, nowait=nowait, channel=channel)
            self.bind_to(exchange.name, key, nowait=nowait, channel=channel)


def _has_default_limit(channel: Any) -> bool:
    """Whether the broker of a channel limits deliveries unless the queue's argument is -1."""
    properties = getattr(channel.connection, "server_properties", None) or {}
    try:
        return parse_version(str(properties.get("version", ""))) >= UNLIMITED_SINCE
    except ValueError:
        return False


class FileQueues(list[Queue]):
    """The value of `task_queues`. Every app iterates over it before its first task: it must then be wrapped.

    An app's own router may answer for every task, so that the file's router is not called.

    Parameters:
      queues: The queues.
      wrap: Wraps publishing in the apps that use them.
    """

    def __init__(self, queues: Iterable[Queue] = (), wrap: Callable[[], None] | None = None) -> None:
        super().__init__(queues)
        self._wrap = wrap

    def __iter__(self) -> Iterator[Queue]:
        if self._wrap is not None:
            self._wrap()
        return super().__iter__()

    def replace(self, queues: Iterable[Queue]) -> None:
        """Replaces the queues, for apps that have not read them yet."""
        self[:] = queues

    def __reduce__(self) -> Any:
        # The queues refer to the router, and the router to its queues.
        return FileQueues, (), self.__dict__, super().__iter__()


def kombu_queues(body: model.Body, book: AddressBook, *, declare: bool) -> Iterator[Queue]:
    """Yields all queues that a worker can consume.

    Parameters:
      body: One vhost's part of the file.
      book: The addresses of its queues.
      declare: Whether Celery declares what is in the file, or nothing.
    """
    hidden = hidden_queues(body, book)
    for name in consumable_queues(body):
        queue = body.queues[name]
        if declare and (name not in hidden or book.is_task_queue(name)):
            yield _declared_queue(body, name, book)
        else:
            arguments = {} if name in hidden else queue.declare_arguments()
            yield _existing_queue(name, book.of(name), arguments)
    if book.delay is not None and not any(queue.type == "quorum" for queue in body.queues.values()):
        # Celery uses native delayed delivery only if there is a quorum queue: the first level's queue is one.
        level = delayed.level_name(0)
        yield _existing_queue(level, ("", "direct", level), {"x-queue-type": "quorum"})


def hidden_queues(body: model.Body, book: AddressBook) -> frozenset[str]:
    """Returns the quorum queues whose type Celery must not see, unless it declares them itself.

    With a quorum queue, Celery uses native delayed delivery, whose queues and exchanges may not exist.

    Parameters:
      body: One vhost's part of the file.
      book: The addresses of its queues.
    """
    if book.delay is not None:
        return frozenset()
    return frozenset(name for name, queue in body.queues.items() if queue.type == "quorum")


def _existing_queue(name: str, address: tuple[str, str, str], arguments: Mapping[str, Any]) -> Queue:
    exchange, kind, key = address
    return Queue(
        name,
        Exchange(exchange, kind, no_declare=True),
        routing_key=key,
        queue_arguments=dict(arguments),
        no_declare=True,
    )


def _declared_queue(body: model.Body, name: str, book: AddressBook) -> Queue:
    queue = body.queues[name]
    exchange, _, key = book.of(name)
    delays = () if book.delay is None else book.delay.queue_bindings
    return FileQueue(
        name,
        _exchange(body, exchange),
        routing_key=key,
        durable=queue.durable,
        auto_delete=queue.auto_delete,
        queue_arguments=queue.declare_arguments(),
        no_declare=bool(queue.external),
        unlimited=queue.delivery_limit == UNLIMITED,
        file_bindings=[
            (_exchange(body, each.exchange), each.key, each.binding_arguments()) for each in queue.bindings
        ],
        delay_bindings=[
            (_exchange(body, source), delayed_key)
            for source, target, delayed_key in delays
            if target == name and delayed_key != delayed.delayed_key(key)
        ],
    )


def _exchange(body: model.Body, name: str) -> Exchange:
    """An exchange as the file declares it; an external one, or one not in the file, is not declared."""
    exchange = body.exchanges.get(name)
    if exchange is None:
        return Exchange(name, BUILT_IN_EXCHANGES.get(name, "direct"), no_declare=True)
    return Exchange(
        name,
        exchange.type,
        durable=exchange.durable,
        auto_delete=exchange.auto_delete,
        arguments=exchange.declare_arguments(),
        no_declare=bool(exchange.external),
    )
