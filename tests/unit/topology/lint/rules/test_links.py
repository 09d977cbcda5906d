"""Shovels and upstreams that RabbitMQ refuses, or that could never move a message, are found in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from ....loading import Folder, body

ENDS = 'src_uri: "amqp://", dest_uri: "amqp://"'
PLAIN = f"{ENDS}, src_queue: a, dest_queue: b"
AMQP10 = (
    'src_protocol: amqp10, src_uri: "amqp://h", src_address: a, '
    'dest_protocol: amqp10, dest_uri: "amqp://h", dest_address: b'
)
LOCAL = f"{PLAIN}, src_protocol: local, dest_protocol: local"


def shovel(settings: str, *, targets: str = "") -> str:
    return body(f"shovels: {{s: {{{settings}}}}}" + (f"\ntargets: ['{targets}']" if targets else ""))


@pytest.mark.parametrize(
    "settings",
    [
        PLAIN,
        f"{ENDS}, src_exchange: a, src_exchange_key: k",  # messages keep exchange and key
        f"{ENDS}, src_queue: a, dest_exchange_key: k",
        f'{ENDS}, src_queue: a, dest_exchange: "", dest_exchange_key: b',
        f"{PLAIN}, src_predeclared: true, src_delete_after: 5, dest_publish_properties: {{delivery_mode: 2}}",
        AMQP10,
        f"{AMQP10}, src_consumer_args: {{x-priority: 5}}, src_predeclared: true",
        'src_protocol: amqp10, src_uri: "amqp://h/?hostname=vhost:v", src_address: a, dest_uri: "amqp://"',
        LOCAL,
    ],
)
def test_shovels_that_work(tmp_path: Path, settings: str) -> None:
    assert Folder(tmp_path).load(shovel(settings)).warnings == ()


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        (ENDS, "missing-key: a shovel needs a source: `src_queue` or `src_exchange`"),
        (
            f"{ENDS}, src_protocol: local, dest_queue: b",
            "missing-key: a shovel needs a source: `src_queue` or `src_exchange`",
        ),
        (
            f"{PLAIN}, reconnect_delay: 50d",
            "wrong-value: `reconnect_delay` must be at most 4294967, not `50d`",
        ),
        (f"{PLAIN}, src_exchange: x", "conflict: the source of a shovel is a queue or an exchange, not both"),
        (
            f"{PLAIN}, dest_exchange: x",
            "conflict: the destination of a shovel is a queue or an exchange, not both",
        ),
        (
            'src_protocol: amqp10, src_uri: "amqp://h", dest_uri: "amqp://"',
            "missing-key: a shovel with `src_protocol: amqp10` needs `src_address`",
        ),
        (
            'src_queue: a, src_uri: "amqp://h", dest_uri: "amqp://h", dest_protocol: amqp10',
            "missing-key: a shovel with `dest_protocol: amqp10` needs `dest_address`",
        ),
        (
            f"{AMQP10}, src_queue: x",
            "wrong-argument: `src_queue` cannot be used with the protocol `amqp10`; RabbitMQ would refuse it",
        ),
        (
            f"{PLAIN}, src_address: x",
            "wrong-argument: `src_address` cannot be used with the protocol `amqp091`; RabbitMQ would refuse it",
        ),
        (
            f"{LOCAL}, src_prefetch_count: 5",
            "wrong-argument: `src_prefetch_count` cannot be used with the protocol `local`; "
            "RabbitMQ would refuse it",
        ),
        (
            f"{AMQP10}, dest_publish_properties: {{delivery_mode: 2}}",
            "wrong-argument: `dest_publish_properties` cannot be used with the protocol `amqp10`; "
            "RabbitMQ would refuse it",
        ),
        (
            f"{ENDS}, src_queue: a, src_exchange_key: k",
            "wrong-argument: `src_exchange_key` has no effect without `src_exchange`",
        ),
        (
            f"{ENDS}, src_exchange: a, src_queue_args: {{x-max-length: 5}}",
            "wrong-argument: `src_queue_args` has no effect without `src_queue`",
        ),
        (
            f"{PLAIN}, dest_exchange_key: k",
            "wrong-argument: `dest_exchange_key` has no effect with `dest_queue`",
        ),
        (
            f"{PLAIN}, ack_mode: no-ack, src_delete_after: 5",
            "conflict: a shovel with `ack_mode: no-ack` cannot count messages for `src_delete_after`",
        ),
        (
            f"{AMQP10}, src_delete_after: queue-length",
            "wrong-argument: an AMQP 1.0 source has no length for `src_delete_after: queue-length`",
        ),
        (
            f"{PLAIN}, src_delete_after: -1",
            "wrong-value: `src_delete_after` must be one of never, queue-length",
        ),
        (
            f"{PLAIN}, arguments: {{prefetch-count: 5}}",
            "misplaced-key: `prefetch-count` has its own field",
        ),
        (
            f"{PLAIN}, arguments: {{ack-mode: no-ack}}",
            "misplaced-key: `ack-mode` has its own field",
        ),
        (
            'src_queue: a, src_uri: "amqp://h/", dest_uri: "amqp://"',
            "bad-uri: the `/` at the end of the URI names a vhost without a name",
        ),
        (
            'src_protocol: amqp10, src_uri: "amqp://h/v", src_address: a, dest_uri: "amqp://"',
            "bad-uri: a URI with the protocol `amqp10` cannot have a path",
        ),
        (
            'src_protocol: amqp10, src_uri: "amqp://", src_address: a, dest_uri: "amqp://"',
            "bad-uri: a URI with the protocol `amqp10` needs a host",
        ),
        (
            'src_protocol: amqp10, src_uri: "amqp://ü@h", src_address: a, dest_uri: "amqp://"',
            "bad-uri: a URI with the protocol `amqp10` must have special and non-ASCII characters "
            "percent-encoded",
        ),
    ],
)
def test_shovels_that_cannot_work(tmp_path: Path, settings: str, mistake: str) -> None:
    (found,) = Folder(tmp_path).mistakes(shovel(settings))
    assert mistake in found


@pytest.mark.parametrize(
    ("settings", "version", "since"),
    [
        (LOCAL, "4.1", "from 4.2"),
        (f"{PLAIN}, src_predeclared: true", "3.13", "from 4.0"),
        (f"{PLAIN}, dest_predeclared: true", "3.13", "from 4.0"),
        (f"{AMQP10}, dest_predeclared: true", "4.2", "from 4.3"),
        (f"{AMQP10}, src_consumer_args: {{x-priority: 5}}", "4.2", "from 4.3"),
        (f"{PLAIN}, src_consumer_name: mover", "4.2", "from 4.3"),
    ],
)
def test_what_came_later_is_known(tmp_path: Path, settings: str, version: str, since: str) -> None:
    found = Folder(tmp_path).mistakes(shovel(settings, targets=version))
    assert found
    assert all("wrong-version" in mistake and since in mistake for mistake in found)
    assert Folder(tmp_path).load(shovel(settings, targets="4.3")).warnings == ()


@pytest.mark.parametrize(
    ("federation", "mistake"),
    [
        (
            "{upstreams: {u: {uri: 'amqp://h', queue_type: quorum}}}",
            "wrong-version: RabbitMQ 3.12 does not support `queue_type` of an upstream: it is available from 3.13",
        ),
        (
            "{upstreams: {u: {uri: 'amqp://h'}}, upstream_sets: {all: [{upstream: u}]}}",
            "reserved-name: no policy can use the upstream set `all`: to RabbitMQ, that name means every upstream",
        ),
        (
            "{upstreams: {u: {uri: 'amqp://h'}}, upstream_sets: {s: [{upstream: u}, {upstream: u}]}}",
            "conflict: `u` is listed twice: every message would arrive twice",
        ),
        (
            "{upstreams: {u: {uri: 'amqp://h', arguments: {max-hops: 2}}}}",
            "misplaced-key: `max-hops` has its own field | write `max_hops:` beside `arguments:`",
        ),
        ("{upstreams: {u: {uri: ['amqp://h', 'amqp://h:x']}}}", "bad-uri: `uri` must have a port from 1 to"),
    ],
)
def test_upstreams_that_cannot_work(tmp_path: Path, federation: str, mistake: str) -> None:
    (found,) = Folder(tmp_path).mistakes(body(f"targets: ['3.12']\nfederation: {federation}"))
    assert mistake in found


@pytest.mark.parametrize(
    "place", ["src_uri: ${URI}", "src_uri: [amqp://h, '${URI}']", "src_uri: 'amqp://u:${PW}@h'"]
)
@pytest.mark.parametrize("character", "#/?%@: ")
def test_a_uri_from_the_environment_is_checked_and_not_shown(
    tmp_path: Path, place: str, character: str
) -> None:
    password = f"S3cr3t{character}1"
    environment = {"PW": password, "URI": f"amqp://u:{password}@h"}
    text = body(f"shovels:\n  s:\n    {place}\n    src_queue: a\n    dest_uri: amqp://")
    (finding,) = Folder(tmp_path).findings(text, environment)
    assert finding.code == "bad-uri"
    assert finding.position is not None
    assert (finding.position.line, finding.position.column > 10) == (4, True)
    assert f"`{'%20' if character == ' ' else character}`" in finding.message
    assert "S3cr3t" not in finding.render() + str(finding.as_dict())


def test_a_password_in_the_arguments_of_a_link_is_refused(tmp_path: Path) -> None:
    for argument in ("dest-uri: 'amqp://app:S3cr3t@h'", "password: S3cr3t", "x: ['amqp://app:S3cr3t@h']"):
        (finding,) = Folder(tmp_path).findings(shovel(f"{PLAIN}, arguments: {{{argument}}}"))
        assert finding.code == "literal-secret"
        assert "S3cr3t" not in finding.render()


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        ("src_queue_args: {x-expires: 7d}", "RabbitMQ refuses this value of `x-expires`"),
        ("dest_queue_args: {x-max-priority: 300}", "RabbitMQ refuses this value of `x-max-priority`"),
        ("dest_queue_args: {x-queue-type: quroum}", "RabbitMQ refuses this value of `x-queue-type`"),
        ("src_consumer_args: {x-priority: high}", "RabbitMQ refuses this value of `x-priority`"),
        (
            "src_queue_args: {x-dead-letter-routing-key: k}",
            "`x-dead-letter-routing-key` needs `x-dead-letter-exchange`",
        ),
        ("src_queue_args: {x-own: null}", "RabbitMQ cannot store `x-own: null`"),
        (
            "dest_publish_properties: {headers: {a: 1}}",
            "a shovel cannot set the property `headers`: RabbitMQ refuses it",
        ),
        ("dest_publish_properties: {delivery_mode: two}", "`delivery_mode` must be a number"),
        ("dest_publish_properties: {expiration: 5}", "`expiration` must be a text"),
        ("arguments: {internal: 1}", "RabbitMQ refuses this value of `internal`"),
    ],
)
def test_values_that_rabbitmq_refuses_within_a_shovel(tmp_path: Path, settings: str, mistake: str) -> None:
    (found,) = Folder(tmp_path).mistakes(shovel(f"{PLAIN}, {settings}"))
    assert mistake in found


@pytest.mark.parametrize(
    ("settings", "targets", "mistake"),
    [
        ("arguments: {reconect-delay: 5}", "4.3", "refuses the parameter `reconect-delay` of a shovel"),
        (
            "arguments: {src-delete-after-duration: 5}",
            "4.0",
            "support `src-delete-after-duration` of a shovel",
        ),
        ("src_queue_args: {x-delivery-limit: 5}", "4.0", "support `x-delivery-limit` in `src_queue_args`"),
        ("src_queue_args: {x-own: 5}", "3.13", "support `x-own` in `src_queue_args`"),
        ("src_queue_args: {x-queue-version: 1}", "4.3", "support `x-queue-version: 1`"),
        ("src_consumer_args: {x-own: 5}", "3.13", "support `x-own` in `src_consumer_args`"),
    ],
)
def test_names_that_a_version_refuses_within_a_shovel(
    tmp_path: Path, settings: str, targets: str, mistake: str
) -> None:
    folder = Folder(tmp_path)
    (found,) = folder.mistakes(shovel(f"{PLAIN}, {settings}", targets=targets))
    assert "wrong-version" in found
    assert mistake in found
    loaded = folder.load(shovel(f"{PLAIN}, {settings}"))
    assert {warning.code for warning in loaded.warnings} <= {"unknown-argument"}


def test_an_unknown_parameter_of_an_upstream_is_a_warning_until_the_version_is_known(tmp_path: Path) -> None:
    text = 'federation: {upstreams: {up: {uri: "amqp://h", arguments: {max-hop: 2}}}}'
    (warning,) = Folder(tmp_path).load(body(text)).warnings
    message = "RabbitMQ refuses the parameter `max-hop` of an upstream, which it does not know"
    assert (warning.code, warning.message, warning.help) == (
        "unknown-argument",
        message,
        "did you mean `max_hops`?",
    )
    (found,) = Folder(tmp_path).mistakes(body(f'{text}\ntargets: ["3.10"]'))
    assert message in found
    assert Folder(tmp_path).load(body(f'{text}\ntargets: ["4.9"]')).warnings == ()
