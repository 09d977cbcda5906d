"""`routectl workers`: the commands that start the file's workers, or units of a process manager."""

from __future__ import annotations

import os
import re
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..topology.errors import UsageError
from .celery_options import app_option, celery_program, routectl_program, vhost_option
from .console import Console
from .files import write_file
from .options import file_option, load_files, option_group, output_options

if TYPE_CHECKING:
    from ..routing.worker.manifests.processes import Process

_EXAMPLES = """\b
Examples:
  routectl workers -A proj --log-level INFO
  routectl workers -A proj --format procfile --beat > Procfile
  routectl workers -A proj --format systemd --bin /srv/shop/.venv/bin --directory /srv/shop \\
    --user shop --env-file /etc/shop/env --apply --out units
  routectl workers -A proj --format compose --image shop:1.4 --env-file .env --apply --beat
  routectl workers -A proj --format kubernetes --image registry/shop:1.4 --secret shop-broker \\
    --replicas high=3 --apply --probe | kubectl apply -f -

Commands contain no secrets: pass ROUTECTL_BROKER and the app's own variables with --env-file or --secret.
"""

#: The formats that an option is for; with any other, it is an error.
_FORMATS = {
    "image": ("compose", "kubernetes"),
    "probe": ("compose", "kubernetes"),
    "env_files": ("systemd", "compose"),
    "secrets": ("kubernetes",),
    "config_maps": ("kubernetes",),
    "directory": ("systemd",),
    "user": ("systemd",),
    "out": ("systemd", "kubernetes"),
}

_PROCESSES = option_group(
    click.option(
        "--log-level",
        type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], case_sensitive=False),
        help="Log level of workers and beat.  [default: Celery's]",
    ),
    click.option(
        "--replicas",
        multiple=True,
        metavar="[PROFILE=]N",
        help="Number of workers of each profile, or of one; repeatable. On one host, each has its own unit and node "
        "name.  [default: 1]",
    ),
    click.option("--beat", is_flag=True, help="Also run `celery beat`, once."),
    click.option("--apply", is_flag=True, help="Also run `routectl apply`, before the workers."),
    click.option(
        "--prefix",
        default="worker",
        show_default=True,
        help="First part of the names of units, services and Deployments.",
    ),
    click.option(
        "--bin",
        "bin_",
        metavar="DIR",
        help="Directory of `celery` and `routectl` where they run.  [default: found on PATH; systemd: this Python's]",
    ),
)

_UNITS = option_group(
    click.option(
        "--env-file",
        "env_files",
        multiple=True,
        metavar="PATH",
        help="File with environment variables; repeatable (systemd, compose).",
    ),
    click.option(
        "--secret",
        "secrets",
        multiple=True,
        metavar="NAME",
        help="Secret with environment variables; repeatable (kubernetes).",
    ),
    click.option(
        "--config-map",
        "config_maps",
        multiple=True,
        metavar="NAME",
        help="ConfigMap with environment variables; repeatable (kubernetes).",
    ),
    click.option("--image", default="app", show_default=True, help="Container image (compose, kubernetes)."),
    click.option(
        "--probe",
        is_flag=True,
        help="Check that workers answer `celery inspect ping`, once a minute (compose, kubernetes).",
    ),
    click.option(
        "--directory",
        type=click.Path(path_type=Path),
        help="Directory that the app is imported from (systemd).  [default: the current directory]",
    ),
    click.option(
        "--user", help="User that processes run as (systemd).  [default: the current user, unless root]"
    ),
    click.option(
        "--out",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="DIR",
        help="Write each unit to a file of its own in this directory (systemd, kubernetes).",
    ),
)


@click.command("workers", epilog=_EXAMPLES)
@app_option()
@file_option
@vhost_option
@_PROCESSES
@_UNITS
@output_options("systemd", "procfile", "compose", "kubernetes")
def command(console: Console, app: str, files: tuple[Path, ...], vhost: str | None, **options: Any) -> None:
    """Prints worker commands, or systemd, Procfile, Compose and Kubernetes units.

    One for each profile, or one for each of its `shares`. With `--apply`, `routectl apply --yes` runs first: in text,
    as the first command; in a Procfile, as `release`; in Compose and systemd, as a service that workers wait for; in
    Kubernetes, as a Job.
    """
    # Imported here so that `--help` answers at once.
    from ..routing.rules.vhost import select_vhost
    from ..routing.worker.manifests.processes import Setup, processes

    kind = console.output_format
    _check(kind, options)
    if kind == "systemd":
        options["user"] = options["user"] or _default_user()
    body, _ = select_vhost(load_files(console, files, only_routing=True).topology, vhost)
    if not body.workers:
        raise UsageError(f"{' + '.join(map(str, files))} has no worker profiles", "add them under `workers`")
    setup = Setup(
        app,
        celery=_program("celery", options["bin_"], kind),
        routectl=_program("routectl", options["bin_"], kind),
        prefix=options["prefix"],
        log_level=options["log_level"],
        replicas=_replicas(options["replicas"]),
        beat=options["beat"],
        apply=tuple(map(str, files)) if options["apply"] else (),
        containers=kind in ("compose", "kubernetes"),
    )
    _print(console, processes(body, setup), {**options, "app": app})


