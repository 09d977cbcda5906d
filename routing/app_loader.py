"""Loads a Celery app by its name, as `celery -A` does, with all its tasks, or reports why that failed."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from typing import Any

from celery import Celery
from celery.app.utils import find_app

from ..topology.base.redaction import mask_urls, redact
from ..topology.errors import FileError, RoutectlError, UsageError

#: How to name an app.
HINT = (
    "name the app as for `celery -A`, `proj` or `proj.celery:app`, and run this in the folder of its module"
)

#: The maximum length of an error's text.
_MAX_LENGTH = 300


def load_app(name: str) -> Any:
    """Loads the app with a name, and imports its tasks.

    Parameters:
      name: `MODULE`, `MODULE:APP` or `MODULE.APP`; modules are also searched in the working directory.

    Raises:
      UsageError: There is no such app, or its code raises an error.
      FileError: The file that the app is configured from is invalid.
    """
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # it stays there, since apps import more modules later
    # The user's modules must not print into a result on stdout.
    with redirect_stdout(sys.stderr):
        app = _find(name)
        if not isinstance(app, Celery):
            raise UsageError(f"`{name}` is of type `{type_name(app)}`, not a Celery app", HINT)
        try:
            app.loader.import_default_modules()
            app.finalize()
        except (Exception, SystemExit) as error:
            raise app_error(f"the tasks of `{name}` cannot be imported", error) from error
    return app


def app_error(what: str, error: BaseException) -> RoutectlError:
    """The error for an exception in the user's code; one of this package keeps its findings and hint.

    Parameters:
      what: A clause that names what failed.
      error: The exception.
    """
    if isinstance(error, FileError):
        found = FileError(error.findings)
        found.message = f"{error.message}, so {what}"
        return found
    if isinstance(error, RoutectlError):
        return UsageError(f"{what}: {error.message}", error.hint)
    return UsageError(f"{what}: {describe_exception(error)}", "`--debug` shows the traceback")


def describe_exception(error: BaseException) -> str:
    """Describes an exception in one line, with its type but no hint; passwords, as in broker URLs, are masked.

    Parameters:
      error: The exception.
    """
    try:
        text = error.message if isinstance(error, RoutectlError) else str(error)
        lines = text.strip().splitlines()
    except Exception:  # noqa: BLE001 `str()` of a user's own exception may fail
        lines = []
    line = f"{type_name(error)}: {redact(mask_urls(lines[0]))}" if lines else type_name(error)
    return line if len(line) <= _MAX_LENGTH else f"{line[: _MAX_LENGTH - 1]}…"


def type_name(value: Any) -> str:
    """Returns the name of a value's type."""
    return type(value).__name__


def reason_not_found(name: str, error: BaseException) -> str | None:
    """Explains what is missing if an app's name is wrong; None if the app's own code failed.

    Parameters:
      name: The name.
      error: The exception that looking for it raised.
    """
    module, _, attribute = name.partition(":")
    if isinstance(error, AttributeError):
        from_celery = error.name in ("app", "celery") or "celery module" in str(error)
        return f"`{module}` has no `app` or `celery`, and no other Celery app" if from_celery else None
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    if attribute and error.name.startswith(f"{module}:"):
        return f"`{module}` has no `{attribute}`"
    return f"there is no module `{error.name}`" if f"{module}.".startswith(f"{error.name}.") else None


def _find(name: str) -> Any:
    try:
        return find_app(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, AttributeError) and hasattr(sys.modules.get(name), "__path__"):
            return _find(f"{name}.celery")  # Celery has tried this, too, but hides why it failed
        reason = reason_not_found(name, error)
        if reason is None:
            raise app_error(f"app `{name}` cannot be imported", error) from error
        raise UsageError(f"app `{name}` was not found: {reason}", HINT) from error
