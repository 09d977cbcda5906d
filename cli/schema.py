"""`routectl schema`: prints the file's JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .files import write_file

_EXAMPLES = """\b
Examples:
  routectl schema > queues.schema.json
\b
Then, as the first line of queues.yaml:
  # yaml-language-server: $schema=./queues.schema.json
"""


@click.command("schema", epilog=_EXAMPLES)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file instead of stdout."
)
def command(out: Path | None) -> None:
    """Prints the file's JSON Schema, for editors.

    Editors with YAML support (VS Code with its YAML extension, JetBrains, Neovim with yaml-language-server) use it to
    complete and validate queues.yaml.
    """
    # Imported here so that `--help` answers at once.
    from ..topology.file.json_schema import schema

    text = json.dumps(schema(), indent=2, ensure_ascii=False)
    if out is None:
        click.echo(text)
    else:
        write_file(out, text + "\n")
