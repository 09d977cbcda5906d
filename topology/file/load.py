"""From files to a topology, or to every mistake in them at once."""

from __future__ import annotations

import gc
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ..base.finding import Finding, Position, Severity, ValuePath
from ..errors import FileError, UsageError
from ..lint.context import MAX_FINDINGS
from ..lint.names import DeclaredNames
from ..lint.registry import make_finding
from ..lint.runner import check_topology
from ..model import Topology
from .defaults import prepare, source_path
from .reader.include import ReadObserver
from .reader.source import Source, read
from .validation import findings_of

_ROUNDS = 6


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file without mistakes.

    Parameters:
      topology: What the file says.
      source: Where it says it.
      files: The names of the files given, in their order.
      warnings: Findings that do not stop anything.
    """

    topology: Topology
    source: Source
    files: tuple[str, ...]
    warnings: tuple[Finding, ...] = ()

    def position(self, path: ValuePath, *, of_key: bool = False) -> Position:
        """Where the value at a path stands: `("routes", 3)`, `("queues", "high", "type")`."""
        return self.source.position(source_path(path, self.source.has), of_key=of_key)


#: What producers and workers need not know: the passwords in it are set where `routectl apply` runs, not there.
_OPERATIONS = ("users", "federation", "shovels", "policies", "operator_policies")


def load(
    paths: Sequence[str | Path] | str | Path,
    environment: Mapping[str, str] | None = None,
    *,
    only_routing: bool = False,
    witness: ReadObserver | None = None,
) -> Loaded:
    """Reads and checks one or more files; nothing else is touched.

    Parameters:
      paths: The files; each is laid over the ones before.
      environment: Where `${NAME}` is looked up; the process's own by default.
      only_routing: Leave out users, links and policies, whose secrets producers and workers do not have.
      witness: Is told of every file just before it is looked for.

    Raises:
      FileError: with every mistake that was found.
      UsageError: No file is named, or not by its path.
    """
    environment = os.environ if environment is None else environment
    files = named(paths)
    with collector_paused():
        return _load(files, environment, _OPERATIONS if only_routing else (), witness)


def named(paths: Any) -> list[str]:
    """The files that a caller names, one or several.

    Parameters:
      paths: A path, or a list of them.

    Raises:
      UsageError: There is none, or something else.
    """
    hint = "give the path of a file, or a list of the paths of a file and its overlays"
    several = isinstance(paths, Sequence) and not isinstance(paths, str | bytes | bytearray)
    files = list(paths) if several else [paths]
    for file in files:
        if not isinstance(file, str | os.PathLike):
            raise UsageError(
                f"a file is named by its path, not by a value of type `{type(file).__name__}`", hint
            )
    if not files:
        raise UsageError("no file is named", hint)
    return [os.fspath(file) for file in files]


_pauses: list[bool] = []


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keeps the cyclic collector from walking millions of nodes again and again; none of them is garbage."""
    enabled = gc.isenabled()
    try:  # around all of it: a task's time limit may arrive between any two calls
        _pauses.append(enabled)
        gc.disable()
        yield
    finally:
        if enabled:
            gc.enable()
        _pauses.remove(enabled)


def _collect_in_child() -> None:
    """A process that another thread's pause was forked into would never collect."""
    if any(_pauses):
        _pauses.clear()
        gc.enable()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_collect_in_child)


def _load(
    files: Sequence[str],
    environment: Mapping[str, str],
    leave_out: Sequence[str],
    witness: ReadObserver | None,
) -> Loaded:
    source = read(files, environment, leave_out=leave_out, witness=witness)
    findings = list(source.findings)
    topology, errors = _validate(source, findings)
    if topology is not None:
        found = check_topology(topology, _Places(source), DeclaredNames.of(source.data))
    else:
        found = findings_of(errors, _Places(source))
        found += _check_the_rest(source, errors)
    known = {str(finding.position) for finding in findings}
    findings += [finding for finding in found if str(finding.position) not in known]
    mistakes = [finding for finding in findings if finding.severity is Severity.ERROR]
    if mistakes:
        raise FileError(_sorted(mistakes, source.files)[:MAX_FINDINGS], more=len(mistakes) > MAX_FINDINGS)
    assert topology is not None
    return Loaded(topology, source, tuple(files), tuple(findings))


class _Places:
    """Where the values of a topology were written: in their place, or under `defaults:`."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def position(self, path: ValuePath, *, of_key: bool = False) -> Position:
        return self._source.position(self.written(path), of_key=of_key)

    def written(self, path: ValuePath) -> ValuePath:
        return source_path(path, self._source.has)

    def has(self, path: ValuePath) -> bool:
        return self._source.has(path)

    def raw(self, path: ValuePath) -> str | None:
        return self._source.raw(self.written(path))


def _validate(source: Source, findings: list[Finding]) -> tuple[Topology | None, Sequence[ErrorDetails]]:
    data = source.data

    def report_error(path: ValuePath, code: str, message: str, help_: str | None) -> None:
        findings.append(make_finding(code, message, source.position(path), help_))

    try:
        return Topology.model_validate(prepare(data, report_error) if isinstance(data, dict) else data), ()
    except ValidationError as error:
        return None, error.errors(include_url=False)


def _check_the_rest(source: Source, errors: Sequence[ErrorDetails]) -> list[Finding]:
    """What else is wrong: the file is read again without the values that are already known to be wrong."""
    if not isinstance(source.data, dict):
        return []
    names = DeclaredNames.of(source.data)
    wrong: set[int | None] = set()
    for _ in range(_ROUNDS):
        places = _Places(source)
        written = [places.written(_path(error)) for error in errors]
        wrong |= {source.identity(_object(path)) for path in written} - {None}
        source = source.without({_present(path, source) for path in written})
        if not isinstance(source.data, dict):
            return []
        source.data.setdefault("version", 1)
        topology, errors = _validate(source, [])
        if topology is not None:
            found = check_topology(topology, _Places(source), names, partial(_is_in, wrong, source))
            return [finding for finding in found if finding.severity is Severity.ERROR]
    return []


def _is_in(wrong: Collection[int | None], source: Source, path: ValuePath) -> bool:
    return source.identity(_object(path)) in wrong


def _object(path: ValuePath) -> ValuePath:
    """The path of the object that a path leads into: `queues, high` for `queues, high, type`."""
    start = 2 if path[:1] == ("vhosts",) else 0
    return tuple(path[: start + 2])


def _path(error: ErrorDetails) -> ValuePath:
    """The path of the value that an error is about; of the map, if it lacks something."""
    path = tuple(part for part in error["loc"] if part != "[key]")
    return path[:-1] if error["type"] == "missing" else path


def _present(path: ValuePath, source: Source) -> ValuePath:
    while path and not source.has(path):
        path = path[:-1]
    return path


def _sorted(findings: list[Finding], files: Sequence[str]) -> list[Finding]:
    order = {name: index for index, name in enumerate(files)}

    def place(finding: Finding) -> tuple[int, int, int]:
        position = finding.position
        assert position is not None
        return order.get(position.file, -1), position.line, position.column

    return sorted(dict.fromkeys(findings), key=place)
