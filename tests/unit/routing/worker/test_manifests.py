"""Worker commands and manifests: correct for plain names, and safe for unusual ones."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest
import yaml

from routectl.routing.rules.default_queues import consumed_by_default
from routectl.routing.worker import manifests
from routectl.routing.worker import profile as profiles
from routectl.topology.errors import UsageError
from routectl.topology.model import Topology

UNUSUAL = [
    "high",
    "a b",
    'x"y',
    "it's",
    "50%",
    "$(rm -rf /)",
    "${HOME}",
    "ünï/côdé",
    "-x",
    "high!",
    "\\n",
    "`id`",
    "HIGH",
]


def workers(
    *names: str, app: str = "proj", program: tuple[str, ...] = ("celery",), **profile: Any
) -> list[Any]:
    return manifests.worker_units(body(*names, **profile), app, program)


def body(*names: str, **profile: Any) -> Topology:
    return Topology.model_validate(
        {"version": 1, "queues": {"q": {}}, "workers": {name: {"queues": ["q"], **profile} for name in names}}
    )


def test_a_command_has_the_profile_and_a_green_pool() -> None:
    [plain] = workers("high", pool="threads")
    [green] = workers("high", pool="gevent")
    assert plain.command == ("celery", "-A", "proj", "worker", "--profile=high")
    assert green.command == (*plain.command, "-P", "gevent")


def test_text_and_procfile_are_quoted_for_a_shell() -> None:
    found = workers(*UNUSUAL)
    for line, worker in zip(manifests.shell_commands(found).splitlines(), found, strict=True):
        assert tuple(shlex.split(line)) == worker.command
    lines = [line.partition(": ") for line in manifests.procfile(found).splitlines()]
    assert [tuple(shlex.split(rest)) for _, _, rest in lines] == [worker.command for worker in found]
    assert all(re.fullmatch("[a-z0-9-]+", label) for label, _, _ in lines)
    assert len({label for label, _, _ in lines}) == len(found)


def test_workers_are_plain_data_for_json() -> None:
    assert json.loads(json.dumps(manifests.documents(workers("high")))) == [
        {
            "profile": "high",
            "share": None,
            "queues": ["q"],
            "command": ["celery", "-A", "proj", "worker", "--profile=high"],
        }
    ]


def test_compose_and_kubernetes_keep_dollar_signs() -> None:
    found = workers(*UNUSUAL, time_limit="5m")
    services = yaml.safe_load(manifests.compose(found, "img"))["services"]
    deployments = list(yaml.safe_load_all(manifests.kubernetes(found, "img")))
    assert len(services) == len(deployments) == len(found)
    for worker, service, deployment in zip(found, services.values(), deployments, strict=True):
        assert [word.replace("$$", "$") for word in service["command"]] == list(worker.command)
        assert service["stop_grace_period"] == "310s"
        assert re.fullmatch("[a-z0-9]([a-z0-9-]*[a-z0-9])?", deployment["metadata"]["name"])
        pod = deployment["spec"]["template"]["spec"]
        assert pod["terminationGracePeriodSeconds"] == 310
        assert [word.replace("$$(", "$(") for word in pod["containers"][0]["command"]] == list(worker.command)


def test_systemd_units_quote_what_systemd_expands() -> None:
    [odd] = workers('a %h $HOME "x"')
    text = manifests.systemd([odd], "/srv/50%", "we%b")
    assert "User=we%%b\n" in text
    assert 'ExecStart=celery -A proj worker "--profile=a %%h $$HOME \\"x\\""\n' in text
    assert "WorkingDirectory=/srv/50%%\n" in text
    assert "# /etc/systemd/system/worker-a-h-home-x.service\n" in text


def test_an_unknown_profile_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="has no worker profile `hgih`") as caught:
        profiles.find_profile(body("high", "low"), "hgih", "queues.yaml")
    assert caught.value.hint == "did you mean `high`?"


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ({"queues": {"a": {}, "b": {}}}, ("a", "b")),
        ({"queues": {"a": {}, "b": {}}, "unmatched": "b"}, ("b",)),
        ({"queues": {"a": {}, "b": {}}, "workers": {"w": {"queues": ["b"]}}, "unmatched": "a"}, ("b",)),
        (
            {
                "exchanges": {"dlx": {"type": "fanout"}},
                "queues": {
                    "a": {"dead_letter": {"exchange": "dlx"}},
                    "dead": {"bindings": [{"exchange": "dlx"}]},
                    "log": {"type": "stream"},
                },
                "routes": [{"tasks": "{q}:*", "queue": "{q}"}],
            },
            ("a",),
        ),
    ],
)
def test_queues_of_a_worker_without_a_profile(file: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert consumed_by_default(Topology.model_validate({"version": 1, **file})) == expected


def test_a_profile_becomes_option_values_and_settings() -> None:
    profile = body("w", concurrency=2, prefetch_multiplier=0, acks_late=True, soft_time_limit="30s").workers[
        "w"
    ]
    assert profiles.option_values("w", profile) == {
        "hostname": "w@%h",
        "concurrency": 2,
        "prefetch_multiplier": 0,
        "soft_time_limit": 30,
    }
    assert profiles.settings(profile) == {"worker_prefetch_multiplier": 0, "task_acks_late": True}
