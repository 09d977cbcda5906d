"""A dynamic shovel for the time of a move: messages go from queue to queue within the broker.

It is named after its source, so that one which a crashed run left behind is found and replaced.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

from ...base.progress import Announce
from ...base.resources import queue_key
from ...errors import AccessRefused, BrokerError, NotFound, Rejected, Unreachable
from .. import writes
from ..definitions.encode import segment
from ..management.http import Http
from .pump import PREFETCH

#: Seconds between two looks at a shovel.
_LOOK = 0.1

#: Seconds without a ready message after which a shovel has nothing more to do: others consumed what it waits for.
_IDLE = 1.0

#: Seconds that a shovel gets to start again by itself.
_RESTART = 10.0


class Shovel:
    """Moves what is ready in a queue when it starts.

    Parameters:
      http: The management API.
      vhost: The vhost of both queues.
      source: The queue to take messages from.
    """

    def __init__(self, http: Http, vhost: str, source: str) -> None:
        self._http, self._vhost, self._source = http, vhost, source
        self.name = f"routectl-move-{source}"
        self._path = f"/parameters/shovel/{segment(vhost)}/{segment(self.name)}"

    def start(self, destination: str) -> None:
        """Creates the shovel; replaces one that was left behind.

        Raises:
          BrokerError: The plugin is not enabled, or the user may not create parameters.
        """
        self.remove()
        # The credentials stay out of it: without a host, a shovel connects within the broker, as nobody.
        uri = f"amqp:///{segment(self._vhost)}"
        settings = {
            "src-protocol": "amqp091",
            "src-uri": uri,
            "src-queue": self._source,
            "src-prefetch-count": PREFETCH,
            "src-delete-after": "queue-length",
            "dest-protocol": "amqp091",
            "dest-uri": uri,
            "dest-queue": destination,
            "ack-mode": "on-confirm",
            "reconnect-delay": 1,
        }
        try:
            self._put(settings | {"src-predeclared": True, "dest-predeclared": True})
        except Rejected as error:
            if "Unrecognised terms" not in error.reason:  # before RabbitMQ 4.0
                raise
            self._put(settings)

    def _put(self, settings: dict[str, Any]) -> None:
        writes.before("move messages of", queue_key(self._vhost, self._source))
        self._http.request("PUT", self._path, f"create shovel {self.name}", {"value": settings})

    def exists(self) -> bool:
        """Whether it is still there: it deletes itself at its end."""
        try:
            self._http.get(self._path)
        except NotFound:
            return False
        return True

    def remove(self) -> None:
        """Deletes it, if it exists."""
        writes.before("stop moving messages of", queue_key(self._vhost, self._source))
        with contextlib.suppress(NotFound):
            self._http.request("DELETE", self._path, f"delete shovel {self.name}")

    def remove_leftover(self) -> None:
        """Deletes one that a crashed run left behind, as far as the user may see it."""
        with contextlib.suppress(NotFound, AccessRefused, Rejected):
            self._http.get(self._path)
            self.remove()

    def trouble(self) -> str | None:
        """Why it does not move anything, as far as the broker says so and the user may know it."""
        with contextlib.suppress(BrokerError):
            for item in self._http.get(f"/shovels/{segment(self._vhost)}"):
                if item["name"] == self.name and item["state"] == "terminated":
                    return f"the shovel failed: {str(item.get('reason', 'for an unknown reason')).strip(chr(34))}"
        return None

    def wait(
        self,
        ready: Callable[[], int],
        *,
        deadline: float,
        patience: float,
        progress: Callable[[int], None],
        waiting: Announce,
    ) -> bool:
        """Waits until it is done, and deletes it in any case.

        Parameters:
          ready: Counts the ready messages of the source.
          deadline: `time.monotonic()` at which to give up.
          patience: Seconds without any progress after which it has failed.
          progress: Called with the number of ready messages.
          waiting: Called with what keeps it from moving messages for a while.

        Returns:
          Whether it is done; False if the time is up.

        Raises:
          BrokerError: It does not move anything; with its reason.
        """
        try:
            return self._watch(ready, deadline, patience, progress, waiting)
        finally:
            self.remove()

    def _watch(
        self,
        ready: Callable[[], int],
        deadline: float,
        patience: float,
        progress: Callable[[int], None],
        waiting: Announce,
    ) -> bool:
        lowest, changed, reason = None, time.monotonic(), None
        while self.exists():
            now, left = time.monotonic(), ready()
            # What is published meanwhile is not progress.
            if lowest is None or left < lowest:
                lowest, changed, reason = left, now, None
                progress(left)
            if now >= deadline:
                return False
            still = now - changed
            if not left and still >= _IDLE:
                return True
            if still >= _IDLE:
                reason = self.trouble() or reason  # while it starts again, it has none
                if reason is None and (alarm := self._alarm()):
                    waiting(alarm)
            if reason and still >= min(patience, _RESTART):
                raise BrokerError(f"cannot move messages of queue {self._source}: {reason}", _SEE)
            if still >= patience:
                raise self._stalled(patience)
            time.sleep(_LOOK)
        return True

    def _stalled(self, patience: float) -> BrokerError:
        what = f"the shovel {self.name} moved nothing for {patience:.0f} seconds"
        if alarm := self._alarm():
            return BrokerError(
                f"{what}: {alarm}", "free memory or disk space on the broker, and run the command again"
            )
        return BrokerError(what, _SEE)

    def _alarm(self) -> str:
        """The resource alarm that keeps it from publishing, if there is one."""
        try:
            self._http.get("/health/checks/alarms")
        except (AccessRefused, NotFound, Unreachable):
            return ""
        except BrokerError:
            return "a resource alarm of the broker blocks publishers"
        return ""


_SEE = "see the log of the broker, and run the command again"
