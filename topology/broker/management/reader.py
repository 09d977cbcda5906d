"""Reads the state of a broker from the management API, with concurrent requests.

Seconds for 10,000 queues and 10,000 bindings:

    RabbitMQ                                              3.10.8   4.0.5   4.3.6
    queues, `disable_stats`, only the columns needed        0.29    0.13    0.19
    queues, `disable_stats`                                 0.32    0.14    0.23
    queues, `disable_stats` and `enable_queue_totals`       0.56    0.45    0.43
    bindings of the one exchange that has them              0.20    0.14    0.19
    bindings of the vhost, with the default exchange        0.48    0.34    0.36
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from ...base.resources import Kind, Resource, State
from ...errors import BrokerError, NotFound, Unreachable
from ..definitions import decode
from ..definitions.encode import segment
from .http import CONNECTIONS, Http

#: The components with parameters that routectl manages.
COMPONENTS = ("federation-upstream", "federation-upstream-set", "shovel")

#: With more exchanges than this, one request for all bindings is faster than one for each exchange.
_FEW_EXCHANGES = 50

_EXCHANGES = "/exchanges/{}?disable_stats=true"

#: Where the objects of each kind are listed; `{}` is a vhost.
_PATHS: dict[Kind, tuple[str, ...]] = {
    Kind.VHOST: ("/vhosts?columns=name,description,tags,default_queue_type,metadata",),
    Kind.VHOST_LIMIT: ("/vhost-limits/{}",),
    Kind.USER: ("/users",),
    Kind.USER_LIMIT: ("/user-limits",),
    Kind.PERMISSION: ("/vhosts/{}/permissions",),
    Kind.EXCHANGE: (_EXCHANGES,),
    Kind.TOPIC_PERMISSION: ("/vhosts/{}/topic-permissions",),
    Kind.QUEUE: ("/queues/{}?disable_stats=true&columns=name,vhost,durable,auto_delete,exclusive,arguments",),
    Kind.PARAMETER: tuple(f"/parameters/{component}/{{}}" for component in COMPONENTS),
    Kind.GLOBAL_PARAMETER: ("/global-parameters",),
    Kind.POLICY: ("/policies/{}",),
    Kind.OPERATOR_POLICY: ("/operator-policies/{}",),
}

_Job = Callable[[], list[Resource] | None]


def read(
    http: Http, vhosts: Collection[str], kinds: Collection[Kind], optional: Collection[Kind] = ()
) -> tuple[State, frozenset[Kind]]:
    """Implements `Management.read` and `Management.observe`.

    Parameters:
      http: The management API.
      vhosts: Names of the vhosts.
      kinds: What to read.
      optional: Kinds to read if the user has the necessary tags.

    Returns:
      The objects, and the optional kinds that could not be read.
    """
    jobs = [(kind, job) for kind in kinds for job in _jobs(http, kind, vhosts)]
    jobs += [(kind, partial(_if_possible, job)) for kind in optional for job in _jobs(http, kind, vhosts)]
    state: State = {}
    unreadable = set()
    with ThreadPoolExecutor(max_workers=CONNECTIONS) as executor:
        for (kind, _), resources in zip(jobs, executor.map(lambda job: job[1](), jobs), strict=True):
            if resources is None:
                unreadable.add(kind)
                continue
            for resource in resources:
                # Bindings that differ only in the width of an integer count as one.
                state.setdefault(resource.key, resource)
    return state, frozenset(unreadable)


def _if_possible(job: _Job) -> list[Resource] | None:
    try:
        return job()
    except Unreachable:
        raise
    except BrokerError:
        return None


def _jobs(http: Http, kind: Kind, vhosts: Collection[str]) -> Iterator[_Job]:
    """The requests that read all objects of a kind."""
    if kind is Kind.BINDING:
        yield from (partial(_bindings, http, vhost) for vhost in vhosts)
        return
    for path in _PATHS[kind]:
        if "{}" in path:
            yield from (partial(_list, http, kind, path.format(segment(vhost))) for vhost in vhosts)
        elif kind is Kind.VHOST:
            yield partial(_vhosts, http, path)
        else:
            yield partial(_list, http, kind, path)


def _list(http: Http, kind: Kind, path: str) -> list[Resource]:
    try:
        items = http.get(path)
    except NotFound:
        return []
    if kind in decode.LIMIT_READERS:
        return [limit for item in items for limit in decode.LIMIT_READERS[kind](item)]
    return list(filter(None, map(decode.READERS[kind], items)))


def _vhosts(http: Http, path: str) -> list[Resource]:
    # A vhost that is being deleted is listed without a name; RabbitMQ 3.10 lists it as an empty list.
    return [decode.vhost(item) for item in http.get(path) if "name" in item]


def _bindings(http: Http, vhost: str) -> list[Resource]:
    """The bindings of a vhost, if possible without those of all queues to the default exchange."""
    vhost = segment(vhost)
    try:
        names = [exchange["name"] for exchange in http.get(_EXCHANGES.format(vhost) + "&columns=name")]
    except NotFound:
        return []
    if len(names) > _FEW_EXCHANGES or "." in names or ".." in names:
        return _list(http, Kind.BINDING, f"/bindings/{vhost}")
    paths = (f"/exchanges/{vhost}/{segment(name)}/bindings/source" for name in names if name)
    return [binding for path in paths for binding in _list(http, Kind.BINDING, path)]
