"""Queues whose exchange Celery cannot delay tasks for, so that workers hold them."""

from __future__ import annotations

from collections import defaultdict

from ....base.finding import ValuePath
from ....base.listing import listed
from ....delivery.addresses import AddressBook
from ....delivery.dead_letters import dead_letter_queues
from ....model import Body
from ...context import Reporter

#: Types of exchanges by which a delayed task reaches its queue when it is due.
DELAYING = frozenset({"topic", "fanout", "headers"})


def check_undelayed(base: ValuePath, body: Body, book: AddressBook, report: Reporter) -> None:
    """Reports task queues that are only reached by direct exchanges, one finding for each exchange.

    Parameters:
      base: The path of the vhost's body.
      body: The vhost's body, whose tasks are to be delayed on the broker.
      book: The addresses of its queues.
      report: Collects the findings.
    """
    explained = {*book.ambiguous_when_delayed, *(queue for queue, _, _ in book.shared())}
    dead = dead_letter_queues(body)
    queues: dict[str, dict[str, None]] = defaultdict(dict)
    for queue in body.queues:
        address = book.of(queue)
        if not book.is_task_queue(queue) or queue in explained or queue in dead:
            continue
        if address.exchange_type == "direct" and expects_delays(body, queue):
            queues[address.exchange][body.shard_parents.get(queue, queue)] = None
    for exchange, found in queues.items():
        _report(base, exchange, tuple(found), body, report)


def expects_delays(body: Body, queue: str) -> bool:
    """Whether tasks of a queue should be delayed on the broker: a worker that holds them is blocked."""
    return body.delayed_delivery == "always" or body.queues[queue].type == "quorum"


def _report(base: ValuePath, exchange: str, queues: tuple[str, ...], body: Body, report: Reporter) -> None:
    path = (*base, "queues", queues[0])
    first = report.written(path, queues[0])
    names = listed([first, *queues[1:]], 1, quote="`")
    declared = body.queues[body.shards.get(queues[0], queues)[0]]
    at = next((i for i, binding in enumerate(declared.bindings) if binding.exchange == exchange), None)
    if at is None:
        way = "go to the default exchange"
    else:
        path = (*path, "bindings", at)
        way = f"go to the direct exchange `{report.written((*path, 'exchange'), exchange)}`"
    message = f"tasks for {names} {way}, for which Celery cannot delay tasks on the broker: workers hold them in memory"
    help_ = (
        f"bind the queue to a topic exchange, which is then used: `{{exchange: tasks, key: {first}}}`; or accept this "
        "with `delayed_delivery: never`"
    )
    report.add(path, "delay-exchange", message, help_, of_key=at is None)
