"""`routectl sandbox`: a throwaway RabbitMQ for development."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from .console import Console
from .options import output_options

if TYPE_CHECKING:
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
    "--name", default="default", show_default=True, help="Name of the sandbox; several can run at once."
)
_docker = click.option("--no-docker", is_flag=True, help="Do not use Docker.")


@click.group("sandbox", epilog=_EXAMPLES)
def command() -> None:
    """Starts and stops a throwaway RabbitMQ for development.

    It runs in Docker if an engine answers and `routectl[sandbox]` is installed, else as a process of this machine,
    with the management API and every plugin that a queues.yaml can use. Stopping it deletes its data.
    """


@command.command(epilog=_EXAMPLES)
@_name
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="AMQP port.  [default: 5672 if it is free, else any free port]",
)
@click.option(
    "--rabbitmq",
    metavar="VERSION",
    help="RabbitMQ version, such as 4.3.  [default: any available]",
)
@_docker
@click.option(
    "--install/--no-install",
    default=False,
    show_default=True,
    help="Install RabbitMQ if neither it nor Docker is available (Debian and Ubuntu, as root).",
)
@output_options()
def start(
    console: Console,
    name: str,
    port: int | None,
    rabbitmq: str | None,
    no_docker: bool,
    install: bool,
) -> None:
    """Starts the sandbox, unless it is already running.

    Prints its URLs as lines that a shell can `eval`.
    """
    # Imported here and below so that `--help` answers at once.
    from ..topology.broker import sandbox

    running = sandbox.start(
        name, version=rabbitmq, port=port, docker=not no_docker, install=install, progress=console.say
    )
    if not running.created:
        console.say(f"sandbox `{name}` is already running")
    _show(console, name, running)


@command.command(epilog=_EXAMPLES)
@_name
@_docker
@output_options()
def stop(console: Console, name: str, no_docker: bool) -> None:
    """Stops the sandbox and deletes its data."""
    from ..topology.broker import sandbox

    stopped = sandbox.stop(name, docker=not no_docker, progress=console.say)
    if console.json:
        console.document({"name": name, "stopped": stopped})
    else:
        console.result(f"sandbox `{name}` is stopped" if stopped else f"sandbox `{name}` is not running")


@command.command(epilog=_EXAMPLES)
@_name
@_docker
@output_options()
def status(console: Console, name: str, no_docker: bool) -> int:
    """Shows whether the sandbox is running, and its URLs; exits with 1 if it is not."""
    from ..topology.broker import sandbox

    running = sandbox.status(name, docker=not no_docker, progress=console.say)
    _show(console, name, running)
    return 0 if running else 1


def _show(console: Console, name: str, running: Sandbox | None) -> None:
    if console.json:
        fields = {} if running is None else _fields(running)
        console.document({"name": name, "running": running is not None, **fields})
    elif running is None:
        console.result(f"sandbox `{name}` is not running")
    else:
        host = "in Docker" if running.kind == "docker" else "on this machine"
        broker, management = shlex.quote(running.broker), shlex.quote(running.management)
        console.result(
            f"# RabbitMQ {running.version or '(does not answer)'} as sandbox {name}, {host}\n"
            f"# AMQP        {running.broker}\n"
            f"# management  {running.management}\n"
            f"export ROUTECTL_BROKER={broker} ROUTECTL_MANAGEMENT={management}"
        )


def _fields(running: Sandbox) -> dict[str, Any]:
    return {
        "kind": running.kind,
        "rabbitmq": running.version,
        "broker": running.broker,
        "management": running.management,
    }
