"""`routectl history`: the last applies of a stack, which `apply` records on the broker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .console import Console
from .options import broker_options, file_option, output_options

if TYPE_CHECKING:
    from ..topology.change.history.entry import Entry
    from ..topology.change.history.recorder import Recorder
    from ..topology.change.planner import Planned

_EXAMPLES = """\b
Examples:
  routectl history                    the last ten applies, the newest first
  routectl history 12                 what the twelfth one changed
  routectl history --format json
"""


@click.command("history", epilog=_EXAMPLES)
@click.argument("number", required=False, type=click.IntRange(min=1))
@file_option
@broker_options
@output_options()
def command(console: Console, files: tuple[Path, ...], number: int | None, **options: Any) -> int:
    """Lists the last applies of the file's stack.

    Shows when, by whom and from which file, how many objects changed, and with NUMBER, which. Applies that change
    nothing are not recorded, nor those over AMQP alone. Recording and reading need the tag `policymaker`.
    """
    entries = _entries(console, files, options)
    if number is not None:
        entry = _entry(entries, number)
        if console.json:
            console.document(entry.as_dict() | {"declared": _declared(entry)})
        else:
            console.result(_entry_text(entry))
    elif console.json:
        console.document({"applies": [entry.as_dict() for entry in entries]})
    else:
        console.result(_table(entries) if entries else "No apply of this stack is recorded.")
    return 0


def recorder_of(planned: Planned) -> Recorder:
    """What records the apply of a plan."""
    from ..topology.broker.holder import current_user
    from ..topology.change.history.recorder import Recorder
    from . import __version__

    return Recorder(planned.declaration, planned.session, current_user(), __version__)


def say_obstacle(console: Console, recorder: Recorder) -> None:
    """Says why an apply is not in the history."""
    if recorder.obstacle is not None:
        console.say(f"note: this apply is not in the history: {recorder.obstacle}")


def record_first(planned: Planned) -> None:
    """Records that the broker matches the file, if nothing is recorded of the stack: the state to come back to."""
    from ..topology.errors import BrokerError

    declaration = planned.declaration
    if declaration is not None and not declaration.numbers:
        recorder = recorder_of(planned)
        try:
            recorder.begin(())
            recorder.end((), "done")
        except BrokerError:
            return


def _entries(console: Console, files: tuple[Path, ...], options: dict[str, Any]) -> list[Entry]:
    from ..topology.base.known_secrets import KnownSecrets
    from ..topology.broker.session import ManagementSession
    from ..topology.change.history.log import Log
    from ..topology.change.planner import vhost_of
    from .options import address_of, load_quietly

    loaded, address = load_quietly(console, files), address_of(options)
    console.protect(KnownSecrets({address.password.reveal(), address.management.password.reveal()}))
    log = Log(loaded.topology.name, vhost_of(loaded, address))
    with ManagementSession(address, timeout=options["timeout"]) as session:
        return log.entries(session.global_parameters())


def _entry(entries: list[Entry], number: int) -> Entry:
    from ..topology.base.listing import listed
    from ..topology.errors import NotFound

    for entry in entries:
        if entry.number == number:
            return entry
    numbers = [str(entry.number) for entry in entries]
    hint = f"recorded are {listed(numbers, 10)}" if numbers else "no apply of this stack is recorded"
    raise NotFound(f"apply {number} is not recorded", hint)


def _table(entries: list[Entry]) -> str:
    from .text import columns

    head = ("", "when (UTC)", "who", "changes", "file")
    return columns(
        [head, *((str(entry.number), entry.at, entry.by, _changes(entry), _file(entry)) for entry in entries)]
    )


def _entry_text(entry: Entry) -> str:
    from .text import MARKS
    from .words import kind_text, printable, title_text

    head = f"Apply {entry.number} of {entry.at} UTC by {entry.by} with routectl {entry.routectl}"
    lines = [printable(head), printable(f"{_file(entry, whole=True)}: {_changes(entry)}"), ""]
    for action, key in entry.changes:
        lines.append(f"{MARKS.get(action, '  ?')} {kind_text(key)}  {title_text(key, True)}")
    if entry.unnamed:
        lines.append(f"  and {entry.unnamed} more")
    return "\n".join(lines).rstrip()


def _changes(entry: Entry) -> str:
    from .text import DONE

    words = [f"{number} {DONE.get(action, action)}" for action, number in entry.counts.items()]
    counted = ", ".join(words) or "nothing"
    if entry.result in ("interrupted", "unfinished"):
        total = sum(entry.counts.values())
        return f"{entry.result}: {total} change{'s' * (total != 1)} planned"
    return counted if entry.result == "done" else f"{counted}; others failed"


def _file(entry: Entry, *, whole: bool = False) -> str:
    digest = entry.sha256 if whole else entry.sha256[:12]
    return f"{' + '.join(entry.files)} (sha256 {digest})"


def _declared(entry: Entry) -> list[dict[str, Any]]:
    from ..topology.base.secret import mask

    return [
        {**key.as_dict(), "properties": mask(resource.properties)} for key, resource in entry.declared.items()
    ]
