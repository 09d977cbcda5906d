"""Names and values within upstreams and shovels. RabbitMQ refuses those that it does not know, unlike a queue's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...base.finding import ValuePath, did_you_mean
from ...model import Queue, Shovel, Upstream
from ...model.queue import DEAD_LETTER_FIELD_OF_ARGUMENT, FIELD_OF_ARGUMENT
from ...model.support import NEWEST
from .arguments import VersionCheck

#: Names of RabbitMQ for what has a field of another name.
_OLD_NAMES = {
    "add-forward-headers": "dest_add_forward_headers",
    "add-timestamp-header": "dest_add_timestamp_header",
    "delete-after": "src_delete_after",
    "prefetch-count": "src_prefetch_count",
    "publish-properties": "dest_publish_properties",
}
#: Parameters without a field, with the versions that accept them.
_OF_UPSTREAM = {"ha-policy": "..3.12"}
_OF_SHOVEL = {"internal": "4.2..", "internal_owner": "4.2..", "src-delete-after-duration": "4.3.."}
#: Those of a destination with AMQP 1.0, all of them maps of texts.
_OF_AMQP10 = ("dest-application-properties", "dest-message-annotations", "dest-properties")

#: The properties that `dest_publish_properties` can set.
_NUMBERS = ("delivery_mode", "priority", "timestamp")
_TEXTS = (
    *("content_type", "content_encoding", "correlation_id", "reply_to", "expiration"),
    *("message_id", "type", "user_id", "app_id", "cluster_id"),
)

#: Before 4.2, RabbitMQ refuses every other argument of a shovel's queue.
_OF_QUEUES = {
    **dict.fromkeys(FIELD_OF_ARGUMENT, "4.2.."),
    **dict.fromkeys(("x-expires", "x-message-ttl", "x-dead-letter-exchange", "x-dead-letter-strategy"), ".."),
    **dict.fromkeys(("x-max-length", "x-max-length-bytes", "x-max-in-memory-length"), ".."),
    **dict.fromkeys(("x-max-in-memory-bytes", "x-max-priority", "x-overflow", "x-queue-mode"), ".."),
    **dict.fromkeys(("x-queue-version", "x-single-active-consumer", "x-queue-type"), ".."),
    **dict.fromkeys(("x-quorum-initial-group-size", "x-stream-max-segment-size-bytes"), ".."),
    **dict.fromkeys(("x-initial-cluster-size", "x-queue-leader-locator"), ".."),
    "x-stream-filter-size-bytes": "3.13..",
}
#: The same of its consumer.
_OF_CONSUMERS = {"x-priority": "..", "x-stream-offset": ".."}


class LinkArgumentCheck(VersionCheck):
    """Checks upstreams and shovels; the parameters are those of `VersionCheck`."""

    def parameters(self, path: ValuePath, link: Upstream | Shovel) -> None:
        """The parameters under `arguments`."""
        fields = type(link).model_fields
        known = dict(_OF_UPSTREAM if isinstance(link, Upstream) else _OF_SHOVEL)
        if isinstance(link, Shovel) and link.dest_protocol == "amqp10":
            known |= dict.fromkeys(_OF_AMQP10, "..")
        what = "an upstream" if isinstance(link, Upstream) else "a shovel"
        for name, value in link.arguments.items():
            place = (*path, "arguments", name)
            field = _OLD_NAMES.get(name, name.replace("-", "_"))
            if field in fields:
                self._misplaced(place, field, twice=getattr(link, field) is not None)
            elif name not in known:
                self._unknown(place, what, list(fields))
            else:
                self._check_versions(place, f"`{name}` of {what}", known[name])
                if not _fits(name, value):
                    self._wrong(place, f"RabbitMQ refuses this value of `{name}`")

    def _unknown(self, path: ValuePath, what: str, fields: list[str]) -> None:
        """Reports a parameter that RabbitMQ refuses, as far as its versions are known."""
        name = str(path[-1])
        help_ = did_you_mean(name.replace("-", "_"), fields) or "remove it"
        if any(version > NEWEST for version in self._versions):
            return
        message = f"RabbitMQ refuses the parameter `{name}` of {what}, which it does not know"
        self._add(
            path, "wrong-version" if self._versions else "unknown-argument", message, help_, of_key=True
        )

    def shovel(self, path: ValuePath, shovel: Shovel) -> None:
        """What a shovel declares its queues with, consumes with and publishes."""
        for field in ("src_queue_args", "dest_queue_args"):
            self._table((*path, field), getattr(shovel, field) or {}, _OF_QUEUES)
        self._table((*path, "src_consumer_args"), shovel.src_consumer_args or {}, _OF_CONSUMERS)
        for name, value in (shovel.dest_publish_properties or {}).items():
            place = (*path, "dest_publish_properties", name)
            if name not in (*_NUMBERS, *_TEXTS):
                message = f"a shovel cannot set the property `{name}`: RabbitMQ refuses it"
                self._wrong(place, message, did_you_mean(name, (*_NUMBERS, *_TEXTS)))
            elif name in _NUMBERS and (isinstance(value, bool) or not isinstance(value, int | float)):
                self._wrong(place, f"`{name}` must be a number")
            elif name in _TEXTS and not isinstance(value, str):
                self._wrong(place, f"`{name}` must be a text", f'write it in quotes: `{name}: "…"`')

    def _table(self, path: ValuePath, table: Mapping[str, Any], known: Mapping[str, str]) -> None:
        for name, value in table.items():
            place = (*path, name)
            self._check_versions(place, f"`{name}` in `{path[-1]}`", known.get(name, "4.2.."))
            if name == "x-queue-version" and value == 1:
                self._check_versions(place, "`x-queue-version: 1`", "..4.2")
            if name in known and not _fits(name, value):
                message = f"RabbitMQ refuses this value of `{name}`; before 4.2, it would end all shovels"
                self._wrong(place, message, "durations are numbers of milliseconds, sizes numbers of bytes")
        if "x-dead-letter-routing-key" in table and "x-dead-letter-exchange" not in table:
            message = "`x-dead-letter-routing-key` needs `x-dead-letter-exchange`"
            self._add((*path, "x-dead-letter-routing-key"), "missing-key", message, of_key=True)


def _fits(name: str, value: Any) -> bool:
    """Whether RabbitMQ accepts a value, which it does not convert."""
    if name in DEAD_LETTER_FIELD_OF_ARGUMENT and name != "x-dead-letter-strategy":
        return isinstance(value, str)
    if name == "x-dead-letter-strategy":
        return value in ("at-most-once", "at-least-once")
    if name == "internal":
        return isinstance(value, bool)
    if name in ("x-priority", "src-delete-after-duration"):
        return type(value) is int and (name == "x-priority" or value > 0)
    if name in _OF_AMQP10:
        return isinstance(value, Mapping) and all(isinstance(item, str) for item in value.values())
    field = FIELD_OF_ARGUMENT.get(name)
    if field is None:
        return True
    try:
        found = getattr(Queue.model_validate({field: value}), field)
    except ValueError:
        return False
    return type(found) is type(value) and bool(found == value)
