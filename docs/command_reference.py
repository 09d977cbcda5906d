"""The command reference, generated from the commands."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from routectl.cli.main import cli

_HEAD = """\
# Commands

<!-- Generated from the commands by docs/generate.py: edit their help, then run `make docs`. -->

Results go to stdout; progress, warnings, errors and prompts go to stderr. With `--format json`, stdout is one JSON
document with `"version": 1`, even if the command fails, except for wrong usage. An option overrides its environment
variable. `ROUTECTL_FILE` may list several files, separated by `:` (on Windows `;`).

"""


def page() -> str:
    """The page as Markdown."""
    context = click.Context(cli, info_name="routectl", **cli.context_settings)
    parts = [_HEAD, _epilog(cli, "Exit codes", "Completion")]
    parts += [_section(command, context, 2) for command in _commands(cli, context)]
    return "\n".join(parts).rstrip() + "\n"


def _commands(group: click.Group, context: click.Context) -> Iterator[click.Command]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield command


def _section(command: click.Command, parent: click.Context, level: int) -> str:
    context = click.Context(command, info_name=command.name, parent=parent)
    parts = [f"{'#' * level} {context.command_path}", ""]
    parts += [_prose(command.help or ""), ""]
    if isinstance(command, click.Group):
        parts.append(_epilog(command, "Examples"))
        parts += [_section(inner, context, level + 1) for inner in _commands(command, context)]
        return "\n".join(parts)
    parts += ["```text", f"{context.command_path} {_usage(command, context)}", "```", ""]
    parts += ["| option | meaning |", "|---|---|"]
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    parts += [_row(option) for option in options]
    parts += ["| `-h`, `--help` | Show this message and exit. |", ""]
    if isinstance(parent.command, click.Group) and parent.parent is None:
        parts += [_epilog(command, "Examples", "Then")]
    return "\n".join(parts)


def _prose(text: str) -> str:
    """Help text without the line breaks of the source."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def _usage(command: click.Command, context: click.Context) -> str:
    return " ".join(command.collect_usage_pieces(context))


def _row(option: click.Option) -> str:
    names = [*option.opts, *option.secondary_opts]
    value = _value(option)
    shown = ", ".join(
        f"`{name}{value}`" if index == len(names) - 1 else f"`{name}`" for index, name in enumerate(names)
    )
    return f"| {shown} | {_meaning(option)} |"


def _value(option: click.Option) -> str:
    if option.is_flag:
        return ""
    if isinstance(option.type, click.Choice):
        return " " + "\\|".join(str(choice) for choice in option.type.choices)
    if option.metavar:
        return f" {option.metavar}"
    if isinstance(option.type, click.Path):
        return " FILE" if option.type.dir_okay is False or option.name == "files" else " FOLDER"
    number = isinstance(option.type, click.IntRange | click.FloatRange)
    return " NUMBER" if number else " NAME"


def _meaning(option: click.Option) -> str:
    words, _, rest = (option.help or "").partition("[default: ")
    written = rest.rstrip().removesuffix("]")
    parts = [words.strip().rstrip(".") + "."]
    default = written or (_default(option) if option.show_default else None)
    if default:
        parts.append(f"Default: {default}.")
    if option.required:
        parts.append("Required.")
    if option.show_envvar:
        parts.append(f"Environment: `{option.envvar}`.")
    return _escaped(" ".join(parts))


def _default(option: click.Option) -> str:
    shown = option.show_default if isinstance(option.show_default, str) else option.default
    if shown is False:
        return ""
    return f"`{shown:g}`" if isinstance(shown, float) else f"`{shown}`"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _epilog(command: click.Command, *titles: str) -> str:
    """The parts of a command's epilog with certain titles, each as a code block."""
    blocks = []
    for block in (command.epilog or "").split("\b\n"):
        title, _, lines = block.strip("\n").partition("\n")
        if title.startswith(titles):
            language = (
                "yaml" if lines.strip().startswith("#") else "sh" if title.startswith("Comp") else "text"
            )
            blocks.append(f"{title}\n\n```{language}\n{inspect.cleandoc(lines)}\n```\n")
    return "\n".join(blocks)
