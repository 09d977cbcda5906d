"""An in-memory broker for tests of plan and apply; it can reject, lose and ignore writes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from routectl.topology.base.progress import CountProgress
from routectl.topology.base.resources import (
    BUILT_IN_EXCHANGES,
    KIND_ORDER,
    PARTIALLY_COMPARED,
    Key,
    Kind,
    Resource,
    State,
    exchange_key,
    queue_key,
)
from routectl.topology.base.secret import Secret
from routectl.topology.broker.amqp.pipeline import Failure
from routectl.topology.broker.session import AMQP_KINDS
from routectl.topology.change.diff import diff
from routectl.topology.change.plan import Plan
from routectl.topology.change.planner import Planned
from routectl.topology.errors import BrokerError, NotFound, Refused, Rejected

ALGORITHM = "rabbit_password_hashing_sha256"


class MemoryBroker:
    """Implements `Session` in memory.

    Parameters:
      resources: Existing objects.
      vhosts: Existing vhosts.
      fail: The error for any write of an object, in bulk or alone.
      lost_in_bulk: Objects that `create_all` neither creates nor reports as failed.
      lost: Objects that no write changes, although each write succeeds.
    """

    complete = True

    def __init__(
        self,
        resources: Iterable[Resource] = (),
        *,
        vhosts: Iterable[str] = ("/",),
        fail: Mapping[Key, BrokerError] | None = None,
        lost_in_bulk: Collection[Key] = (),
        lost: Collection[Key] = (),
    ) -> None:
        self.fail, self.lost_in_bulk, self.lost = dict(fail or {}), set(lost_in_bulk), set(lost)
        self.writes: list[tuple[str, Key]] = []
        self.state: State = {key: Resource(key) for key in map(vhost_key, vhosts)}
        self.state |= {resource.key: resource for resource in resources}

    def read(self, desired: State, vhosts: Collection[str]) -> State:
        """The vhosts' exchanges, queues and bindings, and objects of the other desired kinds."""
        kinds = AMQP_KINDS | {key.kind for key in desired}
        everywhere = {"", *vhosts, *(key.vhost for key in desired)}
        return {
            key: found for key, found in self.state.items() if key.kind in kinds and key.vhost in everywhere
        }

    def put(self, resource: Resource) -> None:
        """Creates or updates one object."""
        self._write("put", resource)

    def replace(
        self, resource: Resource, dropped: Collection[Key] = (), added: Sequence[Resource] = ()
    ) -> None:
        """Replaces an exchange or an empty queue, keeps its bindings, and adds some."""
        key = resource.key
        self._begin("replace", key)
        found = self.state[key]
        if found.messages or found.consumers:
            raise Refused(f"cannot replace {key}: it holds messages or is consumed")
        if key not in self.lost:
            self.state[key] = resource
            self.state |= {binding.key: binding for binding in added}

    def delete(self, resource: Resource, *, if_empty: bool = False) -> None:
        """Deletes one object, with the bindings from and to it."""
        key = resource.key
        self._begin("delete", key)
        found = self.state.get(key)
        if found is None or key in self.lost:
            return
        if if_empty and found.messages:
            raise Refused(f"cannot delete {key}: it holds messages")
        del self.state[key]
        for other in [other for other in self.state if key in _ends(other)]:
            del self.state[other]

    def create_all(self, vhost: str, resources: Sequence[Resource], progress: CountProgress) -> list[Failure]:
        """Creates exchanges, queues and bindings of a vhost."""
        if vhost_key(vhost) not in self.state:
            raise NotFound(f"the vhost `{vhost}` does not exist")
        failures = []
        ordered = sorted(resources, key=lambda resource: KIND_ORDER[resource.key.kind])
        for done, resource in enumerate(ordered, 1):
            if resource.key not in self.lost_in_bulk:
                try:
                    self._write("bulk", resource)
                except BrokerError as error:
                    failures.append(Failure(resource, error))
            progress(done, len(ordered))
        return failures

    def delete_bindings(
        self, vhost: str, bindings: Sequence[Resource], progress: CountProgress
    ) -> list[Failure]:
        """Deletes bindings of a vhost."""
        failures = []
        for done, binding in enumerate(bindings, 1):
            try:
                self.delete(binding)
            except BrokerError as error:
                failures.append(Failure(binding, error))
            progress(done, len(bindings))
        return failures

    def _begin(self, how: str, key: Key) -> None:
        self.writes.append((how, key))
        if key in self.fail:
            raise self.fail[key].with_traceback(None)

    def _write(self, how: str, resource: Resource) -> None:
        key = resource.key
        self._begin(how, key)
        if key.vhost and vhost_key(key.vhost) not in self.state:
            raise NotFound(f"cannot create {key}: not found")
        for end in _ends(key):
            if end not in self.state and end.name[0] not in BUILT_IN_EXCHANGES:
                raise NotFound(f"cannot create {key}: no {end}")
        found = self.state.get(key)
        if key.kind in (Kind.EXCHANGE, Kind.QUEUE) and found and found.properties != resource.properties:
            raise Rejected(f"cannot create {key}", "inequivalent arg")
        if key not in self.lost:
            before = found.properties if found and key.kind in PARTIALLY_COMPARED else {}
            self.state[key] = Resource(key, {**before, **_stored(resource.properties)})


