"""An apply that fails in part: each failure with its object, and a rerun that resumes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from routectl.topology.base.resources import Resource, binding_key
from routectl.topology.broker.address import Address
from routectl.topology.broker.sandbox.node import Node
from routectl.topology.broker.sandbox.probe import wait_until
from routectl.topology.broker.session import ManagementSession
from tests.brokers import Broker, Management
from tests.fakes import queue

from .conftest import Command, Fault, queues

MANY = "exchanges: {tasks: {}}\nqueues:\n" + "".join(
    f"  queue-{number:04}: {{bindings: [{{exchange: tasks, key: key-{number:04}}}]}}\n"
    for number in range(1500)
)


def as_user(routectl: Command, name: str) -> dict[str, str]:
    """The broker's URL for another user."""
    host = routectl.broker.management.rpartition("@")[2]
    return {
        "url": routectl.broker.url_for(routectl.vhost, name, name),
        "management": f"http://{name}:{name}@{host}",
    }


def test_the_tag_management_is_enough_for_exchanges_queues_and_bindings(
    routectl: Command, user: Callable[..., str]
) -> None:
    routectl.write("exchanges: {tasks: {}}\nqueues: {high: {bindings: [{exchange: tasks, key: high}]}}\n")
    where = as_user(routectl, user("management"))
    assert routectl("apply", "--yes", **where).code == 0
    assert "No changes" in routectl("plan", **where).out


def test_without_any_tag_the_error_names_the_fix(routectl: Command, user: Callable[..., str]) -> None:
    routectl.write("queues: {high: {}}\n")
    where = as_user(routectl, user())
    result = routectl("plan", **where)
    assert result.code == 2
    assert "management" in result.err
    assert routectl("apply", "--yes", "--via", "amqp", **where).code == 0


def test_what_the_user_may_not_create_fails_alone(routectl: Command, user: Callable[..., str]) -> None:
    routectl.write("queues: {mine-1: {}, theirs: {}, mine-2: {}}\n")
    result = routectl("apply", "--yes", **as_user(routectl, user("management", "^mine")))
    assert result.code == 3
    assert "failed: queue theirs: " in result.out
    assert "Applied: 2 created, 1 failed." in result.out
    assert routectl("apply", "--yes").out.count("+ queue") == 1


@pytest.mark.parametrize("via", ["management", "amqp"])
def test_an_exclusive_queue_of_another_connection_fails_alone(
    routectl: Command, broker: Broker, management: Management, vhost: str, via: str
) -> None:
    routectl.write("queues: {mine: {}, locked: {}}\n")
    connection = pika.BlockingConnection(pika.URLParameters(broker.url_for(vhost)))
    connection.channel().queue_declare("locked", exclusive=True)
    result = routectl("apply", "--yes", "--via", via)
    assert result.code == 3
    assert "failed: queue locked: cannot obtain exclusive access" in result.out
    assert "Applied: 1 created, 1 failed." in result.out
    connection.close()
    assert wait_until(lambda: management.request("GET", f"queues/{vhost}/locked")[0] == 404, timeout=60)
    assert routectl("apply", "--yes").code == 0


def test_an_internal_error_of_the_broker_fails_its_object_alone(routectl: Command, vhost: str) -> None:
    high, bound = queue("high", vhost), Resource(binding_key(vhost, "amq.topic", "high", "k"))
    answered_500 = Resource(binding_key(vhost, "amq.headers", "high", "", {"gone": None, "ratio": 0.5}))
    address = Address.parse(routectl.broker.url_for(vhost), management=routectl.broker.management)
    with ManagementSession(address) as session:
        (failure,) = session.create_all(vhost, [high, bound, answered_500], lambda _done, _total: None)
        assert {high.key, bound.key} <= session.read({}, [vhost]).keys()
    assert failure.resource == answered_500
    assert "answered 500" in failure.error.message
    assert "broker's log" not in (failure.error.hint or "")


