"""Imported by every Python that a test starts: gives Celery more time to connect to a broker under load.

A test run keeps its broker so busy that Celery's default, 4 seconds, has ended tests by chance. Celery itself is not
imported here, since many of these processes must not import it either.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

#: Seconds to connect to a broker, in every process of a test.
CONNECT_TIMEOUT = 60


class _PatientCelery(MetaPathFinder, Loader):
    """Changes the default when Celery's module of defaults is imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "celery.app.defaults":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.loader is not None
        self._own, spec.loader = spec.loader, self
        return spec

    def exec_module(self, module: ModuleType) -> None:
        self._own.exec_module(module)
        module.DEFAULTS["broker_connection_timeout"] = CONNECT_TIMEOUT


sys.meta_path.insert(0, _PatientCelery())
