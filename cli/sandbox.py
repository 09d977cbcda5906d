"""`routectl sandbox`: a throwaway RabbitMQ for development."""

from __future__ import annotations

import json
import shlex
import sys

import click

from ..topology.broker import sandbox
from ..topology.broker.sandbox import Sandbox

_EXAMPLES = """\b
Examples:
  routectl sandbox start
  eval "$(routectl sandbox start)"; routectl apply
  routectl sandbox start --name old --rabbitmq 3.10 --port 5673
  routectl sandbox status --format json
  routectl sandbox stop
"""

_name = click.option(
    "--name", default="default", show_default=True, help="Which sandbox: several can run at once."
)
_docker = click.option("--no-docker", is_flag=True, help="Leave a Docker engine alone even if there is one.")
_format = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)


@click.group("sandbox", epilog=_EXAMPLES)
def command() -> None:
    """Starts and stops a throwaway RabbitMQ for development.

    It runs in Docker if an engine answers, else as a process of this machine, with the management API and
    every plugin that a queues.yaml can make use of. Stopping it deletes all that it held.
    """


@command.command(epilog=_EXAMPLES)
@_name
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="AMQP port.  [default: 5672 if it is free, else any]",
)
@click.option(
    "--rabbitmq", metavar="VERSION", help="RabbitMQ version, such as 4.3.  [default: whichever is at hand]"
)
@_docker
@click.option(
    "--install/--no-install",
    default=False,
    show_default=True,
    help="On Debian and Ubuntu, as root: install RabbitMQ if there is neither Docker nor a rabbitmq-server.",
)
@_format
def start(
    name: str, port: int | None, rabbitmq: str | None, no_docker: bool, install: bool, form: str
) -> None:
    """Starts it, or finds that it runs; prints where it is, as lines that a shell can `eval`."""
    running = sandbox.start(
        name, version=rabbitmq, port=port, docker=not no_docker, install=install, progress=_progress
    )
    if not running.created:
        _progress(f"sandbox `{name}` runs already")
    _show(name, running, form)


@command.command(epilog=_EXAMPLES)
@_name
@_docker
@_format
def stop(name: str, no_docker: bool, form: str) -> None:
    """Stops it and deletes all that it held."""
    stopped = sandbox.stop(name, docker=not no_docker, progress=_progress)
    if form == "json":
        click.echo(json.dumps({"version": 1, "name": name, "stopped": stopped}, indent=2))
    else:
        click.echo(f"sandbox `{name}` is stopped" if stopped else f"sandbox `{name}` does not run")


@command.command(epilog=_EXAMPLES)
@_name
@_docker
@_format
def status(name: str, no_docker: bool, form: str) -> None:
    """Says whether it runs, and where; exits with 1 if it does not."""
    running = sandbox.status(name, docker=not no_docker)
    _show(name, running, form)
    if running is None:
        sys.exit(1)


def _progress(line: str) -> None:
    click.echo(line, err=True)


def _show(name: str, running: Sandbox | None, form: str) -> None:
    if form == "json":
        click.echo(
            json.dumps(
                {"version": 1, "name": name, "running": running is not None, **_fields(running)}, indent=2
            )
        )
    elif running is None:
        click.echo(f"sandbox `{name}` does not run")
    else:
        where = "in Docker" if running.kind == "docker" else "on this machine"
        click.echo(f"# RabbitMQ {running.version or '(does not answer)'} as sandbox {name}, {where}")
        click.echo(f"# AMQP        {running.broker}")
        click.echo(f"# management  {running.management}")
        broker, management = shlex.quote(running.broker), shlex.quote(running.management)
        click.echo(f"export ROUTECTL_BROKER={broker} ROUTECTL_MANAGEMENT={management}")


def _fields(running: Sandbox | None) -> dict[str, str | None]:
    if running is None:
        return {}
    return {
        "kind": running.kind,
        "rabbitmq": running.version,
        "broker": running.broker,
        "management": running.management,
    }
