"""Loads files: returns their topology, or raises with all mistakes in them at once."""

from __future__ import annotations

import gc
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ..base.finding import Finding, Position, Severity, ValuePath
from ..base.known_secrets import KnownSecrets
from ..errors import FileError, UsageError
from ..lint.context import MAX_FINDINGS
from ..lint.names import DeclaredNames
from ..lint.registry import make_finding
from ..lint.rules.durations import check_durations
from ..lint.runner import check_topology
from ..model import Topology
from .defaults import prepare, source_path
from .reader.include import ReadObserver
from .reader.source import Source, read
from .secrets import Texts, known_secrets
from .validation import SourcePositions, findings_of

#: Validation attempts without the invalid values, each of which may reveal further errors.
_MAX_ROUNDS = 6


@dataclass(frozen=True)
class Loaded:
    """A valid file.

    Parameters:
      topology: The content of the file.
      source: The data with its positions in the file.
      files: The names of the files, in order; without included files.
      warnings: Findings that are not errors.
      missing_secrets: Findings about secrets of users and links that could not be read: without them, the file can be
        checked and tasks can be routed, but nothing can be planned or applied.
    """

    topology: Topology
    source: Source
    files: tuple[str, ...]
    warnings: tuple[Finding, ...] = ()
    missing_secrets: tuple[Finding, ...] = ()

    def position(self, path: ValuePath, *, of_key: bool = False) -> Position:
        """The position of the value at a path such as `("routes", 3)` or `("queues", "high", "type")`."""
        return self.source.position(source_path(path, self.source.has), of_key=of_key)

    def known_secrets(self, headers: Iterable[str] = ()) -> KnownSecrets:
        """The secrets of the file, to be removed from what others write about it, such as a broker.

        Parameters:
          headers: More names of binding headers whose values are secret, unless the file writes them as they are.
        """
        return known_secrets(self.source, self.texts, headers)

    @cached_property
    def texts(self) -> Texts:
        """The texts of the file: which are shown, and which are not."""
        return Texts.of(self.topology)


#: Sections that producers and workers do not need; their passwords are only set where `routectl apply` runs.
_OPERATIONS = ("users", "federation", "shovels", "policies", "operator_policies", "global_parameters")


def load(
    paths: Sequence[str | Path] | str | Path,
    environment: Mapping[str, str] | None = None,
    *,
    only_routing: bool = False,
    require_secrets: bool = False,
    observer: ReadObserver | None = None,
) -> Loaded:
    """Reads and validates one or more files.

    Parameters:
      paths: The files; each overrides the ones before it.
      environment: The variables for `${NAME}`; by default those of the process.
      only_routing: Leave out users, links, policies and global parameters, whose secrets producers and workers do not
        have.
      require_secrets: An unset variable or an unreadable file of a secret is a mistake, as in `plan` and `apply`;
        otherwise it is only in `missing_secrets`.
      observer: Called for each file before it is opened.

    Raises:
      FileError: the files have mistakes; the error lists them.
      UsageError: `paths` is empty, or contains something other than paths.
    """
    environment = os.environ if environment is None else environment
    files = file_names(paths)
    with collector_paused():
        return _load(files, environment, _OPERATIONS if only_routing else (), require_secrets, observer)


def file_names(paths: Any) -> list[str]:
    """One or several paths as a list of file names.

    Parameters:
      paths: A path, or a list of paths.

    Raises:
      UsageError: `paths` is empty, or contains something other than paths.
    """
    hint = "pass the path of a file, or a list with the paths of a file and its overlays"
    several = isinstance(paths, Sequence) and not isinstance(paths, str | bytes | bytearray)
    files = list(paths) if several else [paths]
    for file in files:
        if not isinstance(file, str | os.PathLike):
            raise UsageError(f"a file must be given as a path, not as `{type(file).__name__}`", hint)
    if not files:
        raise UsageError("no file was given", hint)
    return [os.fspath(file) for file in files]


_pauses: list[bool] = []


