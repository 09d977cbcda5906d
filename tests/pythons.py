"""Runs pytest on several Python versions, each in a virtual environment of its own.

A Python comes from the PATH or, on Debian as root, from a Debian system that is unpacked into the cache folder.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from routectl.topology.broker.sandbox import debian
from routectl.topology.errors import BrokerError, RoutectlError

#: Python version -> the Debian suite that contains it.
SUITES = {"3.11": "bookworm", "3.13": "trixie", "3.14": "sid"}

#: A Python without ensurepip, such as Debian's without python3-venv, makes no virtual environment.
_VERSION = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"

_BUILD = Path(__file__).parents[1] / "build"


def interpreter(version: str) -> list[str]:
    """The command of a Python, with a prefix if it runs in an unpacked Debian.

    Parameters:
      version: Such as `3.13`.

    Raises:
      BrokerError: There is none, or it cannot be unpacked.
    """
    program = f"python{version}"
    for command in ([program], [sys.executable]):
        if _is_version(command, version):
            return command
    suite = SUITES.get(version)
    if suite is None or not debian.can_install():
        way_out = f", or run this as root on Debian, which unpacks it from {suite}" if suite else ""
        raise BrokerError(
            f"Python {version} was not found on the PATH",
            f"install `{program}` with its venv module{way_out}",
        )
    root = debian.unpack(f"python-{version}", suite, [f"{program}-venv", "ca-certificates"], _say)
    # `/etc` stays this machine's, so that pip is configured as ever.
    command = [*debian.mounting(root, "usr"), program]
    if not _is_version(command, version):
        raise BrokerError(f"the Python {version} in `{root}` does not run", f"delete `{root}` and try again")
    return command


def run(version: str, arguments: Sequence[str]) -> bool:
    """Whether pytest passes on a Python, in a virtual environment that is made if there is none.

    Parameters:
      version: Such as `3.13`.
      arguments: Those of pytest.

    Raises:
      BrokerError: There is no such Python.
    """
    *prefix, python = interpreter(version)
    environment = _BUILD / f"python-{version}"
    pip = [*prefix, str(environment / "bin/pip")]
    if not _output([*pip, "--version"]) and not _passes(
        [*prefix, python, "-m", "venv", "--clear", str(environment)]
    ):
        return False
    return _passes([*pip, "install", "--quiet", "--editable", ".[test]"]) and _passes(
        [*prefix, str(environment / "bin/pytest"), *arguments]
    )


def main(arguments: Sequence[str]) -> int:
    """Runs pytest on each version, also after a failure; returns the exit code."""
    split = list(arguments).index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(
        prog="tests.pythons", usage="%(prog)s VERSION... [-- PYTEST-ARGUMENT...]"
    )
    parser.add_argument("versions", nargs="+")
    failed = []
    for version in parser.parse_args(arguments[:split]).versions:
        print(f"== Python {version}", flush=True)
        try:
            passed = run(version, arguments[split + 1 :])
        except RoutectlError as error:
            _say(f"error: {error.message}\nhint: {error.hint}")
            passed = False
        if not passed:
            failed.append(version)
    if failed:
        _say(f"error: failed on Python {' '.join(failed)}")
    return 1 if failed else 0


def _is_version(command: Sequence[str], version: str) -> bool:
    return _output([*command, "-c", _VERSION]) == version


def _output(command: Sequence[str]) -> str | None:
    """What a command prints, or None if it fails: a pyenv shim may exist without the Python that it stands for."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _passes(command: Sequence[str]) -> bool:
    process = subprocess.Popen(command)
    try:
        return process.wait() == 0
    except KeyboardInterrupt:
        # It got the signal as well; killed by us, pytest would leave behind what it started.
        process.wait()
        raise


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
