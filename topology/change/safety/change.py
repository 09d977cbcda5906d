"""What the checks of a plan need of its changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from ...base.resources import Key, Resource


class Change(Protocol):
    """What matters here of a change of a plan."""

    @property
    def action(self) -> str:
        """Such as `create`."""
        ...

    @property
    def key(self) -> Key:
        """The object."""
        ...

    @property
    def resource(self) -> Resource:
        """The desired object; for a deletion, the existing one."""
        ...

    @property
    def before(self) -> Mapping[str, Any] | None:
        """Its properties on the broker; None if it does not exist."""
        ...

    @property
    def after(self) -> Mapping[str, Any] | None:
        """Its properties in the file."""
        ...

    @property
    def moved_from(self) -> tuple[str, ...]:
        """The other queues whose messages and bindings a move takes over."""
        ...

    def differences(self) -> list[tuple[str, Any, Any]]:
        """The properties that differ."""
        ...
