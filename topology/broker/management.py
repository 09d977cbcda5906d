"""RabbitMQ's management API: reads the state of a broker, and writes single objects or whole definitions."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from ..errors import BrokerError, NotFound, Refused, Rejected, UsageError
from ..state import Key, Kind, Resource, State, binding_arguments
from . import normalise
from .address import Address
from .definitions import body, definitions, path, revealed, segment
from .http import CONNECTIONS, Http

#: Called with how much is done, and of how much; from any thread, one call at a time.
Progress = Callable[[int, int], None]

#: The components whose parameters routectl manages.
COMPONENTS = ("federation-upstream", "federation-upstream-set", "shovel")

#: Seconds that an import may take: it is synchronous, and the broker has no limit of its own.
IMPORT_TIMEOUT = 3600.0


@dataclass(frozen=True, slots=True)
class Server:
    """What kind of broker it is.

    Parameters:
      version: `(4, 3, 6)`.
      product_version: As the broker writes it: `4.3.6`.
      cluster_name: The name that all its nodes share.
      tags: The tags of the user we are.
      khepri: Whether it keeps its definitions in Khepri rather than Mnesia.
    """

    version: tuple[int, ...]
    product_version: str
    cluster_name: str
    tags: frozenset[str] = frozenset()
    khepri: bool = False

    @property
    def administrator(self) -> bool:
        """Whether we may import definitions."""
        return "administrator" in self.tags


class _Endpoint(NamedTuple):
    kind: Kind
    path: str


class Management:
    """A broker's management API. Thread-safe; a context manager that closes its connections.

    Parameters:
      address: Where, and who we are.
      timeout: Seconds to wait for an answer.
      retries: How often all hosts are tried again, with growing pauses, before giving up connecting.

    Every method raises `Unreachable` if no host answers, and `AccessRefused` if we lack a tag or permission.
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

    def server(self) -> Server:
        """What kind of broker it is. The tag `management` is enough."""
        overview = self._http.get("/overview?columns=rabbitmq_version,product_version,cluster_name")
        try:
            text, cluster_name = overview["rabbitmq_version"], overview["cluster_name"]
        except (TypeError, KeyError):
            raise self._http.stranger() from None
        version = tuple(int(number) for number in re.findall(r"\d+", text)[:3])
        tags = self._http.get("/whoami")["tags"]
        return Server(
            version=version,
            product_version=overview.get("product_version", text),
            cluster_name=cluster_name,
            tags=frozenset(tags.split(",") if isinstance(tags, str) else tags),
            khepri=self._khepri(version),
        )

    def _khepri(self, version: tuple[int, ...]) -> bool:
        """Khepri came with 4.0, optional up to 4.2, and is the only store from 4.3 on."""
        if version < (4, 0) or version >= (4, 3):
            return version >= (4, 3)
        try:
            flags = self._http.get("/feature-flags")
        except BrokerError:
            return version >= (4, 2)
        return any(flag["name"] == "khepri_db" and flag["state"] == "enabled" for flag in flags)

    def read(
        self, vhosts: Collection[str], kinds: Collection[Kind], *, progress: Progress | None = None
    ) -> State:
        """The objects of these kinds in these vhosts; users are those of the whole cluster.

        Only what the kinds need is asked for, concurrently. The tag `management` and a permission in each
        vhost are enough for exchanges, queues, bindings, policies, operator policies and limits; parameters
        need `policymaker`; users and permissions `administrator`. A vhost that does not exist has no objects.

        Counts of messages are up to five seconds old (the broker's own sampling); consumers are not read:
        see `counts`.

        Parameters:
          vhosts: Their names.
          kinds: What to read.
          progress: Told after each of the broker's answers.
        """
        endpoints = [endpoint for kind in dict.fromkeys(kinds) for endpoint in _endpoints(kind, vhosts)]
        report = _Counter(len(endpoints), progress)
        state: State = {}
        with ThreadPoolExecutor(max_workers=CONNECTIONS) as executor:
            for resources in executor.map(lambda endpoint: self._fetch(endpoint, report), endpoints):
                for resource in resources:
                    state.setdefault(resource.key, resource)
        for key in [key for key in state if key.kind is Kind.VHOST and key.name[0] not in vhosts]:
            del state[key]
        return state

    def _fetch(self, endpoint: _Endpoint, report: _Counter) -> list[Resource]:
        try:
            items = self._http.get(endpoint.path)
        except NotFound:
            items = []
        if endpoint.kind is Kind.VHOST_LIMIT:
            resources = [limit for item in items for limit in normalise.vhost_limits(item)]
        else:
            resources = list(filter(None, map(normalise.READERS[endpoint.kind], items)))
        report.add()
        return resources

    def counts(self, key: Key) -> tuple[int, int]:
        """Messages and consumers of one queue, up to five seconds old.

        Raises:
          NotFound: There is no such queue.
        """
        item = self._http.get(path(Resource(key)))
        return item.get("messages", 0), item.get("consumers", 0)

    def put(self, resource: Resource) -> None:
        """Creates an object, or updates it; what is not said of a vhost or user stays as it is.

        Raises:
          Rejected: The broker refuses it, for the reason it holds.
          NotFound: The vhost does not exist, or something that it needs: an exchange, a plugin.
        """
        what = f"create {resource.key}"
        method = "POST" if resource.key.kind is Kind.BINDING else "PUT"
        document = body(resource)
        if resource.key.kind in (Kind.VHOST, Kind.USER):
            document = self._completed(resource, document)
        self._http.request(method, _addressable(resource), what, document)

    def _completed(self, resource: Resource, document: dict[str, Any]) -> dict[str, Any]:
        """A vhost's or user's whole new state: RabbitMQ resets what a PUT does not say, even a password."""
        try:
            item = self._http.get(path(resource))
        except NotFound:
            return {"tags": "", **document}
        if resource.key.kind is Kind.VHOST:
            live = revealed(normalise.vhost(item).properties)
        else:
            live = revealed(normalise.user(item).properties)
            if "password" in document or "password_hash" in document:
                del live["password_hash"], live["hashing_algorithm"]
        return {**live, "tags": ",".join(live.get("tags", ())), **document}

    def delete(self, resource: Resource, *, if_empty: bool = False) -> None:
        """Deletes an object; one that is not there is no error.

        Parameters:
          resource: Which; of a binding also every twin that differs in nothing but the width of its integers.
          if_empty: Leave a queue that holds messages.

        Raises:
          Refused: `if_empty`, and the queue holds messages.
          Rejected: The broker refuses, for the reason it holds.
        """
        what = f"delete {resource.key}"
        try:
            for target in self._targets(resource, if_empty):
                self._http.request("DELETE", target, what)
        except NotFound:
            return
        except Rejected as error:
            if if_empty and "not empty" in error.reason:
                raise Refused(f"cannot {what}: it holds messages") from None
            raise

    def _targets(self, resource: Resource, if_empty: bool) -> list[str]:
        target = _addressable(resource)
        match resource.key.kind:
            case Kind.BINDING:
                return [f"{target}/{segment(key)}" for key in self._properties_keys(resource, target)]
            case Kind.TOPIC_PERMISSION:
                return [f"{target}/{segment(resource.key.name[1])}"]
            case Kind.QUEUE if if_empty:
                return [self._if_empty(resource, target)]
        return [target]

    def _if_empty(self, resource: Resource, target: str) -> str:
        """Only classic queues know `if-empty`; of the others, what the broker last counted has to do."""
        item = self._http.get(target)
        if item.get("type") == "classic":
            return f"{target}?if-empty=true"
        if item.get("messages", 0):
            raise Refused(f"cannot delete {resource.key}: it holds messages")
        return target

    def _properties_keys(self, resource: Resource, target: str) -> list[str]:
        """The broker's handles on a binding: several if clients sent its integers in several widths."""
        if resource.properties_key is not None and not binding_arguments(resource.key):
            return [resource.properties_key]
        bindings = filter(None, map(normalise.binding, self._http.get(target)))
        return [
            found.properties_key
            for found in bindings
            if found.key == resource.key and found.properties_key is not None
        ]

    def import_definitions(self, vhost: str, resources: Iterable[Resource]) -> None:
        """Creates exchanges, queues and bindings of one vhost in one go. Needs the tag `administrator`.

        What exists is skipped without being compared, and some of what cannot be created is skipped without
        an error: read the state again afterwards. An error leaves the rest undone, or half done.

        Raises:
          Rejected: The broker refuses one of them; its reason often says which.
          NotFound: The vhost does not exist.
        """
        what = f"import definitions into vhost `{vhost}`"
        document = definitions(resources)
        self._http.request("POST", f"/definitions/{segment(vhost)}", what, document, timeout=IMPORT_TIMEOUT)


