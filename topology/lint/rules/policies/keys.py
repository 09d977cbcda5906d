"""Keys of policies and operator policies that RabbitMQ refuses, or that have no effect on what the policy is for."""

from __future__ import annotations

from ....base.finding import ValuePath, most_similar
from ....model import Policy
from ....model.delivery_limit import UNLIMITED_SINCE
from ....model.policy import PolicyDefinition
from ....model.support import support_of
from ....policies.keys import (
    FIELD_OF_KEY,
    OPERATOR,
    QUEUE_ONLY,
    QUEUE_TYPES,
    WITHOUT_FIELD,
    excluding,
)
from ..arguments import VersionCheck

_FEDERATION = ("federation_upstream", "federation_upstream_set", "federation_upstream_pattern")


class PolicyCheck(VersionCheck):
    """Checks the keys of policies, each by itself."""

    def policy(self, path: ValuePath, policy: Policy, *, operator: bool) -> None:
        """A policy or operator policy."""
        definition = policy.definition
        if policy.apply_to in QUEUE_TYPES:
            place = (*path, "apply_to")
            self._check_versions(place, f"`apply_to: {policy.apply_to}`", "3.12..", of_key=False)
        inside = (*path, "definition")
        if operator:
            self._operator_keys(inside, definition)
        else:
            self._versions_of_keys(inside, definition)
        for name in definition.arguments:
            self._argument((*inside, "arguments", name), definition, operator=operator)
        self._unlimited((*inside, "delivery_limit"), definition)
        self._applicable(inside, policy)
        self._combinations(inside, definition)
        if not definition.keys(UNLIMITED_SINCE):
            message, help_ = "the policy sets nothing", "add a key, such as `message_ttl: 7d`"
            self._add(inside, "missing-key", message, help_, of_key=True)

    def _versions_of_keys(self, inside: ValuePath, definition: PolicyDefinition) -> None:
        known = support_of(PolicyDefinition)
        for field in sorted(definition.model_fields_set & known.keys()):
            if (spec := known[field].policy) is not None and getattr(definition, field) is not None:
                self._check_versions((*inside, field), f"the policy key `{field}`", spec)

    def _operator_keys(self, inside: ValuePath, definition: PolicyDefinition) -> None:
        for key in sorted(definition.keys(UNLIMITED_SINCE).keys() - definition.arguments.keys()):
            field = _field(key)
            if key not in OPERATOR:
                message = f"an operator policy cannot set `{field}`: RabbitMQ refuses it"
                help_ = "set it under `policies:`; operator policies set limits, such as `max_length` and `message_ttl`"
                self._wrong((*inside, field), message, help_)
            else:
                what = f"the key `{field}` in an operator policy"
                self._check_versions((*inside, field), what, OPERATOR[key])

    def _argument(self, path: ValuePath, definition: PolicyDefinition, *, operator: bool) -> None:
        """A key under `arguments`."""
        name = str(path[-1])
        bare = name.removeprefix("x-")
        if name in FIELD_OF_KEY:
            field = _field(name)
            twice = field in definition.model_fields_set and getattr(definition, field) is not None
            self._misplaced(path, field if twice else FIELD_OF_KEY[name], twice=twice)
        elif bare in QUEUE_ONLY:
            message = f"no version of RabbitMQ accepts `{name}` in a policy"
            self._wrong(path, message, f"set `{QUEUE_ONLY[bare]}:` on the queues")
        elif bare in FIELD_OF_KEY:
            message = f"policy keys have no `x-`: RabbitMQ refuses `{name}`"
            self._wrong(path, message, f"write `{FIELD_OF_KEY[bare]}:` beside `arguments:`")
        elif name in WITHOUT_FIELD and not operator:
            self._check_versions(path, f"the policy key `{name}`", WITHOUT_FIELD[name] or "..")
        else:
            similar = most_similar(bare, FIELD_OF_KEY)
            help_ = f"did you mean `{FIELD_OF_KEY[similar]}:` beside `arguments:`?" if similar else None
            message = f"RabbitMQ refuses the policy key `{name}`, unless a plugin defines it"
            self._add(path, "unknown-argument", message, help_ or "check its name", of_key=True)

    def _applicable(self, inside: ValuePath, policy: Policy) -> None:
        """The keys because of which a policy for one queue type applies to none of its queues."""
        queue_type = QUEUE_TYPES.get(policy.apply_to)
        keys = policy.definition.keys(UNLIMITED_SINCE).keys() - policy.definition.arguments.keys()
        for key in sorted(excluding(keys, queue_type, self._versions)) if queue_type else ():
            message = f"a {queue_type} queue does not support `{_field(key)}`: the whole policy would not apply to it"
            self._wrong((*inside, _field(key)), message)

    def _combinations(self, inside: ValuePath, definition: PolicyDefinition) -> None:
        """Keys that RabbitMQ accepts only with, or without, another."""
        federated = [field for field in _FEDERATION if getattr(definition, field) is not None]
        for field in federated[1:]:
            message = f"a policy cannot have both `{federated[0]}` and `{field}`"
            self._add((*inside, field), "conflict", message, "keep one", of_key=True)
        if definition.queue_leader_locator == "min-masters":
            message = "a policy cannot have `queue_leader_locator: min-masters`: RabbitMQ refuses it"
            self._wrong((*inside, "queue_leader_locator"), message, "use `balanced`")
        mode = definition.ha_mode
        if mode in ("exactly", "nodes") and definition.ha_params is None:
            message = f"`ha_mode: {mode}` needs `ha_params`"
            self._add((*inside, "ha_mode"), "missing-key", message, "add `ha_params: …`", of_key=True)
        for field in ("ha_params", "ha_sync_mode"):
            if mode is None and getattr(definition, field) is not None:
                message = f"`{field}` needs `ha_mode`"
                self._add((*inside, field), "missing-key", message, "add `ha_mode: …`", of_key=True)
        if definition.delayed_retry_type not in (None, "disabled") and definition.delayed_retry_min is None:
            message = "`delayed_retry_type` needs `delayed_retry_min`"
            help_ = "add `delayed_retry_min: …`"
            self._add((*inside, "delayed_retry_type"), "missing-key", message, help_, of_key=True)


def _field(key: str) -> str:
    """The field of a policy's definition that sets a key."""
    return FIELD_OF_KEY.get(key, key).partition(":")[0]
