"""Client of RabbitMQ's management API: reads the state of a broker, and writes and deletes its objects."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Self

from ...base.known_secrets import KnownSecrets, secrets_in
from ...base.resources import Key, Kind, Resource, State, binding_arguments, queue_key
from ...base.secret import reveal
from ...errors import BrokerError, NotFound, Refused, Rejected
from ..address import Address
from ..amqp.connection import Amqp
from ..definitions import decode
from ..definitions.encode import body, path, segment
from ..writes import before
from . import reader
from .http import CONNECTIONS, Http
from .server import ServerInfo, read_permissions, read_server

#: With more queues than this, their numbers come from one list, and are not read over AMQP.
_FEW_QUEUES = 100


class Management:
    """A broker's management API. Thread-safe; a context manager that closes its connections.

    Parameters:
      address: Hosts and credentials.
      timeout: Seconds to wait for a response.
      retries: How often all hosts are tried again, with growing pauses, if none can be connected to.

    Every method raises `Unreachable` if no host answers, and `AccessRefused` if the user lacks a tag or permission.
    """

    def __init__(self, address: Address, *, timeout: float = 60.0, retries: int = 2) -> None:
        self.address = address
        self._http = Http(address, timeout=timeout, retries=retries)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes every connection."""
        self._http.close()

    def server(self) -> ServerInfo:
        """Version, cluster and features of the broker; needs the tag `management`."""
        return read_server(self._http)

    def permissions(self, user: str) -> dict[str, dict[str, str]] | None:
        """A user's permissions by vhost; None if they are unknown, as to anybody but an administrator."""
        return read_permissions(self._http, user)

    def read(self, vhosts: Collection[str], kinds: Collection[Kind]) -> State:
        """The objects of these kinds in these vhosts, and all users of the cluster.

        The tag `management` and a permission in each vhost are enough for exchanges, queues, bindings, policies,
        operator policies and limits; parameters need `policymaker`; users and permissions `administrator`.
        A vhost that does not exist has no objects. Messages and consumers are not counted: see `counted`.

        Parameters:
          vhosts: Names of the vhosts.
          kinds: What to read.
        """
        state, _ = reader.read(self._http, vhosts, kinds)
        return {
            key: found for key, found in state.items() if key.kind is not Kind.VHOST or key.name[0] in vhosts
        }

    def observe(self, vhosts: Collection[str], kinds: Collection[Kind]) -> tuple[State, frozenset[Kind]]:
        """The objects of all kinds in these vhosts, all vhosts and users, and the kinds that could not be read.

        Parameters:
          vhosts: Names of the vhosts.
          kinds: The kinds that the user must be able to read; the others are read if possible.
        """
        return reader.read(self._http, vhosts, kinds, [kind for kind in Kind if kind not in kinds])

    def find(self, key: Key) -> Resource | None:
        """An exchange or a queue with all its properties; None if it does not exist."""
        try:
            item = self._http.get(_url_path(Resource(key)))
        except NotFound:
            return None
        return decode.READERS[key.kind](item)

    def global_parameters(self) -> list[tuple[str, Any]]:
        """The names and values of the cluster's global parameters."""
        return [(item["name"], item["value"]) for item in self._http.get("/global-parameters")]

    def arguments_of(self, queue: Key) -> Mapping[str, Any]:
        """The arguments of a queue, also of an exclusive one; empty if it does not exist or may not be read."""
        try:
            arguments: Mapping[str, Any] = self._http.get(_url_path(Resource(queue))).get("arguments") or {}
        except BrokerError:
            return {}
        return arguments

    def bindings_of(self, key: Key) -> list[Resource]:
        """The bindings from and to an exchange, or to a queue; without those of the default exchange."""
        ends = ("/source", "/destination") if key.kind is Kind.EXCHANGE else ("",)
        target = _url_path(Resource(key))
        items = [item for end in ends for item in self._http.get(f"{target}/bindings{end}")]
        found = {binding.key: binding for binding in map(decode.binding, items) if binding is not None}
        return list(found.values())

    def consumers_of(self, queue: Key) -> list[str]:
        """The consumers of a queue, each as `USER at HOST:PORT`."""
        found: dict[str, None] = {}
        for item in self._http.get(f"/consumers/{segment(queue.vhost)}"):
            if item["queue"]["name"] == queue.name[0]:
                channel = item.get("channel_details") or {}
                where = f"{channel.get('peer_host', '?')}:{channel.get('peer_port', '?')}"
                found[f"{channel.get('user', '?')} at {where}"] = None
        return list(found)

    def vhosts(self) -> list[str]:
        """The names of the vhosts that the user may access."""
        return [key.name[0] for key in reader.read(self._http, (), [Kind.VHOST])[0]]

    def counted(self, queues: Iterable[Resource], *, confirmed: bool = False) -> list[Resource]:
        """The queues with their numbers of messages and consumers: 0 for a missing queue, None if they are unknown.

        The management API samples both every five seconds and reports them later still (measured: a queue with
        three messages was reported as empty for six seconds). So ready messages and consumers of up to a hundred
        queues are read over AMQP, too, if it can be reached. Unacknowledged messages are as old as the sample.

        Parameters:
          queues: The queues.
          confirmed: Read all of them over AMQP; numbers that it does not confirm are unknown.
        """
        queues = list(queues)
        if len(queues) > _FEW_QUEUES and not confirmed:
            return self._listed(queues)
        with ThreadPoolExecutor(max_workers=CONNECTIONS) as executor:
            sampled = {
                queue.key: item for queue, item in zip(queues, executor.map(self._item, queues), strict=True)
            }
        counted = {queue.key: _counted(queue, sampled[queue.key]) for queue in queues}
        unconfirmed = {key for key, item in sampled.items() if item is not None}
        for vhost in {queue.key.vhost for queue in queues}:
            with contextlib.suppress(BrokerError), Amqp(self.address, vhost, retries=0) as amqp:
                for key, queue in counted.items():
                    if key.vhost == vhost and sampled[key] is not None:
                        counted[key] = _updated(queue, amqp)
                        unconfirmed.discard(key)
        if confirmed:
            counted |= {key: replace(counted[key], messages=None, consumers=None) for key in unconfirmed}
        return list(counted.values())

    def down(self, queues: Iterable[Key]) -> dict[Key, str]:
        """Those of the queues whose node is down, and the node's name."""
        wanted = frozenset(queues)
        found: dict[Key, str] = {}
        for vhost in {key.vhost for key in wanted}:
            for item in self._http.get(f"/queues/{segment(vhost)}?columns=name,state,node"):
                if item.get("state") == "down":
                    found[queue_key(vhost, item["name"])] = str(item.get("node"))
        return {key: node for key, node in found.items() if key in wanted}

    def _item(self, queue: Resource) -> dict[str, Any] | None:
        """What the management API says of a queue; None if it does not exist."""
        try:
            item: dict[str, Any] = self._http.get(_url_path(queue))
        except NotFound:
            return None
        except Rejected:  # its name cannot be part of a URL
            return {}
        return item

    def _listed(self, queues: Sequence[Resource]) -> list[Resource]:
        """The queues with the sampled numbers from one list for each vhost."""
        numbers: dict[tuple[str, str], tuple[int | None, int | None]] = {}
        for vhost in {queue.key.vhost for queue in queues}:
            for item in self._http.get(f"/queues/{segment(vhost)}?columns=name,messages,consumers"):
                numbers[vhost, item["name"]] = item.get("messages"), item.get("consumers")
        return [
            replace(queue, messages=messages, consumers=consumers)
            for queue in queues
            for messages, consumers in [numbers.get((queue.key.vhost, queue.key.name[0]), (None, None))]
        ]

    def put(self, resource: Resource) -> None:
        """Creates or updates an object; properties of a vhost or user that it does not set are kept.

        Raises:
          Rejected: The broker rejects it; the error has its reason.
          NotFound: Its vhost, or something that it needs, such as an exchange or plugin, does not exist.
        """
        what = f"create {resource.key}"
        method = "POST" if resource.key.kind is Kind.BINDING else "PUT"
        document = body(resource)
        if resource.key.kind in (Kind.VHOST, Kind.USER):
            document = self._completed(resource, document)
        stored = [document[name] for name in ("password", "password_hash") if name in document]
        secrets = KnownSecrets([*secrets_in(resource.properties), *stored], min_length=1)
        before("create", resource.key)
        self._http.request(method, _url_path(resource), what, document, secrets=secrets)
        if "protected_from_deletion" in resource.properties:
            before("protect", resource.key)
            protect = "POST" if resource.properties["protected_from_deletion"] else "DELETE"
            self._http.request(protect, f"{_url_path(resource)}/deletion/protection", what)

    def _completed(self, resource: Resource, document: dict[str, Any]) -> dict[str, Any]:
        """A vhost or user with all its properties: RabbitMQ resets those that a PUT leaves out, even the password."""
        try:
            item = self._http.get(path(resource))
        except NotFound:
            return {"tags": "", **document}
        if resource.key.kind is Kind.VHOST:
            live = reveal(decode.vhost(item).properties)
        else:
            live = reveal(decode.user(item).properties)
            if "password" in document or "password_hash" in document:
                del live["password_hash"], live["hashing_algorithm"]
        return {**live, "tags": ",".join(live.get("tags", ())), **document}

    def delete(self, resource: Resource, *, if_empty: bool = False) -> None:
        """Deletes an object, if it exists.

        Parameters:
          resource: The object; for a binding, also its duplicates that differ only in the width of integers.
          if_empty: Refuse to delete a queue that contains messages.

        Raises:
          Refused: `if_empty` is set and the queue contains messages.
          Rejected: The broker rejects it; the error has its reason.
        """
        what = f"delete {resource.key}"
        try:
            for target in self._targets(resource, if_empty):
                before("delete", resource.key)
                self._http.request("DELETE", target, what)
        except NotFound:
            return
        except Rejected as error:
            if if_empty and "not empty" in error.reason:
                raise Refused(f"cannot {what}: it holds messages") from None
            raise

    def _targets(self, resource: Resource, if_empty: bool) -> list[str]:
        target = _url_path(resource)
        match resource.key.kind:
            case Kind.BINDING:
                return [f"{target}/{segment(key)}" for key in self._properties_keys(resource, target)]
            case Kind.TOPIC_PERMISSION:
                return [f"{target}/{segment(resource.key.name[1])}"]
            case Kind.QUEUE if if_empty:
                return [self._url_if_empty(resource, target)]
        return [target]

    def _url_if_empty(self, resource: Resource, target: str) -> str:
        """The URL for deleting an empty queue; only classic queues support `if-empty`."""
        messages = self.counted([resource])[0].messages
        if messages is None:
            raise Refused(f"cannot delete {resource.key}: it is unknown whether it holds messages")
        if messages:
            raise Refused(f"cannot delete {resource.key}: it holds messages")
        return f"{target}?if-empty=true" if self._http.get(target).get("type") == "classic" else target

    def _properties_keys(self, resource: Resource, target: str) -> list[str]:
        """The broker's keys of a binding: several if clients declared it with integers of different widths."""
        if resource.properties_key is not None and not binding_arguments(resource.key):
            return [resource.properties_key]
        bindings = filter(None, map(decode.binding, self._http.get(target)))
        return [
            found.properties_key
            for found in bindings
            if found.key == resource.key and found.properties_key is not None
        ]


def _counted(queue: Resource, item: Mapping[str, Any] | None) -> Resource:
    """A queue with the sampled numbers, which the management API does not have of a new queue."""
    if item is None:
        return replace(queue, messages=0, consumers=0)
    return replace(queue, messages=item.get("messages"), consumers=item.get("consumers"))


def _updated(queue: Resource, amqp: Amqp) -> Resource:
    """A queue with its ready messages and consumers; unknown if it exists and does not answer."""
    counts = amqp.counts(queue.key)
    if counts is None:
        return replace(queue, messages=None, consumers=None)
    ready, consumers = counts
    return replace(queue, messages=max(ready, queue.messages or 0), consumers=consumers)


def _url_path(resource: Resource) -> str:
    target = path(resource)
    if {"%2E", "%2E%2E"} & set(target.split("/")):
        raise Rejected(
            f"cannot address {resource.key} in the management API",
            "its name is a relative path segment",
            "choose another name than `.` and `..`",
        )
    return target
