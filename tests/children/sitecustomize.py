"""Imported by every Python that a test starts: gives a broker under load more time.

A test run keeps its broker so busy that the default of Celery to connect, 4 seconds, and that of routectl to publish a
task, 10 seconds, have ended tests by chance. Neither is imported here, since many of these processes must not import
them either.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False  # `typing` would take 10 ms of each process
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

#: Seconds to connect to a broker, in every process of a test.
CONNECT_TIMEOUT = 60

#: Seconds to publish a task, likewise.
PUBLISH_TIMEOUT = 60.0


def wait_to_connect(defaults: ModuleType) -> None:
    """Changes the default in Celery's module of defaults."""
    defaults.DEFAULTS["broker_connection_timeout"] = CONNECT_TIMEOUT


def wait_to_publish(router: ModuleType) -> None:
    """Changes the default in the module that has it, before others import it from there."""
    router.PUBLISH_TIMEOUT = router.Router.publish_timeout = PUBLISH_TIMEOUT  # type: ignore[attr-defined]


class _Patient:
    """A finder and loader that changes the defaults of a module when it is imported.

    Parameters:
      name: The module.
      change: Called with it.
    """

    def __init__(self, name: str, change: Callable[[ModuleType], None]) -> None:
        self._name, self._change = name, change

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != self._name:
            return None
        spec = PathFinder.find_spec(name, path, target)
        assert spec is not None
        self._own, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        self._own.exec_module(module)
        self._change(module)


sys.meta_path[:0] = [
    _Patient("celery.app.defaults", wait_to_connect),
    _Patient("routectl.routing.router", wait_to_publish),
]