def vhost_key(name: str) -> Key:
    """The identity of a vhost."""
    return Key(Kind.VHOST, "", (name,))


def password_hash(password: str, salt: bytes = b"salt") -> Secret:
    """A password's hash as RabbitMQ stores it."""
    return Secret(base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode())


def planned(desired: State, broker: MemoryBroker, *, delete: Collection[Key] = ()) -> Planned:
    """The plan that changes this broker to the desired state."""
    vhosts = tuple(dict.fromkeys(key.vhost for key in desired if key.vhost)) or ("/",)
    found = diff(desired, broker.read(desired, vhosts), delete=delete)
    plan = Plan("amqp://localhost", "rabbit@here", vhosts, found.changes, found.problems, files=("f",))
    return Planned(plan, desired, broker, tuple(delete))


def state(*resources: Resource) -> State:
    """The state that contains these objects."""
    return {resource.key: resource for resource in resources}


def exchange(name: str, vhost: str = "/", **properties: Any) -> Resource:
    """An exchange; durable and of type `direct` by default."""
    usual = {"type": "direct", "durable": True, "auto_delete": False, "internal": False, "arguments": {}}
    return Resource(exchange_key(vhost, name), usual | properties)


def queue(name: str, vhost: str = "/", *, messages: int | None = 0, **properties: Any) -> Resource:
    """A queue without consumers; durable, classic and empty by default."""
    usual = {"type": "classic", "durable": True, "auto_delete": False, "arguments": {}}
    return Resource(queue_key(vhost, name), usual | properties, messages=messages, consumers=0)


def policy(name: str, vhost: str = "/", /, **definition: Any) -> Resource:
    """A policy for all queues."""
    properties = {"pattern": ".*", "apply_to": "queues", "priority": 0, "definition": definition}
    return Resource(Key(Kind.POLICY, vhost, (name,)), properties)


def user(name: str, **properties: Any) -> Resource:
    """A user."""
    return Resource(Key(Kind.USER, "", (name,)), {"tags": []} | properties)


def _ends(key: Key) -> tuple[Key, ...]:
    """The source and destination of a binding."""
    if key.kind is not Kind.BINDING:
        return ()
    source, destination_type, destination = key.name[:3]
    return exchange_key(key.vhost, source), Key(Kind(destination_type), key.vhost, (destination,))


def _stored(properties: Mapping[str, Any]) -> dict[str, Any]:
    stored = dict(properties)
    if isinstance(password := stored.pop("password", None), Secret):
        stored |= {"password_hash": password_hash(password.reveal()), "hashing_algorithm": ALGORITHM}
    return stored
