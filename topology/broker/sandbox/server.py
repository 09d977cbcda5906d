"""Finds a rabbitmq-server to run, or installs one; starts nothing.

Three sources, in this order: the one on the machine, the one that Debian's apt installs, and, for a version
that neither has, a small Debian of its own in the cache folder (debootstrap), run in a chroot.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...errors import BrokerError, RoutectlError, UsageError

#: Where Debian keeps the script itself; the one in `/usr/sbin` insists on the system's `rabbitmq` user.
DEBIAN_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

#: RabbitMQ series -> Debian suite that carries it. sid moves on, so what it delivers may be newer.
SUITES = {"4.0": "trixie", "4.3": "sid"}

#: Series -> image tag's choice is free in Docker; this one is used when none is named.
DEFAULT_SERIES = "4.3"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Server:
    """A rabbitmq-server on disk.

    Parameters:
      command: Path of the `rabbitmq-server` script, as seen inside `root`.
      root: Folder to chroot to before running it, or None to run it where it is.
    """

    command: Path
    root: Path | None = None

    @property
    def version(self) -> str | None:
        """The version its install folder names, such as `3.10.8`; None if it names none."""
        real = ((self.root or Path("/")) / self.command.relative_to("/")).resolve()
        found = re.findall(r"\d+\.\d+\.\d+", str(real))
        return found[-1] if found else None


def find(version: str | None, *, install: bool, progress: Progress) -> Server:
    """A server of the series asked for.

    Parameters:
      version: A series such as `4.3`, or None for whichever is at hand.
      install: Whether packages may be installed and a Debian unpacked for it.
      progress: Called with one line for each slow step.

    Raises:
      UsageError: nobody offers this version without Docker.
      BrokerError: there is none, and none could be installed.
    """
    local = _local()
    if local is None and install and version not in SUITES and _can_apt():
        _apt("rabbitmq-server", progress)
        local = _local()
    if local and (version is None or _series(local) == version):
        return local
    if version is None:
        raise none_at_hand()
    if version not in SUITES:
        raise UsageError(
            f"RabbitMQ {version} is not to be had without Docker",
            f"choose one of {', '.join(f'`{known}`' for known in offered(local))}, or start a Docker engine",
        )
    return _unpacked(version, install=install, progress=progress)


def none_at_hand() -> RoutectlError:
    """The error for a machine without Docker, rabbitmq-server and apt as root: it names the ways out."""
    return BrokerError(
        "there is neither a Docker engine nor a rabbitmq-server on this machine",
        "start Docker, install RabbitMQ (`apt-get install rabbitmq-server`, `brew install rabbitmq`), "
        "or run this as root on Debian or Ubuntu with `--install`",
    )


def offered(local: Server | None) -> list[str]:
    """The series that can be had here without Docker."""
    series = {*SUITES, *([_series(local)] if local else [])}
    return sorted((name for name in series if name), key=lambda name: [int(part) for part in name.split(".")])


def _series(server: Server) -> str | None:
    version = server.version
    return ".".join(version.split(".")[:2]) if version else None


def _local() -> Server | None:
    if DEBIAN_SERVER.exists():
        return Server(DEBIAN_SERVER)
    found = shutil.which("rabbitmq-server")
    return Server(Path(found)) if found else None


def _can_apt() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _apt(package: str, progress: Progress) -> None:
    progress(f"installing {package} with apt-get")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "--yes", "--no-install-recommends", package]
    for command in (["apt-get", "update"], install):
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    # A failed update may only mean that one of several sources is down, so the install decides.
    if result.returncode != 0:
        raise BrokerError(
            f"apt-get could not install `{package}`: {_last_line(result.stderr)}",
            f"run `{' '.join(install)}` to see why",
        )


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it gave no reason"


def _unpacked(version: str, *, install: bool, progress: Progress) -> Server:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "routectl"
    root = cache / f"rabbitmq-{version}"
    if not root.exists():
        if not (install and _can_apt()):
            raise BrokerError(
                f"RabbitMQ {version} is not on this machine",
                "start Docker, or run this as root on Debian or Ubuntu with `--install`",
            )
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / f"rabbitmq-{version}.lock", progress) as lock:
            if not root.exists():
                _debootstrap(SUITES[version], root, lock, progress)
    server = Server(DEBIAN_SERVER, root)
    if _older(server.version, version):
        raise BrokerError(
            f"Debian's {SUITES[version]} delivered RabbitMQ {server.version}, not {version}",
            f"delete `{root}` to try again, or use Docker",
        )
    return server


def _older(version: str | None, series: str) -> bool:
    return version is None or [int(part) for part in version.split(".")] < [int(part) for part in series.split(".")]


def _debootstrap(suite: str, root: Path, lock: int, progress: Progress) -> None:
    if shutil.which("debootstrap") is None:
        _apt("debootstrap", progress)
    partial = root.with_name(root.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    progress(f"unpacking Debian {suite} with RabbitMQ into {root} (about a minute, 400 MB)")
    # Namespaces of its own: what debootstrap mounts and starts goes when it goes, however it ends.
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "debootstrap", "--variant=minbase"]
    command += ["--include=rabbitmq-server", suite, str(partial)]
    result = subprocess.run(command, capture_output=True, text=True, pass_fds=(lock,), check=False)
    if result.returncode != 0:
        reason = _last_line(result.stdout if "E:" in result.stdout else result.stderr)
        raise BrokerError(
            f"debootstrap could not unpack Debian {suite}: {reason}",
            f"see `{partial}/debootstrap/debootstrap.log`",
        )
    shutil.rmtree(partial / "var/cache/apt/archives", ignore_errors=True)
    hosts = partial / "etc/hosts"
    if not hosts.exists():
        hosts.write_text("127.0.0.1 localhost\n")
    partial.rename(root)


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[int]:
    """Holds the lock file; its descriptor goes to children, which so hold it for as long as they live."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another routectl to finish unpacking")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
