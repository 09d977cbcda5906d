"""Queues declared elsewhere whose settings on the broker do not suit the order of a worker profile."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ..base.listing import listed
from ..base.resources import State, queue_key
from ..delivery.pushed import push_reason
from ..model import Body


def order_notes(bodies: Mapping[str, Body], live: State) -> Iterator[str]:
    """Notes on external queues of ordered workers that need a consumer all the time, which the file does not say.

    Parameters:
      bodies: The body of every vhost in the file.
      live: The live state.
    """
    for vhost, body in bodies.items():
        for name, queue in body.queues.items():
            found = live.get(queue_key(vhost, name)) if queue.external else None
            if found is None or push_reason(queue.auto_delete, queue.declare_arguments()) is not None:
                continue
            profiles = [
                profile
                for profile, worker in body.workers.items()
                if worker.order != "fair" and len(worker.queues) > 1 and name in body.consumed(worker)
            ]
            reason = push_reason(found.properties["auto_delete"], found.properties["arguments"])
            if profiles and reason is not None:
                yield (
                    f"queue {name} has `{reason}` on the broker, which the file does not say: RabbitMQ pushes its "
                    f"tasks to workers of {listed(profiles, quote='`')}, each of which holds one until its turn"
                )
