"""Installs rabbitmq-server from Debian's packages: with apt, or by unpacking a Debian system into the cache folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from ...base.progress import Announce
from ...errors import BrokerError
from .container import how_to_use_docker
from .lock import locked

#: RabbitMQ series -> the Debian suite that contains it, oldest first. sid may contain a newer one.
SUITES = {"3.10": "bookworm", "4.0": "trixie", "4.3": "sid"}

#: Folders of an unpacked Debian that RabbitMQ does not need.
_UNNEEDED = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")


def can_install() -> bool:
    """Whether we are root on a system with apt."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def offers(series: str | None) -> bool:
    """Whether apt on this machine has a RabbitMQ of this series."""
    return SUITES.get(series or "") == _codename()


def _codename() -> str | None:
    """The Debian release of this machine, such as `bookworm`."""
    try:
        found = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    except OSError:
        return None
    return found[1] if found else None


def apt_install(package: str, progress: Announce) -> None:
    """Installs a package on this machine; a broker that it starts is stopped.

    Raises:
      BrokerError: apt-get failed.
    """
    install = ["apt-get", "install", "--yes", "--no-install-recommends"]
    install += ["-o", "DPkg::Lock::Timeout=300", package]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with locked(_cache() / "apt.lock", progress):
        progress(f"installing {package} with apt-get")
        for command in (["apt-get", "update"], install):
            result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    # Only the result of the install counts: an update fails even if just one of several sources is down.
    if result.returncode != 0:
        raise BrokerError(
            f"apt-get could not install `{package}`: {_last_line(result.stderr)}",
            f"run `apt-get install {package}` to see why",
        )
    if package == "rabbitmq-server" and Path("/run/systemd/system").exists():
        # The package starts a broker for the whole machine, now and at every boot.
        subprocess.run(["systemctl", "disable", "--now", package], capture_output=True, check=False)


def unpacked(series: str, *, install: bool, progress: Announce) -> Path | None:
    """Root folder of a Debian system with RabbitMQ of this series, or None if there is none and none may be made.

    Parameters:
      series: A key of `SUITES`.
      install: Whether to unpack it if it is missing.
      progress: Called with one line before each slow step.

    Raises:
      BrokerError: It cannot be unpacked.
    """
    if not can_install():
        return None
    root = _cache() / f"rabbitmq-{series}"
    if not root.exists():
        if not install:
            return None
        with locked(root.with_suffix(root.suffix + ".lock"), progress) as lock:
            if not root.exists():
                _debootstrap(SUITES[series], root, lock, progress)
    return root


def _debootstrap(suite: str, root: Path, lock: int, progress: Announce) -> None:
    if shutil.which("debootstrap") is None:
        apt_install("debootstrap", progress)
    progress(f"unpacking RabbitMQ from Debian {suite} into {root} (about a minute, 400 MB)")
    partial = root.with_suffix(root.suffix + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    # In its own namespaces, what debootstrap mounts and starts goes away with it, even if it is killed. It inherits
    # the lock, so that after routectl is killed no other process unpacks into the same folder at the same time.
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "debootstrap", "--variant=minbase"]
    command += ["--include=rabbitmq-server", suite, str(partial)]
    result = subprocess.run(command, capture_output=True, text=True, pass_fds=(lock,), check=False)
    if result.returncode != 0:
        reason = _last_line(result.stdout if "E:" in result.stdout else result.stderr)
        log = partial / "debootstrap/debootstrap.log"
        advice = f"see `{log}`" if log.exists() else "run this as root with CAP_SYS_ADMIN"
        raise BrokerError(
            f"debootstrap could not unpack Debian {suite}: {reason}", f"{advice}, or {how_to_use_docker()}"
        )
    for folder in _UNNEEDED:
        shutil.rmtree(partial / folder, ignore_errors=True)
    hosts = partial / "etc/hosts"
    if not hosts.exists():
        hosts.write_text("127.0.0.1 localhost\n")
    partial.rename(root)


def _cache() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "routectl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BrokerError(
            f"the cache folder `{folder}` cannot be created: {error.strerror}",
            "set `XDG_CACHE_HOME` to a writable folder",
        ) from error
    return folder


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it printed no reason"
