"""Arguments that a queue type or RabbitMQ version refuses or ignores, by the metadata of the model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from ...base.finding import ValuePath, did_you_mean, most_similar
from ...base.resources import BUILT_IN_EXCHANGES, EXTRA_TYPES
from ...delivery.network import MOST_HASHES, words
from ...model import Body, Exchange, Queue, QueueSettings
from ...model.delivery_limit import UNLIMITED_SINCE
from ...model.exchange import FIELD_OF_ARGUMENT as EXCHANGE_FIELDS
from ...model.exchange import FIELDS_OF_TYPE, KNOWN_TYPES
from ...model.queue import DEAD_LETTER_FIELD_OF_ARGUMENT, FIELD_OF_ARGUMENT
from ...model.support import Version, describe_versions, support_of, supported
from ..names import declared_queues

AddFinding = Callable[..., None]

_FIELDS = FIELD_OF_ARGUMENT | dict.fromkeys(DEAD_LETTER_FIELD_OF_ARGUMENT, "dead_letter")

#: Arguments of well-known plugins and of RabbitMQ's own use.
_OF_PLUGINS = frozenset(
    {
        *("x-message-deduplication", "x-cache-size", "x-cache-ttl", "x-cache-persistence"),
        *("x-internal-purpose", "x-recent-history-no-store", "rjms_version"),
    }
)

_DENIES_TRANSIENT: Version = (4, 3)
_IGNORED_SINCE: dict[str, Version] = {
    "queue_mode": (3, 12),
    "max_in_memory_length": (4, 3),
    "max_in_memory_bytes": (4, 3),
}

#: Exchange types whose arguments are all known; a plugin's type may have its own.
_OF_RABBITMQ = frozenset({"direct", "topic", "fanout", "headers", *EXTRA_TYPES})


class VersionCheck:
    """Checks settings against versions of RabbitMQ.

    Parameters:
      add: Called with path, code, message and help for every mistake.
      versions: The versions to support; empty if unknown.
      origin: Where the versions come from, for the help text.
    """

    def __init__(self, add: AddFinding, versions: Sequence[Version], origin: str) -> None:
        self._add = add
        self._versions = versions
        self._origin = origin

    def _check_versions(self, path: ValuePath, what: str, spec: str, *, of_key: bool = True) -> None:
        unsupported = [version for version in self._versions if not supported(spec, version)]
        if unsupported:
            versions = ", ".join(f"{major}.{minor}" for major, minor in unsupported)
            message = (
                f"RabbitMQ {versions} does not support {what}: it is available {describe_versions(spec)}"
            )
            help_ = f"remove it, or the version from {self._origin}"
            self._add(path, "wrong-version", message, help_, of_key=of_key)

    def _wrong(self, path: ValuePath, message: str, help_: str | None = None) -> None:
        self._add(path, "wrong-argument", message, help_, of_key=True)

    def _unlimited(self, path: ValuePath, settings: QueueSettings) -> None:
        """A literal -1, which means no limit only since RabbitMQ 4.0."""
        old = [version for version in self._versions if version < UNLIMITED_SINCE]
        if settings.delivery_limit == -1 and old:
            versions = ", ".join(f"{major}.{minor}" for major, minor in old)
            message = (
                f"RabbitMQ {versions} does not support `delivery_limit: -1`: it discards a message at its first "
                "redelivery; `delivery_limit: none` is no limit in any version"
            )
            self._add(path, "wrong-version", message, "write `delivery_limit: none`", of_key=True)

    def _misplaced(self, path: ValuePath, field: str, *, twice: bool) -> None:
        """Reports an argument or policy key that has a field, and whether the field is set as well."""
        message = f"`{path[-1]}` has its own field" + (", which sets it, too" if twice else "")
        help_ = f"remove it: `{field}` suffices" if twice else f"write `{field}:` beside `arguments:`"
        self._add(path, "misplaced-key", message, help_, of_key=True)


class ArgumentCheck(VersionCheck):
    """Checks queues and exchanges against their types and against versions of RabbitMQ."""

    def vhost(self, path: ValuePath, body: Body) -> None:
        """A vhost's own properties."""
        if not all(tag.isascii() for tag in body.tags or ()):
            self._check_versions((*path, "tags"), "tags of a vhost that are not ASCII", "4.0..")
        if body.protected_from_deletion is not None:
            self._check_versions((*path, "protected_from_deletion"), "`protected_from_deletion`", "4.1..")

    def queue(self, path: ValuePath, queue: Queue) -> None:
        """A queue's type, properties and arguments."""
        if queue.type != "classic":
            self._replicated(path, queue)
        self._queue_arguments(path, queue)
        dead_letter = queue.dead_letter
        if dead_letter is not None and dead_letter.needs_exchange:
            message = "`exchange` of `dead_letter` is missing"
            self._add((*path, "dead_letter"), "missing-key", message, "add `exchange: …`", of_key=True)
        if dead_letter is not None and queue.type == "stream":
            self._wrong((*path, "dead_letter"), "a stream does not support dead-lettering")
        elif dead_letter is not None and dead_letter.strategy is not None and queue.type == "classic":
            message = "a classic queue does not support a dead-letter strategy"
            self._wrong((*path, "dead_letter", "strategy"), message, "use `type: quorum`")
        if queue.max_wait is not None and queue.type == "stream":
            message = (
                "a stream cannot have `max_wait`: it is for tasks, and Celery workers cannot consume streams"
            )
            self._wrong((*path, "max_wait"), message, "remove it")
        if queue.type == "quorum" and queue.overflow == "reject-publish-dlx":
            ignored = "a quorum queue ignores `overflow: reject-publish-dlx`"
            message, help_ = (
                f"{ignored} and drops the oldest message instead",
                "use `reject-publish` or `drop-head`",
            )
            self._add((*path, "overflow"), "wrong-argument", message, help_)
        for name in queue.arguments:
            if name in _FIELDS:
                field = _FIELDS[name]
                twice = getattr(queue, field) is not None and field in queue.model_fields_set
                self._misplaced((*path, "arguments", name), field, twice=twice)
            else:
                self._unknown((*path, "arguments", name), _FIELDS, "queue")
        self._retry(path, queue)
        self._outdated(path, queue)

    def _outdated(self, path: ValuePath, queue: Queue) -> None:
        """Settings that the versions accept, but ignore or deny by default."""
        if not queue.durable and any(version >= _DENIES_TRANSIENT for version in self._versions):
            message = "RabbitMQ 4.3 denies transient queues, unless its configuration permits the deprecated feature"
            help_ = "remove `durable: false`"
            self._add((*path, "durable"), "outdated-setting", message, help_, of_key=True)
        for field, since in _IGNORED_SINCE.items():
            is_set = field in queue.model_fields_set and getattr(queue, field) is not None
            if is_set and self._versions and all(version >= since for version in self._versions):
                message = f"RabbitMQ ignores `{field}` since {since[0]}.{since[1]}"
                self._add((*path, field), "outdated-setting", message, "remove it", of_key=True)

    def exchange(self, path: ValuePath, exchange: Exchange) -> None:
        """An exchange's type and the fields that belong to it."""
        if exchange.type in EXTRA_TYPES:
            spec = EXTRA_TYPES[exchange.type][0]
            self._check_versions((*path, "type"), f"the exchange type `{exchange.type}`", spec, of_key=False)
        for field in ("type", "delayed_type"):
            self._known_type((*path, field), getattr(exchange, field))
        for field in exchange.model_fields_set & FIELDS_OF_TYPE.keys():
            wanted = FIELDS_OF_TYPE[field]
            if getattr(exchange, field) is not None and exchange.type != wanted:
                message = f"`{field}` is only for the exchange type `{wanted}`, not `{exchange.type}`"
                self._wrong((*path, field), message)
        for name in exchange.arguments:
            if name in EXCHANGE_FIELDS:
                field = EXCHANGE_FIELDS[name]
                twice = getattr(exchange, field) is not None
                self._misplaced((*path, "arguments", name), field, twice=twice)
            elif exchange.type in _OF_RABBITMQ:
                self._unknown((*path, "arguments", name), EXCHANGE_FIELDS, "exchange")
        if exchange.hash_header and exchange.hash_property:
            message = "an exchange hashes a header or a property, not both"
            self._add((*path, "hash_property"), "conflict", message)
        if exchange.type == "x-delayed-message" and exchange.delayed_type is None and not exchange.external:
            message = "an x-delayed-message exchange needs `delayed_type`"
            self._add(path, "missing-key", message, "add `delayed_type: topic`", of_key=True)

    def bindings(self, base: ValuePath, body: Body) -> None:
        """The keys of bindings from topic exchanges, of which RabbitMQ 4.3.5 takes two `#` at most."""
        kinds = BUILT_IN_EXCHANGES | {name: exchange.type for name, exchange in body.exchanges.items()}
        for section in ("exchanges", "queues"):
            declared = body.exchanges if section == "exchanges" else dict(declared_queues(body))
            for name, item in declared.items():
                for index, binding in enumerate(item.bindings):
                    if kinds.get(binding.exchange) == "topic" and words(binding.key).count("#") > MOST_HASHES:
                        path = (*base, section, name, "bindings", index, "key")
                        self._check_versions(path, "a key with more than two `#`", "..4.2", of_key=False)

    def _unknown(self, path: ValuePath, fields: Mapping[str, str], kind: str) -> None:
        """Reports an argument that no RabbitMQ version and no known plugin evaluates."""
        name = str(path[-1])
        if name in _OF_PLUGINS:
            return
        message = f"RabbitMQ does not know the {kind} argument `{name}`, and ignores it"
        prefixed = f"x-{name}"
        meant = (
            prefixed if prefixed in fields else most_similar(name, fields) or most_similar(prefixed, fields)
        )
        help_ = f"did you mean `{fields[meant]}:` beside `arguments:`?" if meant else None
        self._add(
            path, "unknown-argument", message, help_ or "remove it, unless a plugin evaluates it", of_key=True
        )

    def _known_type(self, path: ValuePath, kind: str | None) -> None:
        if kind is not None and kind not in KNOWN_TYPES:
            message = "only a plugin can define such a type"
            help_ = did_you_mean(kind, KNOWN_TYPES) or "check its name, and that the plugin is enabled"
            self._add(path, "unknown-exchange-type", message, help_)

    def _replicated(self, path: ValuePath, queue: Queue) -> None:
        for field, wrong in (("durable", not queue.durable), ("auto_delete", queue.auto_delete)):
            if wrong:
                message = f"a {queue.type} queue cannot have `{field}: {str(getattr(queue, field)).lower()}`"
                self._wrong((*path, field), message, "remove it, or use `type: classic`")

    def _queue_arguments(self, path: ValuePath, queue: Queue) -> None:
        known = support_of(type(queue))
        for field in queue.model_fields_set:
            support = known.get(field)
            if support is None or getattr(queue, field) is None:
                continue
            spec = support.on(queue.type)
            if spec is None:
                message = f"a {queue.type} queue does not support `{field}`; RabbitMQ would refuse it"
                help_ = f"only {' and '.join(support.types)} queues support it"
                self._wrong((*path, field), message, help_)
            else:
                self._check_versions((*path, field), f"`{field}` on a {queue.type} queue", spec)
        self._unlimited((*path, "delivery_limit"), queue)
        if queue.queue_version == 1:
            self._check_versions((*path, "queue_version"), "`queue_version: 1`", "..4.2")

    def _retry(self, path: ValuePath, queue: Queue) -> None:
        low, high = queue.delayed_retry_min, queue.delayed_retry_max
        if low is not None and high is not None and low > high:
            message = "`delayed_retry_min` is above `delayed_retry_max`"
            self._add((*path, "delayed_retry_min"), "wrong-value", message)
