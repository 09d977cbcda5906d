"""Options that several commands share, and what they mean."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..topology.errors import UsageError
from .console import Console

if TYPE_CHECKING:
    from ..topology.broker.address import Address
    from ..topology.file.load import Loaded

Command = Callable[..., Any]

DEFAULT_BROKER = "amqp://guest:guest@localhost:5672/"


def file_option(command: Command) -> Command:
    """`-f/--file`, repeatable."""
    return click.option(
        "-f",
        "--file",
        "files",
        multiple=True,
        type=click.Path(path_type=Path),
        default=("queues.yaml",),
        show_default="queues.yaml",
        envvar="ROUTECTL_FILE",
        show_envvar=True,
        help="The file; repeat it to lay one over the other.",
    )(command)


def broker_options(command: Command) -> Command:
    """Where the broker is, and how TLS is done."""
    options = (
        click.option(
            "-b",
            "--broker",
            metavar="URL",
            envvar="ROUTECTL_BROKER",
            show_envvar=True,
            default=DEFAULT_BROKER,
            show_default="amqp://localhost:5672/",
            help="amqp:// or amqps:// URL; several hosts by commas, tried in turn.",
        ),
        click.option(
            "--management",
            metavar="URL",
            envvar="ROUTECTL_MANAGEMENT",
            show_envvar=True,
            help="URL of the management API.  [default: the broker's hosts, port 15672, or 15671 with amqps]",
        ),
        click.option(
            "--ca-file", type=_file, envvar="ROUTECTL_CA_FILE", show_envvar=True, help="CAs to trust (PEM)."
        ),
        click.option(
            "--cert-file",
            type=_file,
            envvar="ROUTECTL_CERT_FILE",
            show_envvar=True,
            help="Client certificate (PEM).",
        ),
        click.option(
            "--key-file", type=_file, envvar="ROUTECTL_KEY_FILE", show_envvar=True, help="Its key (PEM)."
        ),
        click.option("--insecure", is_flag=True, help="Do not verify the server's certificate."),
        click.option(
            "--timeout",
            type=click.FloatRange(min=0.1),
            default=60.0,
            show_default=True,
            help="Seconds to wait for an answer.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


_TYPED, _FROM_ENVIRONMENT = ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT

_file = click.Path(exists=True, dir_okay=False)


def output_options(*formats: str) -> Callable[[Command], Command]:
    """`--format`, `--color`, `-q`, `-v`, `--debug`, which set up the console.

    Parameters:
      formats: Formats besides text and json.
    """

    def decorate(command: Command) -> Command:
        options = (
            click.option(
                "--format",
                "form",
                type=click.Choice(["text", "json", *formats]),
                default="text",
                show_default=True,
                help="How the result is written.",
            ),
            click.option(
                "--color",
                type=click.Choice(["auto", "always", "never"]),
                default="auto",
                help="Colour; NO_COLOR is honoured.",
            ),
            click.option("-q", "--quiet", is_flag=True, help="No progress and no remarks."),
            click.option("-v", "--verbose", is_flag=True, help="Say more."),
            click.option("--debug", is_flag=True, help="Show tracebacks."),
        )
        wrapped: Command = _Setup(command)
        for option in reversed(options):
            wrapped = option(wrapped)
        return wrapped

    return decorate


class _Setup:
    """Hands a command the console that its output options describe."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self.__name__ = getattr(command, "__name__", "command")
        self.__doc__ = command.__doc__
        self.__click_params__ = getattr(command, "__click_params__", [])

    def __call__(
        self, *, form: str, color: str, quiet: bool, verbose: bool, debug: bool, **options: Any
    ) -> Any:
        context = click.get_current_context()
        console = context.obj if isinstance(context.obj, Console) else Console(debug=debug)
        console.setup(color=color, quiet=quiet, verbose=verbose, form=form)
        return self._command(console=console, form=form, **options)


def load_files(console: Console, files: tuple[Path, ...], *, only_routing: bool = False) -> Loaded:
    """Loads the files, and shows their warnings.

    Parameters:
      only_routing: As `load` says: for commands that need no password.

    Raises:
      FileError: with every mistake in them.
    """
    # Imported here and below so that `--help` of a command answers without them.
    from ..topology.file.load import collector_paused, load
    from .text import finding_text

    with collector_paused():
        loaded = load(list(files), only_routing=only_routing)
        # The file's nodes live as long as the process: the collector never sees them.
        gc.freeze()
    for warning in loaded.warnings:
        console.warn(finding_text(warning))
    return loaded


def address_of(options: dict[str, Any]) -> Address:
    """The broker's address that the options name; takes them out of `options`.

    Raises:
      UsageError: a URL is wrong.
    """
    from ..topology.broker.address import Address, Tls

    ca_file, cert_file, key_file = (options.pop(name) for name in ("ca_file", "cert_file", "key_file"))
    insecure = options.pop("insecure")
    given = ca_file or cert_file or key_file or insecure
    tls = Tls(ca_file, cert_file, key_file, verify=not insecure) if given else None
    broker, management = options.pop("broker"), options.pop("management")
    return Address.parse(broker, management=None if _of_another(broker) else management, tls=tls)


def _of_another(broker: str) -> bool:
    """Whether `ROUTECTL_MANAGEMENT` goes with `ROUTECTL_BROKER`, and `--broker` names other hosts than that."""
    from ..topology.broker.address import Address

    source = click.get_current_context().get_parameter_source
    usual = os.environ.get("ROUTECTL_BROKER")
    if not usual or source("broker") is not _TYPED or source("management") is not _FROM_ENVIRONMENT:
        return False
    try:
        return Address.parse(usual).hosts != Address.parse(broker).hosts
    except UsageError:
        return False
