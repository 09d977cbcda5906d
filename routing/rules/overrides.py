"""Where a task goes as it is called: what its caller says of the message lies over what the rule says. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...topology.errors import UsageError
from ...topology.model.routing import BYPASSES_ROUTES, BYPASSING_OPTIONS
from .call import MISSING

if TYPE_CHECKING:
    from .call import Call
    from .decision import Decision
    from .table import Table


def apply_caller_options(table: Table, name: str, call: Call) -> Decision:
    """Where Celery sends a task, and how its message is as far as the rule or its caller says it.

    Parameters:
      table: The routes.
      name: The task's name.
      call: What it is called with. Headers among its options count as such.

    Raises:
      RoutingError: No rule takes it and the file refuses such tasks.
      UsageError: The caller names a queue, an exchange or a key, which decide instead of the file.
    """
    if not (_is_given(call.options) or _is_given(call.headers)):
        return table.route(name, call)
    refuse_address(call)
    if not _is_given(call.headers):
        call = replace(call, headers=_own(call, "headers"))
    return _with_own(table.route(name, call), call)


def refuse_address(call: Call) -> None:
    """Does nothing if the file decides where a call goes.

    Raises:
      UsageError: The caller names a queue, an exchange or a key, which decide instead.
    """
    for option in BYPASSING_OPTIONS:
        if _own(call, option) is not None:
            raise UsageError(BYPASSES_ROUTES.format(name=option), f"leave `{option}` out of the options")


def _is_given(value: Any) -> bool:
    return value is not None and not (type(value) is dict and not value)


def _own(call: Call, option: str) -> Any:
    """What the caller says of an option, None if nothing."""
    value = call.part(f"options.{option}")
    return None if value is MISSING else value


def _with_own(decision: Decision, call: Call) -> Decision:
    """A decision with what the caller says otherwise; of headers, each by itself."""
    priority = _own(call, "priority")
    own = {name: value for name in decision.options if (value := _own(call, name)) is not None}
    if "headers" in decision.options and _is_given(call.headers):
        mine: Any = call.headers
        one_by_one = issubclass(type(mine), dict)
        own["headers"] = {**decision.options["headers"], **mine} if one_by_one else mine
    if priority is None and not own:
        return decision
    return replace(
        decision,
        priority=decision.priority if priority is None else priority,
        options={**decision.options, **own},
    )
