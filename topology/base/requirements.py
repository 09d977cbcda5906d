"""What the broker or its user lacks, and how to provide it: sentences for errors and for plans."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from .resources import EXTRA_TYPES

#: The plugin that provides each component of parameters.
_OF_COMPONENT: dict[str, str] = {
    "shovel": "rabbitmq_shovel",
    "federation-upstream": "rabbitmq_federation",
    "federation-upstream-set": "rabbitmq_federation",
}
#: The plugin that provides each key of a policy that RabbitMQ itself does not know.
_OF_POLICY_KEY: dict[str, str] = {
    **dict.fromkeys(
        ("federation-upstream", "federation-upstream-set", "federation-upstream-pattern"),
        "rabbitmq_federation",
    ),
    **dict.fromkeys(("shards-per-node", "routing-key"), "rabbitmq_sharding"),
}
#: The plugins that RabbitMQ comes with; any other may define keys of policies.
_OWN = frozenset(
    f"rabbitmq_{name}"
    for name in (
        *(
            "amqp1_0",
            "amqp_client",
            "aws",
            "cli",
            "codegen",
            "prelaunch",
            "prometheus",
            "tracing",
            "trust_store",
        ),
        *("auth_backend_cache", "auth_backend_http", "auth_backend_internal_loopback", "auth_backend_ldap"),
        *("auth_backend_oauth2", "auth_mechanism_ssl", "event_exchange", "jms_topic_exchange"),
        *("consistent_hash_exchange", "random_exchange", "recent_history_exchange", "sharding"),
        *("federation", "federation_common", "federation_management", "federation_prometheus"),
        *("exchange_federation", "queue_federation", "management", "management_agent", "top"),
        *(
            "mqtt",
            "stomp",
            "web_dispatch",
            "web_mqtt",
            "web_mqtt_examples",
            "web_stomp",
            "web_stomp_examples",
        ),
        *("peer_discovery_aws", "peer_discovery_common", "peer_discovery_consul", "peer_discovery_etcd"),
        *("peer_discovery_k8s", "shovel", "shovel_management", "shovel_prometheus"),
        *("stream", "stream_common", "stream_management"),
    )
)
#: Plugins that suffice instead: since RabbitMQ 4.1, federation of exchanges and of queues are plugins of their own.
_INSTEAD: dict[str, str] = {"rabbitmq_federation": "rabbitmq_federation_common"}


def set_tags(user: str, tags: Iterable[str]) -> str:
    """The hint to give a user these tags, which replace those that it has."""
    return f"set it with `rabbitmqctl set_user_tags {user} {' '.join(sorted(tags))}`"


def missing_type(kind: str) -> tuple[str, str]:
    """That the broker lacks an exchange type, and what to do."""
    _, plugin = EXTRA_TYPES.get(kind, ("..", None))
    message = f"the broker does not support the exchange type `{kind}`"
    return message, _enable(
        plugin
    ) if plugin else "enable the plugin that provides it, or choose another type"


def missing_component(component: str, running: Collection[str] = ()) -> tuple[str, str] | None:
    """That the broker lacks the plugin for a component of parameters, and what to do; None if it has it.

    Parameters:
      component: Such as `shovel`.
      running: The plugins that run on the broker.
    """
    plugin = _OF_COMPONENT.get(component)
    return _missing(plugin, f"`{component}`", running)


def missing_policy_key(key: str, running: Collection[str]) -> tuple[str, str] | None:
    """That the broker lacks the plugin for a key of a policy, and what to do; None if it has it, or needs none.

    Parameters:
      key: Such as `federation-upstream`.
      running: The plugins that run on the broker.
    """
    return _missing(_OF_POLICY_KEY.get(key), f"the policy key `{key}`", running)


def foreign_plugins(running: Collection[str]) -> frozenset[str]:
    """The plugins that RabbitMQ does not come with."""
    return frozenset(running) - _OWN


def _missing(plugin: str | None, what: str, running: Collection[str]) -> tuple[str, str] | None:
    if plugin is None or plugin in running or _INSTEAD.get(plugin) in running:
        return None
    return f"the broker lacks the plugin for {what}", _enable(plugin)


def _enable(plugin: str) -> str:
    return f"enable it with `rabbitmq-plugins enable {plugin}`"
