"""Finds a Celery app by its name, as `celery -A` does, with all its tasks; and says why it cannot."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.app.utils import find_app

from ..topology.base.redaction import mask_urls, redact
from ..topology.errors import FileError, RoutectlError, UnreadableFile, UsageError

if TYPE_CHECKING:
    from ..topology.base.finding import Finding

#: How to name an app.
HINT = "name it as for `celery -A`: `proj` or `proj.celery:app`, and call this where the module is"

_NAMED_BY_APP = "the app names it; what is no full path counts from the working directory"

#: How much of an error is shown.
_MAX_LENGTH = 300


def load_app(name: str) -> Any:
    """The app that a name means, its tasks imported.

    Parameters:
      name: `MODULE`, `MODULE:APP` or `MODULE.APP`; modules are looked for in the working directory, too.

    Raises:
      UsageError: There is no such app, or its code raises.
      FileError: The file that the app sets itself up from is wrong.
    """
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # for good: apps import more when they are asked
    # What the user's modules print must not get into a result that stands on stdout.
    with redirect_stdout(sys.stderr):
        app = _find(name)
        if not isinstance(app, Celery):
            raise UsageError(f"`{name}` is no Celery app but of type `{type_name(app)}`", HINT)
        try:
            app.loader.import_default_modules()
            app.finalize()
        except (Exception, SystemExit) as error:
            raise app_error(f"the tasks of `{name}` cannot be imported", error) from error
    return app


def app_error(what: str, error: BaseException) -> RoutectlError:
    """The error for what the user's own code raised, or what this package raised there: that is told in full.

    Parameters:
      what: What did not work.
      error: What was raised.
    """
    if isinstance(error, FileError):
        found = FileError(error.findings if not isinstance(error, UnreadableFile) else _named_by_app(error))
        found.message = f"{error.message}, so {what}"
        return found
    if isinstance(error, RoutectlError):
        return UsageError(f"{what}: {error.message}", error.hint)
    return UsageError(f"{what}: {describe_exception(error)}", "`--debug` shows the traceback")


def describe_exception(error: BaseException) -> str:
    """An exception in one line, with its kind and without passwords: its text may hold a broker's URL.

    What this package would advise is left to whoever tells it.

    Parameters:
      error: What was raised.
    """
    try:
        text = error.message if isinstance(error, RoutectlError) else str(error)
        lines = text.strip().splitlines()
    except Exception:  # noqa: BLE001 a user's own error may not even have a text
        lines = []
    line = f"{type_name(error)}: {redact(mask_urls(lines[0]))}" if lines else type_name(error)
    return line if len(line) <= _MAX_LENGTH else f"{line[: _MAX_LENGTH - 1]}…"


def type_name(value: Any) -> str:
    """The name of a value's type."""
    return type(value).__name__


def reason_not_found(name: str, error: BaseException) -> str | None:
    """What there is not, if an app's name is wrong; None if the app's own code failed.

    Parameters:
      name: The name.
      error: What looking for it raised.
    """
    module, _, attribute = name.partition(":")
    if isinstance(error, AttributeError):
        celerys = error.name in ("app", "celery") or "celery module" in str(error)
        return f"`{module}` has no `app`, no `celery`, and nothing else that is one" if celerys else None
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    if attribute and error.name.startswith(f"{module}:"):
        return f"`{module}` has no `{attribute}`"
    return f"there is no module `{error.name}`" if f"{module}.".startswith(f"{error.name}.") else None


def _named_by_app(error: UnreadableFile) -> list[Finding]:
    """What is wrong with a file that the app names, and no option of the command."""
    return [
        replace(finding, help=_NAMED_BY_APP) if finding.code == "missing-file" else finding
        for finding in error.findings
    ]


def _find(name: str) -> Any:
    try:
        return find_app(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, AttributeError) and hasattr(sys.modules.get(name), "__path__"):
            return _find(f"{name}.celery")  # which Celery has tried, and does not say why in vain
        lacks = reason_not_found(name, error)
        if lacks is None:
            raise app_error(f"app `{name}` cannot be imported", error) from error
        raise UsageError(f"app `{name}` was not found: {lacks}", HINT) from error
