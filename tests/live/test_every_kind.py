"""A file with objects of every kind: planned, applied, and unchanged in the next plan."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.brokers import Broker, Management

from .conftest import Command

EVERYTHING = """
description: All there is
tags: [b, a]
limits: {max_connections: 500, max_queues: 1000}
exchanges:
  d: {type: direct}
  t: {type: topic, alternate_exchange: f}
  f: {type: fanout}
  h: {type: headers, internal: true}
  i: {type: topic, auto_delete: true, bindings: [{exchange: t, key: "i.#"}]}
  ch: {type: x-consistent-hash, hash_header: account}
  ch2: {type: x-consistent-hash, hash_property: message_id}
  rnd: {type: x-random}
  rh: {type: x-recent-history, recent_history_length: 10}
  hh:
    type: headers
    bindings: [{exchange: h, match: any, headers: {a: 1, b: x, c: true}}]
    arguments: {x-own: 1.5, x-list: [1, a]}
queues:
  c:
    expires: 7d
    message_ttl: 1h
    max_length: 1000
    max_length_bytes: 2GiB
    dead_letter: {exchange: d, routing_key: dead}
    overflow: reject-publish-dlx
    single_active_consumer: true
    max_priority: 5
    queue_mode: lazy
    queue_version: 2
    arguments: {x-unheard: of, x-n: 5}
    bindings:
      - {exchange: d, key: c}
      - {exchange: h, match: all, headers: {n: 5, s: t}}
      - {exchange: hh, match: any-with-x, headers: {x-n: 5}}
      - {exchange: h, match: all-with-x, headers: {x-n: 5}}
      - {exchange: amq.topic, key: "#"}
  brief: {auto_delete: true, max_priority: 0}
  kept: {type: quorum, dead_letter: {strategy: at-least-once}}
  q:
    type: quorum
    delivery_limit: 5
    overflow: reject-publish
    dead_letter: {exchange: d, strategy: at-least-once, routing_key: ""}
    quorum_initial_group_size: 1
    queue_leader_locator: balanced
    max_in_memory_length: 10
    max_in_memory_bytes: 1MiB
    single_active_consumer: true
    bindings: [{exchange: ch, key: "3"}, {exchange: t, key: "a.*.b"}]
  s:
    type: stream
    max_age: 7d
    max_length_bytes: 1GB
    stream_max_segment_size_bytes: 100MB
    initial_cluster_size: 1
    queue_leader_locator: client-local
  "a/b%2F c.d 🐇": {bindings: [{exchange: t, key: "🐇 /%"}]}
  LONGEST: {}
policies:
  "p/1 %": {pattern: "^brief", apply_to: queues, priority: 3, definition: {message_ttl: 7d, dead_letter: {exchange: f}}}
  all: {pattern: "", priority: -5, apply_to: exchanges, definition: {alternate_exchange: f}}
  key: {pattern: "^kept$", apply_to: queues, definition: {dead_letter: {routing_key: dead}}}
  fed: {pattern: "^t$", apply_to: exchanges, definition: {federation_upstream_set: all, alternate_exchange: f}}
operator_policies:
  op: {pattern: "^[cbq]", apply_to: queues, definition: {max_length: 100000, expires: 30d}}
federation:
  upstreams:
    up:
      uri: "${UPSTREAM}"
      prefetch_count: 5
      reconnect_delay: 1m
      ack_mode: on-confirm
      max_hops: 2
      expires: 1h
      message_ttl: 1m
      trust_user_id: false
  upstream_sets: {set: [{upstream: up, exchange: other}]}
shovels:
  sh:
    src_uri: "amqp://"
    src_queue: c
    dest_uri: ["${DESTINATION}", "amqp://"]
    dest_exchange: d
    dest_exchange_key: x
    src_delete_after: never
    ack_mode: on-confirm
    reconnect_delay: 10s
    src_prefetch_count: 10
vhosts:
  OTHER: {default_queue_type: quorum, queues: {plain: {}, qq: {type: quorum}}}
users:
  APP:
    password: "${PASSWORD}"
    tags: [monitoring]
    limits: {max_connections: 10, max_channels: -1}
    permissions: {VHOST: {configure: "^$", write: ".*", read: ".*"}, OTHER: {read: ".*"}}
    topic_permissions: {VHOST: {t: {write: "^a", read: "^b"}}}
  FILE: {password_file: SECRET_FILE}
  HASH: {password_hash: "A3wzwHYVMG4PH/2RDGFxmYJgxSQhe4u4YxQ1FBDUQjVTEcUr"}
global_parameters:
  GLOBAL: {brokers: {de: 1, fr: [2.5, null, true]}, password: "${PASSWORD}"}
