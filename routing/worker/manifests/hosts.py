"""Processes on a host: shell commands, a Procfile, systemd."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from .processes import Process, Role


def shell_commands(found: Sequence[Process]) -> str:
    """One shell command per line."""
    return "\n".join(shlex.join(process.command) for process in found)


def procfile(found: Sequence[Process]) -> str:
    """A Procfile for honcho, foreman or Heroku, which runs `release` before it starts the others."""
    return "\n".join(
        f"{'release' if process.role is Role.APPLY else process.name}: {shlex.join(process.command)}"
        for process in found
    )


def systemd(
    found: Sequence[Process], directory: str, user: str, env_files: Sequence[str] = ()
) -> dict[str, str]:
    """systemd units by file name.

    Parameters:
      found: The processes.
      directory: The working directory, from which the app is imported.
      user: The user that they run as; the default of systemd is root.
      env_files: Files with environment variables, such as `ROUTECTL_BROKER`; a `-` before one makes it optional.
    """
    before = [process.name for process in found if process.role is Role.APPLY]
    return {
        f"{process.name}.service": "\n\n".join(
            "\n".join((f"[{section}]", *lines))
            for section, lines in (
                ("Unit", _unit(process, before)),
                ("Service", [*_service(process), *_process(process, directory, user, env_files)]),
                ("Install", ["WantedBy=multi-user.target"]),
            )
        )
        + "\n"
        for process in found
    }


def _unit(process: Process, before: Sequence[str]) -> list[str]:
    # Not `Requires`: systemd would not try again to start workers whose `apply` failed, for example as the broker
    # was down. Workers without their queues exit with an error, and are restarted.
    first = [] if process.role is Role.APPLY else [f"{name}.service" for name in before]
    return [
        f"Description={_text(process.title)}",
        f"Wants={' '.join(('network-online.target', *first))}",
        f"After={' '.join(('network-online.target', *first))}",
    ]


def _service(process: Process) -> list[str]:
    if process.role is Role.APPLY:
        return ["Type=oneshot", "RemainAfterExit=yes", "Restart=on-failure", "RestartSec=5"]
    # `mixed` asks only the main process to stop, as Celery expects.
    return [
        "Type=exec",
        "KillMode=mixed",
        f"TimeoutStopSec={process.stop_timeout}",
        "Restart=always",
        "RestartSec=5",
    ]


def _process(process: Process, directory: str, user: str, env_files: Sequence[str]) -> list[str]:
    return [
        f"User={_text(user)}",
        f"WorkingDirectory={_text(directory)}",
        *(f"EnvironmentFile={_text(path)}" for path in env_files),
        f"ExecStart={' '.join((_word(process.command[0], variables=False), *map(_word, process.command[1:])))}",
    ]


def _text(value: str) -> str:
    """A value with `%` escaped. A backslash at the end would continue it on the next line."""
    text = value.replace("%", "%%").replace("\n", " ")
    return f"{text} " if text.endswith("\\") else text


def _word(word: str, *, variables: bool = True) -> str:
    """A word of `ExecStart`, quoted if necessary.

    Parameters:
      word: The word.
      variables: Whether systemd replaces variables in it, as in all but the path of the program.
    """
    escaped = word.replace("%", "%%")
    if variables:
        escaped = escaped.replace("$", "$$")
    if re.fullmatch(r"[\w@%+=:,./$-]+", escaped):
        return escaped
    quoted = escaped.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{quoted}"'
