"""Finds a rabbitmq-server to run, or installs one; starts nothing.

Three sources, in this order: the one on the machine, the one that Debian's apt installs, and, for a version
that neither has, a small Debian of its own in the cache folder (debootstrap), whose programs stand in for the
machine's while the node runs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...errors import BrokerError, RoutectlError, UsageError
from .lock import locked

#: Where Debian keeps the script itself; the one in `/usr/sbin` insists on the system's `rabbitmq` user.
DEBIAN_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

#: RabbitMQ series -> Debian suite that carries it, oldest first. sid moves on: it may deliver a newer one.
SUITES = {"3.10": "bookworm", "4.0": "trixie", "4.3": "sid"}

#: Called with one line of text for each slow step.
Announce = Callable[[str], None]

_HOW_TO_INSTALL = "run this as root on Debian or Ubuntu with `--install`"


@dataclass(frozen=True)
class Installation:
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


def find(version: str | None = None, *, install: bool = False, progress: Announce = print) -> Installation:
    """A server of the version asked for.

    Parameters:
      version: A version or its beginning, such as `4.3`; None for whichever is at hand.
      install: Whether packages may be installed, and a Debian unpacked, for it.
      progress: Called with one line for each slow step.

    Raises:
      UsageError: nobody offers this version without Docker.
      BrokerError: there is none, and none could be installed.
    """
    series = next((known for known in reversed(SUITES) if version and _begins(known, version)), None)
    local = _local()
    if (
        local is None
        and install
        and _can_apt()
        and (version is None or SUITES.get(series or "") == _codename())
    ):
        _apt("rabbitmq-server", progress)
        local = _local()
    if local and (version is None or _begins(local.version or "", version)):
        return local
    if version is None:
        raise _none_at_hand()
    if series is None:
        known = ", ".join(f"`{name}`" for name in SUITES)
        raise UsageError(
            f"RabbitMQ {version} cannot be had without Docker", f"choose one of {known}, or start Docker"
        )
    return _unpacked(series, install=install, progress=progress)


def _begins(version: str, beginning: str) -> bool:
    return f"{version}.".startswith(f"{beginning}.")


def _none_at_hand() -> RoutectlError:
    return BrokerError(
        "there is neither a Docker engine nor a rabbitmq-server on this machine",
        "start Docker, install RabbitMQ (`apt-get install rabbitmq-server`, `brew install rabbitmq`), "
        f"or {_HOW_TO_INSTALL}",
    )


def _local() -> Installation | None:
    if DEBIAN_SERVER.exists():
        return Installation(DEBIAN_SERVER)
    found = shutil.which("rabbitmq-server")
    return Installation(Path(found)) if found else None


def _can_apt() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _codename() -> str | None:
    """Which Debian this is, such as `bookworm`."""
    try:
        found = re.search(r"^VERSION_CODENAME=(\w+)", Path("/etc/os-release").read_text(), re.MULTILINE)
    except OSError:
        return None
    return found[1] if found else None


def _apt(package: str, progress: Announce) -> None:
    install = [
        "apt-get",
        "install",
        "--yes",
        "--no-install-recommends",
        "-o",
        "DPkg::Lock::Timeout=300",
        package,
    ]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with locked(_cache() / "apt.lock", progress):
        progress(f"installing {package} with apt-get")
        for command in (["apt-get", "update"], install):
            result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    # A failed update may only mean that one of several sources is down, so the install decides.
    if result.returncode != 0:
        raise BrokerError(
            f"apt-get could not install `{package}`: {_last_line(result.stderr)}",
            f"run `apt-get install {package}` to see why",
        )
    if package == "rabbitmq-server" and Path("/run/systemd/system").exists():
        # The package starts a broker for the whole machine, now and at every boot, which nobody asked for.
        subprocess.run(["systemctl", "disable", "--now", package], capture_output=True, check=False)


def _cache() -> Path:
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "routectl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BrokerError(
            f"the cache folder `{folder}` cannot be made: {error.strerror}",
            "name another in `XDG_CACHE_HOME`",
        ) from error
    return folder


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it gave no reason"


def _unpacked(series: str, *, install: bool, progress: Announce) -> Installation:
    if not _can_apt():
        raise BrokerError(f"RabbitMQ {series} is not on this machine", f"start Docker, or {_HOW_TO_INSTALL}")
    root = _cache() / f"rabbitmq-{series}"
    if not root.exists():
        if not install:
            raise BrokerError(
                f"RabbitMQ {series} is not on this machine", f"start Docker, or {_HOW_TO_INSTALL}"
            )
        with locked(root.with_suffix(root.suffix + ".lock"), progress) as lock:
            if not root.exists():
                _debootstrap(SUITES[series], root, lock, progress)
    server = Installation(DEBIAN_SERVER, root)
    if _numbers(server.version or "0") < _numbers(series):
        raise BrokerError(
            f"Debian's {SUITES[series]} delivered RabbitMQ {server.version}, not {series}",
            f"delete `{root}` to try again, or start Docker",
        )
    return server


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def _debootstrap(suite: str, root: Path, lock: int, progress: Announce) -> None:
    if shutil.which("debootstrap") is None:
        _apt("debootstrap", progress)
    progress(f"unpacking RabbitMQ from Debian {suite} into {root} (about a minute, 400 MB)")
    partial = root.with_suffix(root.suffix + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    # Namespaces of its own: what debootstrap mounts and starts goes when it goes, however it ends. It holds
    # the lock, too, so that after a killed routectl nobody unpacks into the same folder beside it.
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "debootstrap", "--variant=minbase"]
    command += ["--include=rabbitmq-server", suite, str(partial)]
    result = subprocess.run(command, capture_output=True, text=True, pass_fds=(lock,), check=False)
    if result.returncode != 0:
        reason = _last_line(result.stdout if "E:" in result.stdout else result.stderr)
        log = partial / "debootstrap/debootstrap.log"
        see = f"see `{log}`" if log.exists() else "it needs root that may mount (CAP_SYS_ADMIN)"
        raise BrokerError(f"debootstrap could not unpack Debian {suite}: {reason}", f"{see}, or start Docker")
    for leftover in (
        "var/cache/apt",
        "var/lib/apt/lists",
        "usr/share/doc",
        "usr/share/man",
        "usr/share/locale",
    ):
        shutil.rmtree(partial / leftover, ignore_errors=True)
    hosts = partial / "etc/hosts"
    if not hosts.exists():
        hosts.write_text("127.0.0.1 localhost\n")
    partial.rename(root)
