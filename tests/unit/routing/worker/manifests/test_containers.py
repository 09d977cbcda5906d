"""Services of Compose, and Deployments and Jobs of Kubernetes."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from routectl.routing.worker.manifests import containers
from routectl.routing.worker.manifests.processes import Setup

from .made import UNUSUAL, found

ALL = Setup("proj", beat=True, apply=("queues.yaml",), replicas={"high": 3}, containers=True)


def services(setup: Setup, *names: str, **options: Any) -> dict[str, Any]:
    return yaml.safe_load(containers.compose(found(*names, setup=setup), "img", **options))["services"]  # type: ignore[no-any-return]


def manifests(setup: Setup, *names: str, **options: Any) -> dict[str, Any]:
    files = containers.kubernetes(found(*names, setup=setup), "img", **options)
    return {name: yaml.safe_load(text) for name, text in files.items()}


def test_dollar_signs_are_kept_and_workers_get_time_to_finish() -> None:
    workers = found(*UNUSUAL, time_limit="5m")
    made = yaml.safe_load(containers.compose(workers, "img"))["services"]
    deployments = [yaml.safe_load(text) for text in containers.kubernetes(workers, "img").values()]
    assert len(made) == len(deployments) == len(workers)
    for worker, service, deployment in zip(workers, made.values(), deployments, strict=True):
        assert [word.replace("$$", "$") for word in service["command"]] == list(worker.command)
        assert service["stop_grace_period"] == "310s"
        pod = deployment["spec"]["template"]["spec"]
        assert pod["terminationGracePeriodSeconds"] == 310
        assert [word.replace("$$", "$") for word in pod["containers"][0]["command"]] == list(worker.command)


def test_services_wait_for_apply_and_read_their_environment_from_files() -> None:
    made = services(ALL, "high", env_files=[".env", "shop.env"])
    assert list(made) == ["worker-apply", "worker-high", "worker-beat"]
    assert all(service["env_file"] == [".env", "shop.env"] for service in made.values())
    assert made["worker-apply"]["restart"] == "on-failure"
    for name in ("worker-high", "worker-beat"):
        assert made[name]["depends_on"] == {"worker-apply": {"condition": "service_completed_successfully"}}
    assert made["worker-high"]["deploy"] == {"replicas": 3}
    assert "deploy" not in made["worker-beat"]


def test_a_probe_is_a_health_check_in_compose_and_decides_readiness_in_kubernetes() -> None:
    [check] = (
        service["healthcheck"]
        for service in services(ALL, "high", probe=True).values()
        if "healthcheck" in service
    )
    assert check["test"] == ["CMD-SHELL", 'celery -A proj inspect ping -t 10 -d "high@$$(hostname)"']
    made = manifests(ALL, "high", probe=True)
    [container] = made["worker-high.yaml"]["spec"]["template"]["spec"]["containers"]
    assert container["readinessProbe"]["exec"]["command"][:2] == ["sh", "-c"]
    assert "livenessProbe" not in container  # restarting workers does not help a broker that is down
    assert "healthcheck" not in services(ALL, "high")["worker-high"]


def test_kubernetes_gets_deployments_a_job_and_the_environment_from_secrets() -> None:
    made = manifests(ALL, "high", secrets=["broker"], config_maps=["shop"])
    assert [(name, each["kind"]) for name, each in made.items()] == [
        ("worker-apply.yaml", "Job"),
        ("worker-high.yaml", "Deployment"),
        ("worker-beat.yaml", "Deployment"),
    ]
    for each in made.values():
        [container] = each["spec"]["template"]["spec"]["containers"]
        assert container["envFrom"] == [{"secretRef": {"name": "broker"}}, {"configMapRef": {"name": "shop"}}]
    high, beat = made["worker-high.yaml"]["spec"], made["worker-beat.yaml"]["spec"]
    assert high["replicas"] == 3
    assert high["selector"]["matchLabels"] == high["template"]["metadata"]["labels"]
    assert (beat["replicas"], beat["strategy"]) == (1, {"type": "Recreate"})


@pytest.mark.parametrize(("options", "recreated"), [("", False), ("-n fixed", True), ("--beat", True)])
def test_a_worker_that_cannot_run_twice_ends_before_its_successor_starts(
    options: str, recreated: bool
) -> None:
    workers = found("high", options=options, setup=Setup("proj", containers=True))
    deployment = yaml.safe_load(containers.kubernetes(workers, "img")["worker-high.yaml"])
    assert ("strategy" in deployment["spec"]) == recreated


def test_a_changed_job_has_another_name_since_kubernetes_cannot_change_one() -> None:
    [processes] = [found("high", setup=ALL)]
    names = []
    for image in ("shop:1", "shop:1", "shop:2"):
        job = yaml.safe_load(containers.kubernetes(processes, image)["worker-apply.yaml"])
        names.append(job["metadata"]["name"])
    assert names[0] == names[1] != names[2]
    assert all(re.fullmatch("worker-apply-[0-9a-f]{8}", name) for name in names)


def test_yaml_has_no_aliases_which_people_cannot_edit() -> None:
    assert "&id" not in "".join(containers.kubernetes(found("high", setup=ALL), "img").values())
