"""The command group: names the commands, loads each when it is called, and turns errors into exit codes."""

from __future__ import annotations

import importlib
import sys

import click

#: Command name -> module under `routectl.cli` and its one-line help, in the order of a working day. The help
#: stands here so that `--help` answers without importing a command.
COMMANDS: dict[str, str] = {
    "sandbox": "Starts and stops a throwaway RabbitMQ for development",
}


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called, so that `--help` and `--version` answer at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f".{cmd_name}", __package__).command
        assert isinstance(command, click.Command)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """RabbitMQ topology, Celery routing and priority workers from one file."""


def main() -> None:
    """The `routectl` command."""
    sys.exit(cli())
