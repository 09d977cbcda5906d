"""The desired state of the broker, from the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ..base.redaction import secret_values
from ..base.resources import (
    BUILT_IN_EXCHANGES,
    OPTIONAL_EXCHANGES,
    Key,
    Kind,
    Resource,
    State,
    binding_key,
    exchange_key,
    queue_resource,
)
from ..base.secret import variables_hidden
from ..delivery.addresses import AddressBook
from ..delivery.network import links
from ..model import Body, Exchange, Queue, Topology, User
from ..model.support import Version


def desired_state(topology: Topology, vhost: str, version: Version | None = None) -> State:
    """All objects that the file declares, including those of delayed delivery.

    Parameters:
      topology: The file.
      vhost: The vhost of the top level.
      version: The broker's version; if it is unknown, `delivery_limit: none` is left out.
    """
    state: State = {}
    for name, body in topology.bodies(vhost).items():
        if body is not topology or topology.vhost is not None or _vhost_properties(body):
            _add(state, [Resource(Key(Kind.VHOST, "", (name,)), _vhost_properties(body))])
        _add(state, _body(name, body, version))
    for name, user in topology.users.items():
        _add(state, _user(name, user))
    for name, value in topology.global_parameters.items():
        _add(
            state, [Resource(Key(Kind.GLOBAL_PARAMETER, "", (name,)), {"value": secret_values(value, name)})]
        )
    return state


def _add(state: State, resources: Iterable[Resource]) -> None:
    for resource in resources:
        state[resource.key] = replace(resource, properties=variables_hidden(resource.properties))


def _vhost_properties(body: Body) -> dict[str, Any]:
    properties = body.model_dump(
        include={"description", "tags", "default_queue_type", "protected_from_deletion"}, exclude_none=True
    )
    if body.tags is not None:
        properties["tags"] = sorted(body.tags)
    return properties


def _body(vhost: str, body: Body, version: Version | None) -> Iterator[Resource]:
    for limit, value in body.limits.model_dump(exclude_none=True).items():
        yield Resource(Key(Kind.VHOST_LIMIT, vhost, (limit.replace("_", "-"),)), {"value": value})
    yield from _delayed_delivery(vhost, body)
    yield from _optional_exchanges(vhost, body)
    for name, exchange in body.exchanges.items():
        yield _exchange(vhost, name, exchange)
        yield from _bindings(vhost, name, exchange)
    for name, queue in body.queues.items():
        yield queue_resource(
            vhost,
            name,
            queue.declare_arguments(version),
            durable=queue.durable,
            auto_delete=queue.auto_delete,
            external=queue.external,
            protected=queue.protect,
        )
        yield from _bindings(vhost, name, queue)
    yield from _parameters(vhost, body)
    for kind, policies in ((Kind.POLICY, body.policies), (Kind.OPERATOR_POLICY, body.operator_policies)):
        for name, policy in policies.items():
            properties = policy.model_dump(include={"pattern", "apply_to", "priority"})
            properties["definition"] = policy.definition.keys(version)
            # RabbitMQ refuses a policy without keys: that of `delivery_limit: none` before 4.0.
            if properties["definition"]:
                yield Resource(Key(kind, vhost, (name,)), properties)


def _optional_exchanges(vhost: str, body: Body) -> Iterator[Resource]:
    """The built-in exchanges that the file binds from and that a vhost may lack."""
    for name in sorted({link.source for link in links(body)} & OPTIONAL_EXCHANGES.keys()):
        yield _exchange(vhost, name, Exchange(type=BUILT_IN_EXCHANGES[name], external=True))


def _exchange(vhost: str, name: str, exchange: Exchange) -> Resource:
    properties = exchange.model_dump(include={"type", "durable", "auto_delete", "internal"})
    properties["arguments"] = exchange.declare_arguments()
    return Resource(
        exchange_key(vhost, name),
        properties,
        external=bool(exchange.external),
        may_be_missing=exchange.external == "later",
        protected=exchange.protect,
    )


def _bindings(vhost: str, name: str, destination: Queue | Exchange) -> Iterator[Resource]:
    to_exchange = isinstance(destination, Exchange)
    for binding in destination.bindings:
        arguments = binding.binding_arguments()
        yield Resource(
            binding_key(vhost, binding.exchange, name, binding.key, arguments, to_exchange=to_exchange)
        )


def _delayed_delivery(vhost: str, body: Body) -> Iterator[Resource]:
    """The objects of Celery's native delayed delivery, if the vhost's tasks require them."""
    delay = AddressBook(body).delay
    if delay is None:
        return
    for name, kind in delay.exchanges:
        yield _exchange(vhost, name, Exchange.model_validate({"type": kind}))
    for name, arguments in delay.queues:
        yield queue_resource(vhost, name, arguments)
    for source, destination, key in delay.exchange_bindings:
        yield Resource(binding_key(vhost, source, destination, key, to_exchange=True))
    for source, queue, key in delay.queue_bindings:
        yield Resource(binding_key(vhost, source, queue, key))


def _parameters(vhost: str, body: Body) -> Iterator[Resource]:
    def parameter(component: str, name: str, value: Any) -> Resource:
        return Resource(Key(Kind.PARAMETER, vhost, (component, name)), {"value": value})

    for name, upstream in body.federation.upstreams.items():
        yield parameter("federation-upstream", name, upstream.value())
    for name, members in body.federation.upstream_sets.items():
        yield parameter("federation-upstream-set", name, [member.value() for member in members])
    for name, shovel in body.shovels.items():
        yield parameter("shovel", name, shovel.value())


def _user(name: str, user: User) -> Iterator[Resource]:
    properties: dict[str, Any] = {}
    if user.tags is not None:
        properties["tags"] = sorted(user.tags)
    if user.password is not None:
        properties["password"] = user.password
    if user.password_hash is not None:
        properties["password_hash"] = user.password_hash
        if "hashing_algorithm" in user.model_fields_set:
            properties["hashing_algorithm"] = user.hashing_algorithm
    yield Resource(Key(Kind.USER, "", (name,)), properties)
    for limit, value in user.limits.model_dump(exclude_none=True).items():
        yield Resource(Key(Kind.USER_LIMIT, "", (name, limit.replace("_", "-"))), {"value": value})
    for vhost, permission in user.permissions.items():
        yield Resource(Key(Kind.PERMISSION, vhost, (name,)), permission.model_dump())
    for vhost, exchanges in user.topic_permissions.items():
        for exchange, topic in exchanges.items():
            yield Resource(Key(Kind.TOPIC_PERMISSION, vhost, (name, exchange)), topic.model_dump())