def test_limits_of_a_vhost_are_not_missing_permissions(
    routectl: Command, management: Management, vhost: str
) -> None:
    routectl.write(
        "exchanges: {tasks: }\nqueues: {high: {bindings: [{exchange: tasks, key: high}]}, low: }\n"
    )
    management.put(f"vhost-limits/{vhost}/max-connections", {"value": 0})
    over_amqp = routectl("apply", "--yes", "--via", "amqp")
    assert over_amqp.code == 2
    assert "connection limit (0) is reached" in over_amqp.err
    assert "hint: close connections, or raise the limit" in over_amqp.err
    management.put(f"vhost-limits/{vhost}/max-queues", {"value": 1})
    refused = routectl("apply", "--yes")
    assert refused.code == 1
    assert f"`max_queues` of vhost `{vhost}` is 1: it has 0, and the plan creates 2" in refused.err
    assert "tasks" not in {exchange["name"] for exchange in management.get(f"exchanges/{vhost}")}
    management.delete(f"vhost-limits/{vhost}/max-connections")
    applied = routectl("apply", "--yes", "--via", "amqp")
    assert applied.code == 3
    assert "queue limit in vhost" in applied.out
    assert "hint: raise the limit of the vhost" in applied.out
    management.delete(f"vhost-limits/{vhost}/max-queues")
    assert routectl("apply", "--yes").code == 0
    assert routectl.matches()


def test_without_an_amqp_port_everything_goes_by_http(routectl: Command, vhost: str) -> None:
    routectl.write("exchanges: {tasks: {}}\nqueues: {high: {bindings: [{exchange: tasks, key: high}]}}\n")
    assert routectl("apply", "--yes", url=f"amqp://localhost:9/{vhost}").code == 0
    assert routectl.matches()


def test_missing_tags_are_refused_all_at_once_before_anything_is_written(
    routectl: Command, management: Management, vhost: str, user: Callable[..., str]
) -> None:
    routectl.write(
        "queues: {high: }\nlimits: {max_queues: 100}\n"
        "policies: {p: {pattern: x, definition: {max_length: 1}}}\n"
        "operator_policies: {p: {pattern: x, definition: {max_length: 1}}}\n"
    )
    name = user("monitoring")
    planned = routectl("plan", **as_user(routectl, name))
    applied = routectl("apply", "--yes", **as_user(routectl, name))
    assert (planned.code, applied.code) == (0, 1)
    for shown in (planned.out, applied.err):
        assert "lacks the tag `policymaker`, which these changes need: 1 policy" in shown
        assert f"`rabbitmqctl set_user_tags {name} monitoring policymaker`" in shown
        assert "`administrator`, which these changes need: 1 vhost limit, 1 operator policy" in shown
    assert management.get(f"queues/{vhost}") == []


def test_an_administrators_missing_permissions_are_refused_before_anything_is_written(
    routectl: Command, management: Management, vhost: str, user: Callable[..., str]
) -> None:
    routectl.write(
        "exchanges: {tasks: }\nqueues: {mine: {bindings: [{exchange: tasks, key: a}]}, theirs: }\n"
    )
    name = user("administrator", "^mine")
    refused = routectl("apply", "--yes", **as_user(routectl, name))
    assert refused.code == 1
    assert "lacks the permission `configure` in vhost" in refused.err
    assert "for exchange tasks, queue theirs" in refused.err
    management.delete(f"permissions/{vhost}/{name}")
    assert (
        f"user `{name}` has no permissions in vhost `{vhost}`"
        in routectl("plan", **as_user(routectl, name)).out
    )
    assert management.get(f"queues/{vhost}") == []


def test_permissions_that_a_move_needs_are_refused_before_it_begins(
    routectl: Command, management: Management, vhost: str, user: Callable[..., str], channel: BlockingChannel
) -> None:
    routectl.write("queues: {mine: {}}\n")
    assert routectl("apply", "--yes").code == 0
    channel.confirm_delivery()
    channel.basic_publish("", "mine", b"x", mandatory=True)
    routectl.write("queues: {mine: {type: quorum}}\n")
    name = user("administrator", "^mine")
    refused = routectl("apply", "--yes", "--allow", "disruptive", **as_user(routectl, name))
    assert refused.code == 1
    assert "for queue routectl.hold.mine, queue routectl.wait.mine\n" in refused.err
    assert queues(management, vhost) == ["mine"]


