"""Options that several commands share, and functions that evaluate them."""

from __future__ import annotations

import gc
import os
import shlex
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from ..topology.errors import UsageError
from .console import Console

if TYPE_CHECKING:
    from ..topology.base.finding import Finding
    from ..topology.broker.address import Address
    from ..topology.file.load import Loaded

Command = Callable[..., Any]

_DEFAULT_FILE = "queues.yaml"

DEFAULT_BROKER = "amqp://guest:guest@localhost:5672/"

_TYPED, _FROM_ENVIRONMENT = ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT


def option_group(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """One decorator for several options, which `--help` lists in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _pem_option(name: str, variable: str, text: str) -> Callable[[Command], Command]:
    kind = click.Path(exists=True, dir_okay=False)
    return click.option(name, type=kind, envvar=variable, show_envvar=True, help=text)


#: `-f/--file`, repeatable.
file_option = click.option(
    "-f",
    "--file",
    "files",
    multiple=True,
    type=click.Path(path_type=Path),
    default=(_DEFAULT_FILE,),
    show_default=_DEFAULT_FILE,
    envvar="ROUTECTL_FILE",
    show_envvar=True,
    help="The file; repeatable, later files override earlier ones.",
)

#: The broker's address and TLS; `address_of` evaluates them.
broker_options = option_group(
    click.option(
        "-b",
        "--broker",
        metavar="URL",
        envvar="ROUTECTL_BROKER",
        show_envvar=True,
        default=DEFAULT_BROKER,
        show_default="amqp://localhost:5672/",
        help="amqp:// or amqps:// URL; comma-separated hosts are tried in turn.",
    ),
    click.option(
        "--management",
        metavar="URL",
        envvar="ROUTECTL_MANAGEMENT",
        show_envvar=True,
        help="URL of the management API.  [default: the broker's hosts, port 15672, or 15671 with amqps]",
    ),
    _pem_option("--ca-file", "ROUTECTL_CA_FILE", "Trusted CAs (PEM)."),
    _pem_option("--cert-file", "ROUTECTL_CERT_FILE", "Client certificate (PEM)."),
    _pem_option("--key-file", "ROUTECTL_KEY_FILE", "Private key (PEM)."),
    click.option("--insecure", is_flag=True, help="Do not verify the server's certificate."),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0.1),
        default=60.0,
        show_default=True,
        help="Seconds to wait for a response.",
    ),
)


class Duration(click.ParamType):  # type: ignore[type-arg]  # older versions of click have none
    """A duration such as `30s` or `5m`, as seconds; `0` needs no unit."""

    name = "duration"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> float:
        """The duration in seconds."""
        # Imported here so that `--help` answers at once.
        from ..topology.base.duration import parse_duration

        try:
            return parse_duration("0s" if value == "0" else str(value)) / 1000
        except ValueError as error:
            self.fail(str(error), parameter, context)


#: `--lock-timeout`, of commands that apply.
lock_option = click.option(
    "--lock-timeout",
    type=Duration(),
    default="30s",
    show_default=True,
    envvar="ROUTECTL_LOCK_TIMEOUT",
    show_envvar=True,
    help="How long to wait while another apply of the same stack is running; 0 refuses at once.",
)


def output_options(*formats: str) -> Callable[[Command], Command]:
    """`--format`, `--color`, `-q`, `-v` and `--debug`, which configure the console that the command gets.

    Parameters:
      formats: Formats besides text and json.
    """
    options = option_group(
        click.option(
            "--format",
            "output_format",
            type=click.Choice(["text", "json", *formats]),
            default="text",
            show_default=True,
            help="Output format.",
        ),
        click.option(
            "--color",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            help="When to use colours; NO_COLOR is respected.",
        ),
        click.option(
            "-q",
            "--quiet",
            is_flag=True,
            help="Show only results and errors: no progress, no notes, no warnings about the file.",
        ),
        click.option("-v", "--verbose", is_flag=True, help="Show more details."),
        click.option("--debug", is_flag=True, help="Show tracebacks."),
    )

    def decorate(command: Command) -> Command:
        @wraps(command)
        def configured(
            *, output_format: str, color: str, quiet: bool, verbose: bool, debug: bool, **values: Any
        ) -> Any:
            console = click.get_current_context().find_object(Console) or Console(debug=debug)
            console.setup(color=color, quiet=quiet, verbose=verbose, output_format=output_format)
            return command(console=console, **values)

        return options(configured)

    return decorate


def complete_code(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[str]:
    """The finding codes that begin with `incomplete`, for shell completion."""
    from ..topology.lint.registry import RULES

    return [code for code in sorted(RULES) if code.startswith(incomplete)]


def complete_kind(_context: click.Context, _option: click.Parameter, incomplete: str) -> list[str]:
    """The kinds of objects that begin with `incomplete`, each with a colon, for shell completion."""
    from ..topology.base.selectors import KIND_WORDS

    return [f"{kind}:" for kind in KIND_WORDS if kind.startswith(incomplete)]


def complete_kind_or_stack(context: click.Context, option: click.Parameter, incomplete: str) -> list[str]:
    """The kinds of objects that begin with `incomplete`, and `stack:`, for shell completion."""
    stack = ["stack:"] if "stack".startswith(incomplete) else []
    return [*complete_kind(context, option, incomplete), *stack]


def load_quietly(
    console: Console, files: tuple[Path, ...], *, only_routing: bool = False, require_secrets: bool = False
) -> Loaded:
    """Loads the files, and removes their secrets from all output from now on.

    Parameters:
      only_routing: As for `load`: for commands that only need queues, routes and workers.
      require_secrets: As for `load`: for commands that write to a broker.

    Raises:
      FileError: The files have mistakes; it contains all of them.
    """
    # Imported here and below so that `--help` of a command answers without them.
    from ..topology.file.load import collector_paused, load

    with collector_paused():
        loaded = load(list(files), only_routing=only_routing, require_secrets=require_secrets)
        # The file's nodes live as long as the process: the collector need not traverse them.
        gc.freeze()
    console.protect(loaded.known_secrets())
    return loaded


def load_files(
    console: Console,
    files: tuple[Path, ...],
    *,
    only_routing: bool = False,
    require_secrets: bool = False,
    always: bool = False,
) -> Loaded:
    """Like `load_quietly`, but says how many warnings the files have, unless `--quiet`.

    Parameters:
      only_routing: As for `load_quietly`, like the next.
      always: Show each warning, with `--quiet`, too: for commands whose result they are.
    """
    from .text import finding_text

    loaded = load_quietly(console, files, only_routing=only_routing, require_secrets=require_secrets)
    warnings = unaccepted_warnings(loaded)
    if always:
        for warning in warnings:
            console.warn(finding_text(warning))
    elif warnings:
        console.say(_count_warnings(warnings, [str(file) for file in files]))
    return loaded


def _count_warnings(warnings: Sequence[Finding], files: list[str]) -> str:
    """How many warnings there are, and the command that shows them."""
    from ..topology.base.listing import listed
    from .words import count_text, printable

    options = [] if files == [_DEFAULT_FILE] else [word for name in files for word in ("-f", name)]
    codes = listed(dict.fromkeys(warning.code for warning in warnings), 3)
    about = f"{count_text(len(warnings), 'warning')} about {' + '.join(files)} ({codes})"
    what = "it" if len(warnings) == 1 else "them"
    return printable(f"note: {about}: `{shlex.join(['routectl', 'lint', *options])}` shows {what}")


def unaccepted_warnings(loaded: Loaded) -> list[Finding]:
    """The warnings about a file, without those that it accepts."""
    from ..topology.lint.acceptance import accept

    return accept(loaded.warnings, loaded.topology.acceptances)[0]


def address_of(options: dict[str, Any]) -> Address:
    """The broker's address from the options, which are removed from `options`.

    Raises:
      UsageError: A URL is invalid.
    """
    from ..topology.broker.address import Address, Tls

    ca_file, cert_file, key_file = (options.pop(name) for name in ("ca_file", "cert_file", "key_file"))
    insecure = options.pop("insecure")
    given = ca_file or cert_file or key_file or insecure
    tls = Tls(ca_file, cert_file, key_file, verify=not insecure) if given else None
    broker, management = options.pop("broker"), options.pop("management")
    context = click.get_current_context()
    if (console := context.find_object(Console)) is not None:
        console.default_broker = context.get_parameter_source("broker") is ParameterSource.DEFAULT
    return Address.parse(broker, management=None if _for_other_hosts(broker) else management, tls=tls)


def _for_other_hosts(broker: str) -> bool:
    """Whether `ROUTECTL_MANAGEMENT` belongs to the hosts of `ROUTECTL_BROKER`, and `--broker` names others."""
    from ..topology.broker.address import Address

    source = click.get_current_context().get_parameter_source
    url = os.environ.get("ROUTECTL_BROKER")
    if not url or source("broker") is not _TYPED or source("management") is not _FROM_ENVIRONMENT:
        return False
    try:
        return Address.parse(url).hosts != Address.parse(broker).hosts
    except UsageError:
        return False
