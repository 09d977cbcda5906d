"""Shovels and upstreams on a real broker: what the file accepts, RabbitMQ accepts, and finds again unchanged."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from routectl.topology.base.amqp_uri import BadUri, parse_amqp_uri
from routectl.topology.base.resources import Kind, State
from routectl.topology.broker.address import Address
from routectl.topology.broker.management.client import Management as Client
from routectl.topology.broker.sandbox.probe import wait_until
from routectl.topology.change.desired import desired_state
from routectl.topology.change.diff import diff
from routectl.topology.errors import FileError
from routectl.topology.file.load import Loaded, load
from routectl.topology.lint.runner import check_versions
from routectl.topology.model import Shovel, Upstream
from routectl.topology.model.links import link_support_of
from routectl.topology.model.support import supported
from tests.brokers import Broker, Management

from .conftest import Command

#: Nobody listens there, so no link connects.
NOWHERE = "amqp://127.0.0.1:1"
WITH_PASSWORD = "amqp://u:s3cret@127.0.0.1:1"

_NAMES = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=20).filter(
    lambda name: name not in (".", "..")
)
_KEYS = st.text(st.characters(exclude_categories=["C"]), max_size=20)
_COUNTS = st.integers(1, 100_000)
_URIS = st.one_of(
    st.sampled_from([NOWHERE, [NOWHERE], [NOWHERE, "amqp://127.0.0.1:1/%2F"], "${URI}"]),
    st.builds(lambda vhost: f"amqp://127.0.0.1:1/{quote(vhost, safe='')}?heartbeat=5", _NAMES),
)
_ODD = st.sampled_from([0, -1, 1, 300, 1.5, "7d", "1D", "x", "quorum", "at-least-once", True, [], {}])
_NAMES_OF_ARGUMENTS = st.sampled_from(
    [
        "x-own",
        "x-expires",
        "x-max-priority",
        "x-queue-type",
        "x-max-age",
        "x-delivery-limit",
        "x-queue-version",
    ]
)
_ARGUMENTS = st.one_of(
    st.fixed_dictionaries(
        {}, optional={"x-max-length": _COUNTS, "x-queue-type": st.just("quorum"), "x-expires": _COUNTS}
    ),
    st.dictionaries(_NAMES_OF_ARGUMENTS, _ODD, min_size=1, max_size=1),
)
_PROPERTIES = st.dictionaries(
    st.sampled_from(["delivery_mode", "timestamp", "app_id", "expiration", "headers", "own"]),
    _ODD,
    max_size=1,
)


def _of(required: dict[str, Any], **optional: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


_LATER = st.booleans()
_SOURCES = st.one_of(
    _of(
        {"src_uri": _URIS, "src_queue": _NAMES},
        src_protocol=st.just("amqp091"),
        src_queue_args=_ARGUMENTS,
        src_consumer_args=st.one_of(_of({}, **{"x-priority": _COUNTS}), _ARGUMENTS),
        src_prefetch_count=_COUNTS,
        src_predeclared=_LATER,
        src_delete_after=st.sampled_from(["never", "queue-length", 0, 5]),
    ),
    _of({"src_uri": _URIS, "src_exchange": _NAMES}, src_exchange_key=_KEYS, src_predeclared=_LATER),
    _of(
        {"src_uri": st.just(NOWHERE), "src_protocol": st.just("amqp10"), "src_address": _NAMES},
        src_prefetch_count=_COUNTS,
        src_consumer_args=_of({}, **{"x-priority": _COUNTS}),
        src_delete_after=st.sampled_from(["never", 5]),
    ),
    _of({"src_uri": _URIS, "src_protocol": st.just("local"), "src_queue": _NAMES}, src_predeclared=_LATER),
)
_DESTINATIONS = st.one_of(
    _of(
        {"dest_uri": _URIS},
        dest_queue=_NAMES,
        dest_queue_args=_ARGUMENTS,
        dest_predeclared=_LATER,
        dest_publish_properties=st.one_of(_of({}, delivery_mode=st.just(2), app_id=_NAMES), _PROPERTIES),
    ),
    _of({"dest_uri": _URIS}, dest_exchange=_KEYS, dest_exchange_key=_KEYS),
    _of({"dest_uri": st.just(NOWHERE), "dest_protocol": st.just("amqp10"), "dest_address": _NAMES}),
    _of({"dest_uri": _URIS, "dest_protocol": st.just("local"), "dest_queue": _NAMES}),
)
_OPTIONS = _of(
    {},
    ack_mode=st.sampled_from(["on-confirm", "on-publish", "no-ack"]),
    reconnect_delay=st.integers(0, 100),
    dest_add_forward_headers=st.booleans(),
    dest_add_timestamp_header=st.booleans(),
    arguments=st.dictionaries(
        st.sampled_from(["own", "internal", "src-delete-after-duration", "dest-properties"]), _ODD, max_size=1
    ),
)
SHOVELS = st.builds(
    lambda *parts: {k: v for part in parts for k, v in part.items()}, _SOURCES, _DESTINATIONS, _OPTIONS
)
_UPSTREAM_OPTIONS = {
    "exchange": _NAMES,
    "queue": _NAMES,
    "prefetch_count": st.integers(0, 5000),
    "reconnect_delay": st.integers(0, 100),
    "ack_mode": st.sampled_from(["on-confirm", "on-publish", "no-ack"]),
    "max_hops": st.integers(1, 9),
    "expires": _COUNTS,
    "message_ttl": _COUNTS,
    "consumer_tag": _KEYS,
    "trust_user_id": st.booleans(),
    "queue_type": st.sampled_from(["classic", "quorum"]),
    "channel_use_mode": st.sampled_from(["multiple", "single"]),
    "bind_nowait": st.booleans(),
    "resource_cleanup_mode": st.sampled_from(["default", "never"]),
}
UPSTREAMS = _of({"uri": _URIS}, **_UPSTREAM_OPTIONS)
MEMBERS = _of({"upstream": st.just("up")}, **_UPSTREAM_OPTIONS)


@pytest.fixture(scope="module")
def client(broker: Broker) -> Client:
    return Client(Address.parse(broker.url, management=broker.management))


def _loaded(folder: Path, document: dict[str, Any]) -> Loaded:
    path = folder / f"{uuid.uuid4().hex}.yaml"
    path.write_text(json.dumps({"version": 1, **document}, ensure_ascii=False), encoding="utf-8")
    try:
        return load(path, {"URI": WITH_PASSWORD})
    finally:
        path.unlink()


def _supported(loaded: Loaded, version: tuple[int, ...]) -> bool:
    return not check_versions(loaded.topology, loaded.position, ((version[0], version[1]),))


def _without_later_fields(
    model: type[Shovel | Upstream], link: dict[str, Any], version: tuple[int, ...]
) -> dict[str, Any]:
    """The link without the fields that the version lacks."""
    kept = dict(link)
    for field, support in link_support_of(model).items():
        protocol = link.get(f"{field.partition('_')[0]}_protocol", "amqp091")
        spec = support.on(protocol)
        if spec is not None and not supported(spec, (version[0], version[1])):
            kept.pop(field, None)
    return kept


def _applied(client: Client, vhost: str, desired: State) -> tuple[str, ...]:
    """Writes the parameters, and returns what the next plan would still change."""
    wanted = {key: resource for key, resource in desired.items() if key.kind is Kind.PARAMETER}
    for resource in wanted.values():
        client.put(resource)
    live = client.read([vhost], [Kind.PARAMETER])
    changes = diff(wanted, live).changes
    for resource in wanted.values():
        client.delete(resource)
    return tuple(f"{change.action} {change.key} {change.differences()}" for change in changes)


#: Random links for each test; more with `make proof`.
CASES = int(os.environ.get("ROUTECTL_TEST_CASES", "15"))


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(shovel=SHOVELS, upstream=UPSTREAMS, members=st.lists(MEMBERS, max_size=2))
def test_links_that_the_file_accepts_are_applied_and_found_again_unchanged(
    client: Client,
    broker: Broker,
    vhost: str,
    tmp_path: Path,
    shovel: dict[str, Any],
    upstream: dict[str, Any],
    members: list[dict[str, Any]],
) -> None:
    shovel = _without_later_fields(Shovel, shovel, broker.version)
    upstream, *members = (
        _without_later_fields(Upstream, link, broker.version) for link in (upstream, *members)
    )
    federation = {"upstreams": {"up": upstream}, "upstream_sets": {"set": members}}
    try:
        loaded = _loaded(tmp_path, {"shovels": {"s": shovel}, "federation": federation})
    except FileError:
        assume(False)
        raise
    assume(_supported(loaded, broker.version))
    assert _applied(client, vhost, desired_state(loaded.topology, vhost)) == ()


@pytest.mark.parametrize(
    "shovel",
    [
        {"src_uri": NOWHERE},
        {"src_queue": "a", "src_exchange": "b"},
        {"src_queue": "a", "dest_queue": "a", "dest_exchange": "b"},
        {"src_protocol": "amqp10"},
        {"src_protocol": "amqp10", "src_address": "a", "src_queue": "b"},
        {"src_queue": "a", "src_address": "b"},
        {"src_queue": "a", "dest_protocol": "amqp10"},
        {"src_queue": "a", "ack_mode": "no-ack", "src_delete_after": 5},
    ],
)
def test_shovels_that_the_file_refuses_are_refused_by_the_broker(
    management: Management, vhost: str, tmp_path: Path, shovel: dict[str, Any]
) -> None:
    document = {"src_uri": NOWHERE, "dest_uri": NOWHERE, **shovel}
    with pytest.raises(FileError):
        _loaded(tmp_path, {"shovels": {"s": document}})
    value = {name.replace("_", "-"): item for name, item in document.items()}
    path = f"parameters/shovel/{quote(vhost, safe='')}/s"
    status, _ = management.request("PUT", path, {"value": value})
    assert status == 400


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    uri=st.builds(
        "{}://{}{}{}{}".format,
        st.sampled_from(["amqp", "amqps"]),
        st.sampled_from(
            ["", "u@", "u:p@", "u:p%2F@", "u:p/1@", "u:1/p@", "u:p#@", "u:p%@", "ü:ß@", "u:p%zz@"]
        ),
        st.sampled_from(["", "h", "h:1", "h:0", "h:x", "h:99999", ":5", "[::1]", "[::1]:5", "h:"]),
        st.sampled_from(["", "/v", "/%2F", "/a/b", "/a%2Fb", "/ü"]),
        st.sampled_from(["", "?heartbeat=5", "?heartbeat=x", "?auth_mechanism=plain", "?verify=verify_none"]),
    )
)
def test_a_uri_that_the_file_accepts_is_accepted_by_the_broker(
    management: Management, vhost: str, uri: str
) -> None:
    try:
        parsed = parse_amqp_uri(uri)
    except BadUri:
        return
    assume(parsed.host)  # without a host, the broker checks that the vhost exists
    path = f"parameters/federation-upstream/{quote(vhost, safe='')}/u"
    assert management.request("PUT", path, {"value": {"uri": uri}})[0] in (201, 204)


def test_a_list_of_one_uri_equals_the_uri(
    routectl: Command, management: Management, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PW", "s3cret")
    for uris in (WITH_PASSWORD, [WITH_PASSWORD]):
        value = {"src-uri": uris, "src-queue": "a", "dest-uri": [WITH_PASSWORD], "dest-queue": "b"}
        management.put(f"parameters/shovel/{quote(vhost, safe='')}/s", {"value": value})
        for written in (json.dumps(WITH_PASSWORD), json.dumps([WITH_PASSWORD])):
            written = written.replace("s3cret", "${PW}")
            routectl.write(
                f"shovels: {{s: {{src_uri: {written}, src_queue: a, dest_uri: {written}, dest_queue: b}}}}"
            )
            assert routectl.matches()


def test_a_shovel_that_deletes_itself_runs_when_asked_and_is_no_difference_afterwards(
    routectl: Command, management: Management, vhost: str
) -> None:
    path = quote(vhost, safe="")
    uri = f"amqp:///{path}"
    routectl.write(
        "queues: {from: , to: }\n"
        f'shovels: {{move: {{src_uri: "{uri}", src_queue: from, dest_uri: "{uri}", dest_queue: to,'
        " src_delete_after: queue-length}}"
    )
    applied = routectl("apply", "--yes")
    note = "note: shovel move deletes itself when it is done: start it with `apply --run shovel:move`"
    assert note in applied.out
    assert "Applied: 2 created. Broker matches" in applied.out
    assert routectl.matches()
    message = {"properties": {}, "routing_key": "from", "payload": "x", "payload_encoding": "string"}
    management.post(f"exchanges/{path}/amq.default/publish", message)

    saved = str(routectl.folder / "plan.json")
    assert "shovel  move" in routectl("plan", "--run", "shovel:move", "--out", saved).out
    started = routectl("apply", saved, "--yes")
    assert "Applied: 1 created. Broker matches" in started.out
    assert wait_until(lambda: management.get(f"parameters/shovel/{path}") == [], timeout=60)
    moved = management.post(
        f"queues/{path}/to/get", {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}
    )
    assert [item["payload"] for item in moved] == ["x"]
    assert routectl.matches()
    assert not management.get(f"parameters/shovel/{path}")

    refused = routectl("plan", "--run", "shovel:mvoe")
    assert (refused.code, "`--run shovel:mvoe` names no shovel" in refused.err) == (2, True)