"""

FOR_VERSION = {
    (3, 12): "  timeout: {type: quorum, consumer_timeout: 1h}\n",
    (3, 13): "  filter: {type: stream, stream_filter_size_bytes: 32}\n",
    (4, 0): "  leader: {queue_leader_locator: balanced}\n",
    (4, 3): "  retry: {type: quorum, delayed_retry_type: all, delayed_retry_min: 1s, delayed_retry_max: 1m,"
    " consumer_disconnected_timeout: 1m}\n",
}
SECRETS = {
    "UPSTREAM": "amqp://u:s3cret@localhost:1/x",
    "DESTINATION": "amqp://u:s3cret@localhost:1",
    "PASSWORD": "s3cret",
}


@pytest.fixture
def everything(
    routectl: Command, broker: Broker, management: Management, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Command]:
    """The command, with the file written; its vhosts and users are deleted afterwards."""
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    secret = routectl.folder / "password"
    secret.write_text("s3cret-too\n")
    queues = "".join(text for since, text in FOR_VERSION.items() if broker.version >= since)
    names = {
        "OTHER": f"{vhost}-other",
        **{name: f"{name.lower()}-{vhost}" for name in ("APP", "FILE", "HASH", "GLOBAL")},
    }
    text = EVERYTHING.replace("policies:", queues + "policies:", 1).replace("LONGEST", "é" * 127 + "e")
    for word, name in {**names, "VHOST": vhost, "SECRET_FILE": str(secret)}.items():
        text = text.replace(f" {word}:", f' "{name}":').replace(f"{{{word}:", f'{{"{name}":')
        text = text.replace(f"password_file: {word}", f"password_file: {name}")
    routectl.write(f'vhost: "{vhost}"\n{text}')
    yield routectl
    management.remove(f"vhosts/{quote(names.pop('OTHER'), safe='')}")
    management.remove(f"global-parameters/{quote(names.pop('GLOBAL'), safe='')}")
    for user in names.values():
        management.remove(f"users/{quote(user, safe='')}")


def test_everything_is_created_and_found_again_unchanged(everything: Command) -> None:
    applied = everything("apply", "--yes")
    assert applied.code == 0, applied.err
    assert "failed" not in applied.out
    again = everything("plan", "--exit-code")
    assert (again.code, again.out.splitlines()[-1]) == (0, f"No changes. Broker matches {everything.path}.")
    assert "s3cret" not in applied.out


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        ("max_queues: 1000", "max_queues: 900", "value: 1000 -> 900"),
        ('write: "^a"', 'write: "^z"', "write: ^a -> ^z"),
        ("max_connections: 10,", "max_connections: -1,", "value: 10 -> -1"),
        ("fr: [2.5, null, true]", "fr: []", "brokers: "),
        ("prefetch_count: 5", "prefetch_count: 6", "prefetch-count: 5 -> 6"),
        ("dest_exchange_key: x", "dest_exchange_key: y", "dest-exchange-key: x -> y"),
        ("max_length: 100000", "max_length: 99", "max-length: 100000 -> 99"),
        ("tags: [monitoring]", "tags: [management]", 'tags: ["monitoring"] -> ["management"]'),
        ("All there is", "All there was", "description: *** -> All there was"),
        ("s3cret-too", "another", "password: *** -> ***"),
    ],
    ids=[
        "limit",
        "permission",
        "user limit",
        "global parameter",
        "upstream",
        "shovel",
        "operator policy",
        "user",
        "vhost",
        "password",
    ],
)
def test_what_can_be_changed_is_changed_in_place(everything: Command, old: str, new: str, shown: str) -> None:
    everything("apply", "--yes")
    secret: Path = everything.folder / "password"
    for path in (everything.path, secret):
        path.write_text(path.read_text().replace(old, new))
    planned = everything("plan")
    assert shown in planned.out
    assert planned.out.endswith("Plan: 1 to change\n")
    assert "Applied: 1 changed." in everything("apply", "--yes").out
    assert everything.matches()


def test_a_change_that_this_version_cannot_make_is_refused(everything: Command, broker: Broker) -> None:
    everything("apply", "--yes")
    file = everything.path
    file.write_text(file.read_text().replace("default_queue_type: quorum", "default_queue_type: classic"))
    assert "default_queue_type: quorum -> classic" in everything("plan").out
    applied = everything("apply", "--yes")
    if broker.version < (3, 11):
        assert applied.code == 1
        assert "cannot change the default queue type of vhost" in applied.err
    else:
        assert applied.code == 0
        assert everything.matches()


def test_a_vhost_is_protected_from_deletion(
    routectl: Command, broker: Broker, management: Management
) -> None:
    routectl.write(f'vhost: "{routectl.vhost}"\nprotected_from_deletion: true')
    planned = routectl("plan")
    if broker.version < (4, 1):
        assert planned.code == 2
        assert "does not support `protected_from_deletion`: it is available from 4.1" in planned.err
        return
    assert "protected_from_deletion: false -> true" in planned.out
    assert routectl("apply", "--yes").code == 0
    assert routectl.matches()
    status, _answer = management.request("DELETE", f"vhosts/{routectl.vhost}")
    assert status == 412
    routectl.write(f'vhost: "{routectl.vhost}"\nprotected_from_deletion: false')
    assert routectl("apply", "--yes").code == 0
    assert routectl.matches()