def _print(console: Console, found: list[Process], options: dict[str, Any]) -> None:
    """Prints the processes in the console's format, or writes their files."""
    from ..routing.worker.manifests import containers, hosts
    from ..routing.worker.manifests.processes import documents

    env_files, image, probe = options["env_files"], options["image"], options["probe"]
    match console.output_format:
        case "json":
            console.document({"workers": documents(found)})
        case "systemd":
            folder = str((options["directory"] or Path()).absolute())
            units = hosts.systemd(found, folder, options["user"], env_files)
            shown = "\n".join(f"# /etc/systemd/system/{name}\n{text}" for name, text in units.items())
            _deliver(console, units, shown.rstrip("\n"), options)
        case "compose":
            console.result(containers.compose(found, image, env_files, probe=probe))
        case "kubernetes":
            sources = options["secrets"], options["config_maps"]
            documents_ = containers.kubernetes(found, image, *sources, probe=probe)
            _deliver(console, documents_, "\n---\n".join(documents_.values()), options)
        case "procfile":
            console.result(hosts.procfile(found))
        case _:
            console.result(hosts.shell_commands(found))


def _deliver(console: Console, files: dict[str, str], shown: str, options: dict[str, Any]) -> None:
    """Prints the units, or writes each to its file, and names those that an earlier run wrote and this one did not."""
    folder = options["out"]
    if folder is None:
        console.result(shown)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"`{folder}` cannot be created: {(error.strerror or str(error)).lower()}") from None
    # Several apps may have their units in one folder.
    app = "".join(letter for letter in options["app"] if letter.isprintable())
    header = f"# Written by `routectl workers` for the app {app}, with the prefix {options['prefix']}.\n"
    for name, text in files.items():
        write_file(folder / name, f"{header}{text.rstrip()}\n")
        console.say(f"wrote {folder / name}")
    suffixes = {Path(name).suffix for name in files}  # of this format
    for name in sorted(
        path.name
        for path in _files(folder)
        if path.name not in files and path.suffix in suffixes and _begins(path, header)
    ):
        stop = f"systemctl disable --now {name}" if name.endswith(".service") else f"kubectl delete -f {name}"
        console.say(
            f"{folder / name} is left from an earlier run: stop what it runs (`{stop}`), and delete it"
        )


def _files(folder: Path) -> list[Path]:
    """The files in a folder; none if it cannot be listed."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _begins(path: Path, header: str) -> bool:
    """Whether a file begins with a text."""
    try:
        with path.open("rb") as file:
            return file.read(len(header.encode())) == header.encode()
    except OSError:
        return False


def _check(kind: str, options: dict[str, Any]) -> None:
    """Raises an error for options that the format does not use, and for names that it does not accept."""
    source = click.get_current_context().get_parameter_source
    params = {param.name: param.opts[0] for param in click.get_current_context().command.params}
    for name, formats in _FORMATS.items():
        if kind not in formats and source(name) is ParameterSource.COMMANDLINE:
            raise UsageError(f"`{params[name]}` is for {' and '.join(formats)}", _format_hint(name, formats))
    if not re.fullmatch(r"[a-z]([a-z0-9-]{0,13}[a-z0-9])?", options["prefix"]):
        message = f"`{options['prefix']}` cannot be the first part of a name"
        raise UsageError(message, "use up to 15 lower case letters, digits and `-`, beginning with a letter")
    for path in (options["bin_"], *options["env_files"]) if kind == "systemd" else ():
        if path is not None and not path.removeprefix("-").startswith("/"):
            raise UsageError(f"`{path}` is not an absolute path, which systemd requires")
    for name in (*options["secrets"], *options["config_maps"]):
        if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", name):
            message = f"`{name}` cannot be the name of a Secret or ConfigMap"
            raise UsageError(message, "use lower case letters, digits, `-` and `.`")


def _format_hint(name: str, formats: tuple[str, ...]) -> str:
    if click.get_current_context().get_parameter_source("output_format") is not ParameterSource.COMMANDLINE:
        return f"add `--format {formats[0]}`"
    return "redirect the output: `> FILE`" if name == "out" else f"remove it, or use `--format {formats[0]}`"


def _replicas(values: tuple[str, ...]) -> dict[str | None, int]:
    """The number of workers by profile; None is for all others."""
    found: dict[str | None, int] = {}
    for value in values:
        name, equals, number = value.rpartition("=")
        if not re.fullmatch(r"[1-9]\d{0,3}", number):
            raise UsageError(
                f"`{value}` is not a number of workers", "write `3`, or `high=3` for one profile"
            )
        found[name if equals else None] = int(number)
    return found


def _program(name: str, folder: str | None, kind: str) -> tuple[str, ...]:
    """The command of Celery or routectl where the processes run."""
    if folder is not None:
        return (f"{folder.rstrip('/')}/{name}",)
    if kind != "systemd":
        return (name,)
    return celery_program() if name == "celery" else routectl_program()


def _default_user() -> str:
    """The current user's name, or its id where it has no name, as in some containers.

    Raises:
      UsageError: It is root, as which no worker should run unless someone says so.
    """
    if os.geteuid() == 0:
        raise UsageError(
            "the units need a user that is not root", "name it by `--user`, such as `--user shop`"
        )
    try:
        return getuser()
    except (KeyError, OSError):
        return str(os.geteuid())
