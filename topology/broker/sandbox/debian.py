"""Installs packages of Debian, such as rabbitmq-server: with apt, or in a Debian unpacked into the cache folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ...base.progress import Announce
from ...errors import BrokerError
from .container import how_to_use_docker
from .folders import cache_folder
from .lock import locked

#: RabbitMQ series -> the Debian suite that contains it, oldest first. sid may contain a newer one.
SUITES = {"3.10": "bookworm", "4.0": "trixie", "4.3": "sid"}

#: Folders of an unpacked Debian that its programs do not need.
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
    with locked(cache_folder() / "apt.lock", progress):
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
    name = f"rabbitmq-{series}"
    if not install and not (cache_folder() / name).exists():
        return None
    try:
        return unpack(name, SUITES[series], ["rabbitmq-server"], progress)
    except BrokerError as error:
        raise BrokerError(error.message, f"{error.hint}, or {how_to_use_docker()}") from error


def unpack(name: str, suite: str, packages: Sequence[str], progress: Announce) -> Path:
    """Root folder of a Debian system with some packages, which is unpacked if it is missing.

    Parameters:
      name: Its folder below the cache folder.
      suite: The Debian suite that it comes from.
      packages: What it contains besides Debian's essential packages.
      progress: Called with one line before each slow step.

    Raises:
      BrokerError: It cannot be unpacked.
    """
    root = cache_folder() / name
    if not root.exists():
        with locked(root.with_suffix(root.suffix + ".lock"), progress) as lock:
            if not root.exists():
                _debootstrap(suite, packages, root, lock, progress)
    return root


def mounting(root: Path, *folders: str) -> list[str]:
    """Prefix of a command that sees folders of an unpacked Debian instead of this machine's.

    Parameters:
      root: Root folder of the unpacked Debian.
      folders: Names of folders below it; `usr` comes last, since `mount` itself is there.
    """
    # The mounts are in the command's own namespace, so they go away with its last process, even after a `kill -9`.
    # `exec` keeps the pid.
    mounts = "".join(f'mount --bind "$0/{folder}" /{folder}; ' for folder in folders)
    return ["unshare", "--mount", "sh", "-euc", f'{mounts}exec "$@"', str(root)]


def _debootstrap(suite: str, packages: Sequence[str], root: Path, lock: int, progress: Announce) -> None:
    if shutil.which("debootstrap") is None:
        apt_install("debootstrap", progress)
    progress(
        f"unpacking {' and '.join(packages)} from Debian {suite} into {root} (one to three minutes, up to 400 MB)"
    )
    partial = root.with_suffix(root.suffix + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    # In its own namespaces, what debootstrap mounts and starts goes away with it, even if it is killed. It inherits
    # the lock, so that after routectl is killed no other process unpacks into the same folder at the same time.
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "debootstrap", "--variant=minbase"]
    command += [f"--include={','.join(packages)}", suite, str(partial)]
    result = subprocess.run(command, capture_output=True, text=True, pass_fds=(lock,), check=False)
    if result.returncode != 0:
        reason = _last_line(result.stdout if "E:" in result.stdout else result.stderr)
        log = partial / "debootstrap/debootstrap.log"
        advice = f"see `{log}`" if log.exists() else "run this as root with CAP_SYS_ADMIN"
        raise BrokerError(f"debootstrap could not unpack Debian {suite}: {reason}", advice)
    for folder in _UNNEEDED:
        shutil.rmtree(partial / folder, ignore_errors=True)
    hosts = partial / "etc/hosts"
    if not hosts.exists():
        hosts.write_text("127.0.0.1 localhost\n")
    partial.rename(root)


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it printed no reason"
