"""Finds a rabbitmq-server to run; starts nothing.

It comes, in this order, from this machine, from apt, or, if both have another version, from a Debian system unpacked
into the cache folder.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from ...base.progress import Announce
from ...errors import BrokerError, UsageError
from . import debian
from .container import has_client, how_to_use_docker

#: Debian's own script; the wrapper in `/usr/sbin` requires the system's `rabbitmq` user.
DEBIAN_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

_HOW_TO_INSTALL = "run this as root on Debian or Ubuntu with `--install`"


@dataclass(frozen=True)
class Installation:
    """A rabbitmq-server on disk.

    Parameters:
      command: Path of the `rabbitmq-server` script, inside `root` if there is one.
      root: Root folder of the unpacked Debian system that it runs in, or None for this machine's own.
    """

    command: Path
    root: Path | None = None

    @property
    def version(self) -> str | None:
        """The version in the name of its installation folder, such as `3.10.8`; None if there is none."""
        real = ((self.root or Path("/")) / self.command.relative_to("/")).resolve()
        found = re.findall(r"\d+\.\d+\.\d+", str(real))
        return found[-1] if found else None


def find(version: str | None = None, *, install: bool = False, progress: Announce = print) -> Installation:
    """A server of the requested version.

    Parameters:
      version: A version or its prefix, such as `4.3`; None for any available one.
      install: Whether packages may be installed, and a Debian system unpacked.
      progress: Called with one line before each slow step.

    Raises:
      UsageError: This version is only available in Docker.
      BrokerError: There is none, and none could be installed.
    """
    series = next(
        (known for known in reversed(debian.SUITES) if version and is_version(known, version)), None
    )
    local = _local()
    if local is None and install and debian.can_install() and (version is None or debian.offers(series)):
        debian.apt_install("rabbitmq-server", progress)
        local = _local()
    if local and (version is None or is_version(local.version or "", version)):
        return local
    if version is None:
        raise _nothing_found()
    if series is None:
        known = ", ".join(f"`{name}`" for name in debian.SUITES)
        raise UsageError(
            f"RabbitMQ {version} is only available in Docker",
            f"choose one of {known}, or {how_to_use_docker()}",
        )
    root = debian.unpacked(series, install=install, progress=progress)
    if root is None:
        raise BrokerError(
            f"RabbitMQ {series} is not on this machine", f"{how_to_use_docker()}, or {_HOW_TO_INSTALL}"
        )
    server = Installation(DEBIAN_SERVER, root)
    if _numbers(server.version or "0") < _numbers(series):
        raise BrokerError(
            f"Debian {debian.SUITES[series]} contains RabbitMQ {server.version}, not {series}",
            f"delete `{root}` and try again, or {how_to_use_docker()}",
        )
    return server


def is_version(version: str, prefix: str) -> bool:
    """Whether a version, such as `4.3.6`, has a prefix, such as `4.3`."""
    return f"{version}.".startswith(f"{prefix}.")


def _nothing_found() -> BrokerError:
    if has_client():
        message = "there is neither a Docker engine nor a rabbitmq-server on this machine"
    else:
        message = "there is no rabbitmq-server on this machine, and using Docker needs `routectl[sandbox]`"
    return BrokerError(
        message,
        f"{how_to_use_docker()}, install RabbitMQ (`apt-get install rabbitmq-server`, `brew install rabbitmq`), "
        f"or {_HOW_TO_INSTALL}",
    )


def _local() -> Installation | None:
    if DEBIAN_SERVER.exists():
        return Installation(DEBIAN_SERVER)
    found = shutil.which("rabbitmq-server")
    return Installation(Path(found)) if found else None


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