class _Counter:
    """Counts what is done, over all threads."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total = total
        self._progress = progress
        self._done = 0
        self._lock = threading.Lock()

    def add(self) -> None:
        with self._lock:
            self._done += 1
            if self._progress is not None:
                self._progress(self._done, self._total)


def _addressable(resource: Resource) -> str:
    if "." in resource.key.name or ".." in resource.key.name:
        raise UsageError(
            f"the management API cannot address {resource.key}: its name would be taken for a folder",
            "choose another name than `.` or `..`",
        )
    return path(resource)


#: Where the objects of each kind are listed; `{}` is a vhost.
_PATHS: dict[Kind, tuple[str, ...]] = {
    Kind.VHOST: ("/vhosts?columns=name,description,tags,default_queue_type,metadata",),
    Kind.VHOST_LIMIT: ("/vhost-limits/{}",),
    Kind.USER: ("/users",),
    Kind.PERMISSION: ("/vhosts/{}/permissions",),
    Kind.EXCHANGE: ("/exchanges/{}?disable_stats=true",),
    Kind.TOPIC_PERMISSION: ("/vhosts/{}/topic-permissions",),
    Kind.QUEUE: ("/queues/{}?disable_stats=true&enable_queue_totals=true",),
    Kind.BINDING: ("/bindings/{}",),
    Kind.PARAMETER: tuple(f"/parameters/{component}/{{}}" for component in COMPONENTS),
    Kind.POLICY: ("/policies/{}",),
    Kind.OPERATOR_POLICY: ("/operator-policies/{}",),
}


def _endpoints(kind: Kind, vhosts: Collection[str]) -> list[_Endpoint]:
    """What to ask for, to have all objects of a kind."""
    paths = _PATHS[kind]
    if "{}" not in paths[0]:
        return [_Endpoint(kind, paths[0])]
    return [_Endpoint(kind, path.format(segment(vhost))) for vhost in vhosts for path in paths]
