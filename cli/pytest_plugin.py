"""The pytest plugin: a fixture for the router of the project's file, and the file's `tests` as pytest tests.

pytest loads it wherever routectl is installed, so heavy imports are deferred until it is used.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..routing import Router
    from ..routing.check.context import VhostContext
    from ..topology.errors import RoutectlError

_DEFAULT = "queues.yaml"

_MISSING = "set `routectl_file` in pytest's settings to its path, relative to pytest's root folder"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The settings `routectl_file` and `routectl_vhost`, and `--routectl`."""
    parser.addini(
        "routectl_file",
        "The routectl file, relative to the root folder; one per line, later files override earlier ones.",
        type="linelist",
        default=[_DEFAULT],
    )
    parser.addini("routectl_vhost", "One of the file's `vhosts`; by default its top level.", default="")
    group = parser.getgroup("routectl")
    group.addoption("--routectl", action="store_true", help="Also run the `tests` of the routectl file.")


def pytest_configure(config: pytest.Config) -> None:
    """Adds the file to the collected arguments.

    Raises:
      UsageError: The file does not exist.
    """
    if not config.getoption("routectl"):
        return
    file = _files(config)[0]
    if not file.is_file():
        raise pytest.UsageError(f"--routectl: file `{file}` does not exist; {_MISSING}")
    if not any(_is_named(config, argument, file) for argument in config.args):
        config.args.append(str(file))


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> RouteFile | None:
    """The file as a collector of its tests."""
    if parent.config.getoption("routectl") and file_path == _files(parent.config)[0]:
        found: RouteFile = RouteFile.from_parent(parent, path=file_path)
        return found
    return None


@pytest.fixture(scope="session")
def routectl_router(pytestconfig: pytest.Config) -> Router:
    """The router of the file in `routectl_file`, by default `queues.yaml` in the root folder."""
    from ..routing import Router
    from ..topology.errors import RoutectlError

    try:
        return Router.from_file(_display_paths(_files(pytestconfig)), vhost=_vhost(pytestconfig))
    except RoutectlError as error:
        problem = _error_text(error)
    pytest.fail(problem, pytrace=False)


class RouteFile(pytest.File):
    """The tests of a routectl file."""

    def collect(self) -> Iterator[RouteItem]:
        """One item for each entry of `tests`, of all vhosts unless one is configured.

        Raises:
          CollectError: The file has mistakes.
        """
        from ..routing.check.context import VhostContext
        from ..topology.errors import RoutectlError
        from ..topology.file.load import load

        try:
            loaded = load(_display_paths(_files(self.config)), only_routing=True)
            vhost = _vhost(self.config)
            vhosts = (None, *loaded.topology.vhosts) if vhost is None else (vhost,)
            parts = [VhostContext.of(loaded, name) for name in vhosts]
        except RoutectlError as error:
            raise self.CollectError(_error_text(error)) from None
        names: Counter[str] = Counter()
        for part in parts:
            for at, test in enumerate(part.body.tests):
                name = f"{part.vhost}/{test.task}" if part.vhost in loaded.topology.vhosts else test.task
                names[name] += 1
                unique = name if names[name] == 1 else f"{name}[{names[name]}]"
                yield RouteItem.from_parent(self, name=unique, part=part, at=at)


class RouteItem(pytest.Item):
    """One entry of a file's `tests`.

    Parameters:
      part: The vhost's part of the file.
      at: The entry's index.
    """

    def __init__(self, *, part: VhostContext, at: int, **rest: Any) -> None:
        super().__init__(**rest)
        self.part = part
        self.at = at

    def runtest(self) -> None:
        """Routes the task and compares.

        Raises:
          WrongRoute: The route differs from the test.
        """
        from ..routing.check.file_tests import failed_test

        finding = failed_test(self.part, self.at)
        if finding is not None:
            raise WrongRoute(finding.render())

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: Any) -> Any:
        """The message of `routectl check`."""
        return str(excinfo.value) if isinstance(excinfo.value, WrongRoute) else super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The entry's position and name."""
        return self.path, self.part.position("tests", self.at).line - 1, f"task {self.name}"


class WrongRoute(Exception):
    """A task's route differs from a test of the file."""


def _files(config: pytest.Config) -> list[Path]:
    """The file and its overlays."""
    return [config.rootpath / name for name in config.getini("routectl_file") or [_DEFAULT]]


def _display_paths(files: list[Path]) -> list[Path]:
    """Paths as shown in messages: relative to the working directory, if they are below it."""
    here = Path.cwd()
    return [file.relative_to(here) if file.is_relative_to(here) else file for file in files]


def _vhost(config: pytest.Config) -> str | None:
    return config.getini("routectl_vhost") or None


def _is_named(config: pytest.Config, argument: str, file: Path) -> bool:
    """Whether an argument names the file, one of its tests, or a folder that contains it."""
    named = (config.invocation_params.dir / argument.partition("::")[0]).resolve()
    return named in (file.resolve(), *file.resolve().parents)


def _error_text(error: RoutectlError) -> str:
    """An error as text: each mistake with its position, or the message and the hint."""
    from ..topology.errors import FileError, UnreadableFile

    if isinstance(error, FileError):
        findings = error.findings
        if isinstance(error, UnreadableFile):
            findings = tuple(replace(finding, help=_MISSING) for finding in findings)
        return "\n\n".join(finding.render() for finding in findings)
    return f"error: {error.message}" + (f"\nhint: {error.hint}" if error.hint else "")
