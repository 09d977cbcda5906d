"""Imported by every Python that a test starts: gives Celery more time to connect to a broker under load.

A test run keeps its broker so busy that Celery's default, 4 seconds, has ended tests by chance. Celery itself is not
imported here, since many of these processes must not import it either.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False  # `typing` would take 10 ms of each process
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

#: Seconds to connect to a broker, in every process of a test.
CONNECT_TIMEOUT = 60


class _PatientCelery:
    """A finder and loader that changes the default when Celery's module of defaults is imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "celery.app.defaults":
            return None
        spec = PathFinder.find_spec(name, path, target)
        assert spec is not None
        self._own, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        self._own.exec_module(module)
        module.DEFAULTS["broker_connection_timeout"] = CONNECT_TIMEOUT


sys.meta_path.insert(0, _PatientCelery())
