"""Arguments that a queue type or RabbitMQ version refuses or ignores, by the metadata of the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...base.finding import ValuePath, did_you_mean
from ...base.resources import EXTRA_TYPES
from ...model import Body, Exchange, Policy, Queue, QueueSettings
from ...model.delivery_limit import UNLIMITED_SINCE
from ...model.exchange import FIELDS_OF_TYPE, KNOWN_TYPES
from ...model.policy import PolicyDefinition
from ...model.queue import DEAD_LETTER_FIELD_OF_ARGUMENT, FIELD_OF_ARGUMENT
from ...model.support import Support, Version, describe_versions, support_of, supported

AddFinding = Callable[..., None]

_FIELDS = FIELD_OF_ARGUMENT | dict.fromkeys(DEAD_LETTER_FIELD_OF_ARGUMENT, "dead_letter")
_POLICY_TYPES = {"classic_queues": "classic", "quorum_queues": "quorum", "streams": "stream"}


class ArgumentCheck:
    """Checks queues, exchanges and policies against queue types and against versions of RabbitMQ.

    Parameters:
      add: Called with path, code, message and help for every mistake.
      versions: The versions to support; empty if unknown.
      origin: Where the versions come from, for the help text.
    """

    def __init__(self, add: AddFinding, versions: Sequence[Version], origin: str) -> None:
        self._add = add
        self._versions = versions
        self._origin = origin

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
        if dead_letter is not None and queue.type == "stream":
            self._wrong((*path, "dead_letter"), "a stream does not support dead-lettering")
        elif dead_letter is not None and dead_letter.strategy is not None and queue.type == "classic":
            message = "a classic queue does not support a dead-letter strategy"
            self._wrong((*path, "dead_letter", "strategy"), message, "use `type: quorum`")
        if queue.type == "quorum" and queue.overflow == "reject-publish-dlx":
            ignored = "a quorum queue ignores `overflow: reject-publish-dlx`"
            message, help_ = (
                f"{ignored} and drops the oldest message instead",
                "use `reject-publish` or `drop-head`",
            )
            self._add((*path, "overflow"), "wrong-argument", message, help_)
        for name in queue.arguments:
            if name in _FIELDS:
                help_ = f"write `{_FIELDS[name]}:` beside `arguments:`"
                message = f"`{name}` has its own field"
                self._add((*path, "arguments", name), "misplaced-key", message, help_, of_key=True)
        self._retry(path, queue)

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
        if exchange.hash_header and exchange.hash_property:
            message = "an exchange hashes a header or a property, not both"
            self._add((*path, "hash_property"), "conflict", message)
        if exchange.type == "x-delayed-message" and exchange.delayed_type is None and not exchange.external:
            message = "an x-delayed-message exchange needs `delayed_type`"
            self._add(path, "missing-key", message, "add `delayed_type: topic`", of_key=True)

    def _known_type(self, path: ValuePath, kind: str | None) -> None:
        if kind is not None and kind not in KNOWN_TYPES:
            message = "only a plugin can define such a type"
            help_ = did_you_mean(kind, KNOWN_TYPES) or "check its name, and that the plugin is enabled"
            self._add(path, "unknown-exchange-type", message, help_)

    def policy(self, path: ValuePath, policy: Policy) -> None:
        """A policy's keys, for the queues that it applies to."""
        definition = policy.definition
        queue_type = _POLICY_TYPES.get(policy.apply_to)
        if queue_type is not None:
            self._check_versions(
                (*path, "apply_to"), f"`apply_to: {policy.apply_to}`", "3.12..", of_key=False
            )
        known = support_of(PolicyDefinition)
        for field in sorted(definition.model_fields_set & known.keys()):
            if getattr(definition, field) is None:
                continue
            place, support = (*path, "definition", field), known[field]
            if support.policy is None:
                self._wrong(place, f"`{field}` cannot be set by a policy")
            else:
                self._check_versions(place, f"the policy key `{field}`", support.policy)
                self._on_policy_type(place, field, support, queue_type)
        self._unlimited((*path, "definition", "delivery_limit"), definition)
        if not definition.keys(UNLIMITED_SINCE):
            message, help_ = "the policy sets nothing", "add a key, such as `message_ttl: 7d`"
            self._add((*path, "definition"), "missing-key", message, help_, of_key=True)

    def _on_policy_type(self, place: ValuePath, field: str, support: Support, queue_type: str | None) -> None:
        if queue_type and support.types and queue_type not in support.types:
            unsupported = f"a {queue_type} queue does not support `{field}`"
            self._wrong(place, f"{unsupported}: the whole policy would not apply to it")

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

    def _retry(self, path: ValuePath, queue: Queue) -> None:
        low, high = queue.delayed_retry_min, queue.delayed_retry_max
        if low is not None and high is not None and low > high:
            message = "`delayed_retry_min` is above `delayed_retry_max`"
            self._add((*path, "delayed_retry_min"), "wrong-value", message)

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
