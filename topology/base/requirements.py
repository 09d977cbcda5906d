"""What the broker or its user lacks, and how to provide it: sentences for errors and for plans."""

from __future__ import annotations

from collections.abc import Iterable

from .resources import EXTRA_TYPES

#: The plugin that provides each component of parameters.
PLUGINS: dict[str, str] = {
    "shovel": "rabbitmq_shovel",
    "federation-upstream": "rabbitmq_federation",
    "federation-upstream-set": "rabbitmq_federation",
}


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


def missing_component(component: str) -> tuple[str, str]:
    """That the broker lacks the plugin for a component of parameters, and what to do."""
    message = f"the broker lacks the plugin for `{component}`"
    return message, _enable(PLUGINS.get(component, "rabbitmq_federation"))


def _enable(plugin: str) -> str:
    return f"enable it with `rabbitmq-plugins enable {plugin}`"
