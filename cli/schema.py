"""`routectl schema`: prints the JSON Schema of the file."""

from __future__ import annotations

import json
from pathlib import Path

import click

_EXAMPLES = """\b
Examples:
  routectl schema > queues.schema.json
\b
Then, as the first line of queues.yaml:
  # yaml-language-server: $schema=./queues.schema.json
"""


@click.command("schema", epilog=_EXAMPLES)
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it to a file instead of stdout."
)
def command(out: Path | None) -> None:
    """Prints the JSON Schema of the file, for editors.

    Editors that know YAML (VS Code with its YAML extension, JetBrains, Neovim with yaml-language-server) complete
    and check queues.yaml with it.
    """
    # Imported here so that `--help` answers at once.
    from ..topology.errors import UsageError
    from ..topology.file.json_schema import schema

    text = json.dumps(schema(), indent=2, ensure_ascii=False)
    if out is None:
        click.echo(text)
    else:
        try:
            out.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"`{out}` cannot be written: {(error.strerror or str(error)).lower()}") from None
