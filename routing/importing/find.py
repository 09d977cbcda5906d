"""Finds a Celery app by its name, with all its tasks."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from celery.app.utils import find_app

from ...topology.errors import UsageError
from ...topology.redact import redact
from ..publish import router_of

_HINT = "name it as for `celery -A`: `proj` or `proj.celery:app`, and call this where the module is"


def find(name: str) -> Any:
    """The app that a name means, found as `celery -A` finds it, its tasks imported.

    Parameters:
      name: `MODULE`, `MODULE:APP` or `MODULE.APP`; modules are looked for in the working directory, too.

    Raises:
      UsageError: There is no such app, its module cannot be imported, or it is set up from a file already.
    """
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # for good: apps import more when they are asked
    # What the user's modules print must not get into a result that stands on stdout.
    with redirect_stdout(sys.stderr):
        app = _found(name)
        if not hasattr(app, "amqp"):
            raise UsageError(f"`{name}` is no Celery app but of type {type(app).__name__}", _HINT)
        try:
            app.loader.import_default_modules()
            app.finalize()
            known = router_of(app)
        except (Exception, SystemExit) as error:
            raise failure(f"the tasks of `{name}` cannot be imported", error) from error
    if known is not None:
        raise UsageError(f"`{name}` is set up from {known.origin} already", "its queues and routes are there")
    return app


def failure(what: str, error: BaseException) -> UsageError:
    """The error for what the user's own code raised.

    Parameters:
      what: What did not work.
      error: What was raised; its text may hold a broker's URL, whose password is not shown.
    """
    return UsageError(f"{what}: {told(error)}", "`--debug` shows the traceback")


def told(error: BaseException) -> str:
    """An exception in one line, without passwords."""
    said = redact((str(error).splitlines() or [""])[0])
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _found(name: str) -> Any:
    try:
        return find_app(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, AttributeError) and hasattr(sys.modules.get(name), "__path__"):
            return _found(f"{name}.celery")  # which Celery has tried, and does not say why in vain
        missing = _missing(name, error)
        if missing is None:
            raise failure(f"app `{name}` cannot be imported", error) from error
        raise UsageError(f"app `{name}` was not found: {missing}", _HINT) from error


def _missing(name: str, error: BaseException) -> str | None:
    """What there is not, if the name is wrong; None if the app's own code failed."""
    module, _, attribute = name.partition(":")
    if isinstance(error, AttributeError):
        celerys = error.name in ("app", "celery") or "celery module" in str(error)
        return f"`{module}` has no `app`, no `celery`, and nothing else that is one" if celerys else None
    if not isinstance(error, ModuleNotFoundError) or not error.name:
        return None
    if attribute and error.name.startswith(f"{module}:"):
        return f"`{module}` has no `{attribute}`"
    return f"there is no module `{error.name}`" if f"{module}.".startswith(f"{error.name}.") else None