@contextmanager
def collector_paused() -> Iterator[None]:
    """Disables the cyclic garbage collector, which would traverse millions of live nodes again and again."""
    enabled = gc.isenabled()
    try:  # around everything: a task's time limit may raise between any two calls
        _pauses.append(enabled)
        gc.disable()
        yield
    finally:
        if enabled:
            gc.enable()
        _pauses.remove(enabled)


def _collect_in_child() -> None:
    """Enables the collector again in a child process that was forked while another thread had it paused."""
    if any(_pauses):
        _pauses.clear()
        gc.enable()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_collect_in_child)


def _load(
    files: Sequence[str],
    environment: Mapping[str, str],
    leave_out: Sequence[str],
    require_secrets: bool,
    observer: ReadObserver | None,
) -> Loaded:
    source = read(files, environment, leave_out=leave_out, observer=observer)
    findings, missing = list(source.findings), list(source.missing_secrets)
    topology, errors = _validate(source, findings, missing)
    if require_secrets:
        findings += missing
    if topology is not None:
        found = check_topology(topology, SourcePositions(source), DeclaredNames.of(source.data))
        found += check_durations(source.data, SourcePositions(source))
    else:
        found = findings_of(errors, SourcePositions(source))
        found += _check_valid_parts(source, errors)
    known = {str(finding.position) for finding in findings}
    findings += [finding for finding in found if str(finding.position) not in known]
    if findings and source.has_variables:
        secrets = known_secrets(source, Texts.of(source.data if topology is None else topology))
        findings = [finding.rewritten(secrets.hide) for finding in findings]
    mistakes = [finding for finding in findings if finding.severity is Severity.ERROR]
    if mistakes:
        raise FileError(_sorted(mistakes, source.files)[:MAX_FINDINGS], more=len(mistakes) > MAX_FINDINGS)
    assert topology is not None
    return Loaded(topology, source, tuple(files), tuple(findings), tuple(missing))


def _validate(
    source: Source, findings: list[Finding], missing: list[Finding]
) -> tuple[Topology | None, Sequence[ErrorDetails]]:
    """The topology or pydantic's errors; adds what else is wrong to `findings`, unreadable secrets to `missing`."""
    data = source.data

    def report_error(path: ValuePath, code: str, message: str, help_: str | None) -> None:
        found = make_finding(code, message, source.position(path), help_)
        (missing if code == "missing-file" else findings).append(found)

    try:
        if isinstance(data, dict):
            data = prepare(data, report_error, lambda path: source.position(path).file)
        return Topology.model_validate(data), ()
    except ValidationError as error:
        return None, error.errors(include_url=False)


def _check_valid_parts(source: Source, errors: Sequence[ErrorDetails]) -> list[Finding]:
    """Finds further mistakes in the file without the values that failed validation."""
    if not isinstance(source.data, dict):
        return []
    names = DeclaredNames.of(source.data)
    invalid: set[int | None] = set()
    for _ in range(_MAX_ROUNDS):
        positions = SourcePositions(source)
        written = [positions.written(_path(error)) for error in errors]
        invalid |= {source.identity(_object(path)) for path in written} - {None}
        source = source.without({_present(path, source) for path in written})
        if not isinstance(source.data, dict):
            return []
        source.data.setdefault("version", 1)
        topology, errors = _validate(source, [], [])
        if topology is not None:
            found = check_topology(topology, SourcePositions(source), names, partial(_is_in, invalid, source))
            return [finding for finding in found if finding.severity is Severity.ERROR]
    return []


def _is_in(invalid: Collection[int | None], source: Source, path: ValuePath) -> bool:
    return source.identity(_object(path)) in invalid


def _object(path: ValuePath) -> ValuePath:
    """The path of the object that contains a value: `queues, high` for `queues, high, type`."""
    start = 2 if path[:1] == ("vhosts",) else 0
    return tuple(path[: start + 2])


def _path(error: ErrorDetails) -> ValuePath:
    """The path of the invalid value; for a missing key, that of its map."""
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
