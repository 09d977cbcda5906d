"""The command group: lists the commands, imports each when it is called, and maps errors to exit codes."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from difflib import get_close_matches

import click

from . import __version__
from .console import Console

#: Each command and the first sentence of its help, in the usual order of use. Repeated here so that `routectl --help`
#: does not import the commands; a test checks that both are equal.
COMMANDS: dict[str, str] = {
    "import": "Generates a first file from existing configuration",
    "lint": "Finds mistakes in the file, without a broker",
    "check": "Checks that file, tests and app agree, without a broker",
    "plan": "Shows what apply would change",
    "apply": "Applies the file to the broker",
    "history": "Lists the last applies of the file's stack",
    "rollback": "Brings the broker back to what an earlier apply declared",
    "route": "Shows where a task goes, and why",
    "workers": "Prints worker commands, or systemd, Procfile, Compose and Kubernetes units",
    "worker": "Starts a worker with a profile",
    "schema": "Prints the file's JSON Schema, for editors",
    "sandbox": "Starts and stops a throwaway RabbitMQ for development",
}

#: Commands whose names are Python keywords.
_MODULES = {"import": "import_"}

_EPILOG = """\b
Examples:
  routectl sandbox start                 a RabbitMQ to try things on
  routectl import celery proj            a first file, from a Celery app
  routectl check --app proj              whether file, tests and app agree
  routectl plan                          what would change
  routectl apply --yes                   apply the changes
  routectl route billing.charge          where a task goes, and why
  routectl worker high -A proj           a worker for the high queue

\b
Exit codes:
  0    success
  1    findings, differences with --exit-code, or a declined or refused apply
  2    wrong usage, unreadable file, broker unreachable, or a bug
  3    apply did not finish; fix the cause and rerun it
  130  interrupted; rerun to finish

\b
Completion (bash; zsh and fish alike):
  eval "$(_ROUTECTL_COMPLETE=bash_source routectl)"
"""


class LazyGroup(click.Group):
    """A group that imports a command when it is called, to keep `--help` and `--version` fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the usual order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports one command."""
        if cmd_name not in COMMANDS:
            return None
        module = _MODULES.get(cmd_name, cmd_name)
        command = importlib.import_module(f".{module}", __package__).command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggests a similar name for an unknown command."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            near = get_close_matches(name, COMMANDS, n=1)
            suggestion = f" Did you mean `{near[0]}`?" if near else ""
            ctx.fail(f"No such command `{name}`.{suggestion}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", prog_name="routectl")
def cli() -> None:
    """RabbitMQ topology, Celery routing and priority workers from one file, queues.yaml."""


def main() -> None:
    """The `routectl` command: runs it and exits."""
    code = run(sys.argv[1:])
    if any(thread is not threading.main_thread() and not thread.daemon for thread in threading.enumerate()):
        # An imported Celery app has started threads, and Python would wait for them to end.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Runs one command line.

    Returns:
      The exit code.
    """
    console = Console(debug="--debug" in arguments)
    try:
        code = cli.main(arguments, prog_name="routectl", standalone_mode=False, obj=console)
    except BaseException as error:  # noqa: BLE001 - the one place that maps every error to an exit code
        return console.fail(error)
    return code if isinstance(code, int) else 0
