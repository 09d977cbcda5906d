"""The caller's options merged over the rule's message settings."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...topology.errors import UsageError
from ...topology.model.routing import BYPASSES_ROUTES, BYPASSING_OPTIONS
from .call import MISSING, name_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .call import Call
    from .decision import Decision
    from .table import Table


def apply_caller_options(table: Table, name: str, call: Call) -> Decision:
    """Returns where Celery sends a task, with the message settings of the rule and of the caller, who wins.

    Parameters:
      table: The rules.
      name: The task's name.
      call: Its arguments and options. Headers may be among the options.

    Raises:
      RoutingError: No rule matches the task and `unmatched` is not a queue.
      UsageError: The caller names a queue, an exchange or a key, which override the file.
    """
    if not (_is_given(call.options) or _is_given(call.headers)):
        return table.route(name, call)
    refuse_address(call)
    if not _is_given(call.headers):
        call = replace(call, headers=_caller_option(call, "headers"))
    return _override(table.route(name, call), call)


def refuse_address(call: Call) -> None:
    """Raises an error if the caller overrides where the task goes.

    Raises:
      UsageError: The caller names a queue, an exchange or a key, which override the file.
    """
    for option in BYPASSING_OPTIONS:
        if _caller_option(call, option) is not None:
            raise UsageError(BYPASSES_ROUTES.format(name=option), f"leave `{option}` out of the options")


def ignore_incomplete_address(answer: Mapping[str, Any], options: Mapping[str, Any]) -> None:
    """Removes an exchange without a key, or a key without an exchange, for a direct exchange, as Celery ignores it.

    See `send_task_message` in celery/app/amqp.py: it publishes such a task to its queue by name.

    Parameters:
      answer: The route of a task.
      options: The caller's options, which are modified.
    """
    exchange, key = options.get("exchange"), options.get("routing_key")
    if (exchange is None and key is None) or answer["exchange_type"] != "direct":
        return
    if isinstance(options, dict) and not (name_of(exchange) and name_of(key)):
        options |= {"exchange": None, "routing_key": None}


def _is_given(value: Any) -> bool:
    return value is not None and not (type(value) is dict and not value)


def _caller_option(call: Call, option: str) -> Any:
    """The caller's value of an option; None if it is not given."""
    value = call.part(f"options.{option}")
    return None if value is MISSING else value


def _override(decision: Decision, call: Call) -> Decision:
    """Overrides a decision with the caller's options; headers are merged one by one."""
    priority = _caller_option(call, "priority")
    own = {name: value for name in decision.options if (value := _caller_option(call, name)) is not None}
    if "headers" in decision.options and _is_given(call.headers):
        headers: Any = call.headers
        mergeable = issubclass(type(headers), dict)
        own["headers"] = {**decision.options["headers"], **headers} if mergeable else headers
    if priority is None and not own:
        return decision
    return replace(
        decision,
        priority=decision.priority if priority is None else priority,
        options={**decision.options, **own},
    )