def test_users_require_an_administrator(routectl: Command, user: Callable[..., str]) -> None:
    routectl.write("users: {somebody: {tags: [management]}}\n")
    result = routectl("plan", **as_user(routectl, user("management")))
    assert result.code == 2
    assert "administrator" in result.err + result.out


def test_a_missing_plugin_is_refused_before_anything_is_written(
    private_broker: Callable[..., Node], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node = private_broker(plugins=("rabbitmq_management",))
    routectl = Command(Broker(node.url, node.management, node.version), "/", tmp_path, capsys)
    routectl.write(
        "queues: {high: {}}\n"
        'shovels: {move: {src_uri: "amqp://", src_queue: high, dest_uri: "amqp://", dest_queue: high}}\n'
        "federation: {upstreams: {far: {uri: amqp://far}}}\n"
        "policies:\n"
        "  far: {pattern: ^high$, definition: {federation_upstream: far}}\n"
        "  sharded: {pattern: ^x$, definition: {shards_per_node: 2}}\n"
        "  typo: {pattern: ^high$, apply_to: queues, priority: 1, definition: {arguments: {max-lenght: 5}}}\n"
    )
    management = Management(node.management)
    assert wait_until(
        lambda: "enabled_plugins" in management.get("nodes?columns=enabled_plugins")[0], timeout=60
    )
    result = routectl("apply", "--yes")
    assert result.code == 1
    for plugin in ("rabbitmq_shovel", "rabbitmq_federation", "rabbitmq_sharding"):
        assert f"`rabbitmq-plugins enable {plugin}`" in result.err
    assert "does not know the policy key `max-lenght`" in result.err
    assert management.get("queues") == management.get("policies") == []


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT], ids=["killed", "interrupted"])
def test_a_rerun_finishes_an_interrupted_apply(
    routectl: Command, management: Management, vhost: str, stop: signal.Signals
) -> None:
    routectl.write(MANY)
    process = routectl.start("apply", "--yes", fault=Fault(2500, stop))
    _, errors = process.communicate(timeout=120)
    assert process.returncode == (130 if stop is signal.SIGINT else -9), errors
    assert "Traceback" not in errors
    assert 0 < len(queues(management, vhost)) < 1500
    assert routectl("apply", "--yes").code == 0
    assert routectl.matches()


def test_two_concurrent_applies_both_succeed(routectl: Command) -> None:
    routectl.write(MANY)
    processes = [routectl.start("apply", "--yes", "--lock-timeout", "5m") for _ in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    assert routectl.matches()


def test_a_broker_that_dies_half_way_is_one_sentence_and_a_rerun_finishes(
    private_broker: Callable[..., Node], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    node = private_broker()
    routectl = Command(Broker(node.url, node.management, node.version), "/", tmp_path, capsys)
    routectl.write(MANY)
    process = routectl.start("apply", "--yes", fault=Fault(2500, signal.SIGSTOP))
    assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
    node.kill()
    process.send_signal(signal.SIGCONT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 3
    assert "error: " in errors
    assert "hint: fix the cause and rerun: apply resumes" in errors
    assert "Traceback" not in errors
    node.start()
    assert routectl("apply", "--yes").code == 0
    assert routectl.matches()


def test_a_wrong_password_and_a_closed_port_are_one_sentence_each(routectl: Command) -> None:
    routectl.write("queues: {high: {}}\n")
    wrong = as_user(routectl, "nobody-s3cret")
    for via in ("management", "amqp"):
        refused = routectl("plan", "--via", via, **wrong)
        assert refused.code == 2
        assert refused.err.startswith("error: ")
        assert "hint: " in refused.err
        assert ":nobody-s3cret" not in refused.err
        closed = routectl("plan", "--via", via, url="amqp://localhost:9/", management="http://localhost:9")
        assert closed.code == 2
        assert closed.err.startswith("error: ")
        assert "hint: " in closed.err
