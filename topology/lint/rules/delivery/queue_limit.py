"""A limit of queues that is below the number of queues that the file itself declares."""

from __future__ import annotations

from ....base.finding import ValuePath
from ....delivery.addresses import AddressBook
from ....model import Body
from ...context import Reporter


def check_queue_limit(base: ValuePath, body: Body, report: Reporter) -> None:
    """Checks `max_queues` of a vhost.

    Parameters:
      base: The path of the vhost's body.
      body: The vhost's body, whose exchanges, queues and bindings have no other mistakes.
      report: Collects the findings.
    """
    most = body.limits.max_queues
    if most is None or most < 0:
        return
    delay = AddressBook(body).delay
    delaying = len(delay.queues) if delay else 0
    declared = sum(queue.external != "later" for queue in body.queues.values())
    if most < declared + delaying:
        delays = f", of which {delaying} are for delayed tasks" if delaying else ""
        message = (
            f"`max_queues: {most}` is below the number of the file's queues, {declared + delaying}{delays}"
        )
        help_ = f"raise it to at least {declared + delaying}"
        report.add((*base, "limits", "max_queues"), "conflict", message, help_)
