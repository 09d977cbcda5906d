"""Finding and installing a rabbitmq-server, with fake apt-get and debootstrap."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from routectl.topology.broker.sandbox import debian, server
from routectl.topology.broker.sandbox.server import Installation, find
from routectl.topology.errors import BrokerError, UsageError

Script = Callable[[str, str], None]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    """Root on a Debian 12 that has only the programs that the test writes, and those of `sh`."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for tool in ("sh", "mkdir", "ln", "touch", "cat", "sleep", "env", "ls"):
        (bin_folder / tool).symlink_to(f"/bin/{tool}")
    monkeypatch.setenv("PATH", str(bin_folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(server, "DEBIAN_SERVER", tmp_path / "usr/rabbitmq-server")
    monkeypatch.setattr(debian, "_codename", lambda: "bookworm")
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def write(name: str, body: str) -> None:
        path = bin_folder / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    return write


def unpacking(tmp_path: Path, version: str) -> str:
    """A debootstrap that unpacks one version and counts its runs."""
    real = f'"$3/usr/lib/rabbitmq_server-{version}/sbin"'
    inside = f'"$3{tmp_path}/usr"'
    return f"""echo run >> {tmp_path}/runs
sleep 0.1
mkdir -p {real} {inside} "$3/etc"
touch {real}/rabbitmq-server
ln -s "$3/usr/lib/rabbitmq_server-{version}/sbin/rabbitmq-server" {inside}/rabbitmq-server"""


def unshare(script: Script) -> None:
    script(
        "unshare",
        'while [ "$1" != debootstrap ]; do shift; done; shift; exec debootstrap "$1" "$2" "$4" "$3"',
    )


def test_with_nothing_at_hand_the_error_names_the_ways_out(script: Script) -> None:
    with pytest.raises(BrokerError, match="neither a Docker engine nor a rabbitmq-server") as caught:
        find()
    assert all(way in (caught.value.hint or "") for way in ("Docker", "apt-get install", "--install"))


def test_without_the_client_for_docker_the_error_says_how_to_install_it(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "docker", None)
    with pytest.raises(BrokerError) as caught:
        find()
    message = "there is no rabbitmq-server on this machine, and using Docker needs `routectl[sandbox]`"
    assert caught.value.message == message
    hint = caught.value.hint or ""
    assert hint.startswith("run `pip install 'routectl[sandbox]'` to use Docker, install RabbitMQ (`apt-get")


def test_one_on_the_path_is_taken(script: Script, tmp_path: Path) -> None:
    script("rabbitmq-server", "true")
    assert find(install=True) == Installation(tmp_path / "bin/rabbitmq-server")


def test_debians_own_script_comes_before_the_path(script: Script) -> None:
    script("rabbitmq-server", "true")
    server.DEBIAN_SERVER.parent.mkdir()
    server.DEBIAN_SERVER.touch()
    assert find() == Installation(server.DEBIAN_SERVER)


@pytest.mark.parametrize("version", [None, "3.10"])
def test_apt_installs_when_it_may(script: Script, tmp_path: Path, version: str | None) -> None:
    real = tmp_path / "rabbitmq_server-3.10.8/sbin"
    script(
        "apt-get",
        f'[ "$1" = update ] || {{ mkdir -p {real} {tmp_path}/usr; touch {real}/rabbitmq-server;'
        f" ln -s {real}/rabbitmq-server {server.DEBIAN_SERVER}; }}",
    )
    lines: list[str] = []
    found = find(version, install=True, progress=lines.append)
    assert found.version == "3.10.8"
    assert lines == ["installing rabbitmq-server with apt-get"]


def test_what_apt_says_last_is_passed_on(script: Script) -> None:
    script("apt-get", "echo 'E: Unable to locate package' >&2; exit 100")
    with pytest.raises(BrokerError, match="could not install `rabbitmq-server`: E: Unable to locate package"):
        find(install=True)


def test_a_version_that_nobody_offers(script: Script) -> None:
    with pytest.raises(UsageError, match=r"3\.13") as caught:
        find("3.13", install=True)
    assert "`4.3`" in (caught.value.hint or "")


def test_a_debian_is_unpacked_once_and_kept(script: Script, tmp_path: Path) -> None:
    script("apt-get", "exit 1")
    script("debootstrap", unpacking(tmp_path, "4.3.6"))
    unshare(script)
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda _: find("4.3", install=True, progress=lambda line: None), range(3)))
    assert {each.version for each in found} == {"4.3.6"}
    assert found[0].root == tmp_path / "cache/routectl/rabbitmq-4.3"
    assert (tmp_path / "runs").read_text().split() == ["run"]
    assert (tmp_path / "cache/routectl/rabbitmq-4.3/etc/hosts").read_text() == "127.0.0.1 localhost\n"
    assert not (tmp_path / "cache/routectl/rabbitmq-4.3.partial").exists()


def test_an_unpacking_that_broke_off_is_begun_anew(script: Script, tmp_path: Path) -> None:
    script("apt-get", "exit 1")
    script("debootstrap", 'mkdir -p "$3"; touch "$3/half"; echo "E: Failed getting release file"; exit 1')
    unshare(script)
    with pytest.raises(BrokerError, match="Debian sid: E: Failed getting release file") as caught:
        find("4.3", install=True)
    assert "Docker" in (caught.value.hint or "")
    partial = tmp_path / "cache/routectl/rabbitmq-4.3.partial"
    assert (partial / "half").exists()
    script("debootstrap", f'[ ! -e "$3" ] || exit 1; {unpacking(tmp_path, "4.4.1")}')
    assert find("4", install=True).version == "4.4.1"
    assert not partial.exists()


def test_an_older_version_than_asked_for_is_refused(script: Script, tmp_path: Path) -> None:
    script("apt-get", "exit 1")
    script("debootstrap", unpacking(tmp_path, "4.0.5"))
    unshare(script)
    with pytest.raises(BrokerError, match=r"contains RabbitMQ 4\.0\.5, not 4\.3"):
        find("4.3", install=True)


@pytest.mark.parametrize(("uid", "install"), [(0, False), (1000, True)])
def test_nothing_is_unpacked_unasked_or_without_root(
    script: Script, monkeypatch: pytest.MonkeyPatch, uid: int, install: bool
) -> None:
    script("apt-get", "exit 1")
    script("rabbitmq-server", "true")
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    with pytest.raises(BrokerError, match=r"RabbitMQ 4\.0 is not on this machine") as caught:
        find("4.0", install=install)
    assert "--install" in (caught.value.hint or "")


def test_a_cache_folder_that_cannot_be_made(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script("apt-get", "exit 1")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(BrokerError, match="cache folder"):
        find("4.0", install=True)
