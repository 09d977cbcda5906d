"""Routes, conditions, routing tests and worker profiles."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ..base.redaction import redacted
from ..base.scalar import Interpolated, typed
from ..base.secret import MASK
from .types import (
    LIST_SCHEMA,
    Arguments,
    Model,
    Name,
    Names,
    PlainMapping,
    Positive,
    RoutingKey,
    Seconds,
    Texts,
    Weight,
    Whole,
    _listed,
    _plain,
    no_literal_secret,
)

_PART = re.compile(r"args\.\d{1,3}(\.[^.\s]+)*|(kwargs|headers|options)(\.[^.\s]+)+", re.ASCII)
_RATE = re.compile(r"\d{1,9}(\.\d{1,9})?(/[smh])?", re.ASCII)

#: Options of `apply_async` that Celery handles before it calls routers, or that routers cannot set.
_HANDLED_BEFORE_ROUTING = frozenset(
    {
        *("name", "args", "kwargs", "task_id", "countdown", "eta", "retries", "shadow", "route_name"),
        *("link", "link_error", "callbacks", "errbacks", "chain", "chord", "group_id", "group_index"),
        *("root_id", "parent_id", "reply_to", "ignore_result", "add_to_parent", "result_cls", "task_type"),
        *("producer", "publisher", "connection", "router", "message", "body", "create_sent_event"),
        "replaced_task_nesting",
    }
)

#: Like these, but with their own fields in rules.
_LIMITS = frozenset({"expires", "time_limit", "soft_time_limit"})

#: Options of `apply_async` with which a caller bypasses the file's routes.
BYPASSING_OPTIONS = ("queue", "exchange", "routing_key")

#: Options of `apply_async` that set a message's destination.
DESTINATION_OPTIONS = frozenset({*BYPASSING_OPTIONS, "exchange_type"})

#: Why a call with one of these options cannot be routed.
BYPASSES_ROUTES = "a task sent with `{name}` bypasses the routes of the file"

#: Options that a rule's `options` cannot contain, and why.
_FORBIDDEN_OPTIONS = {
    **dict.fromkeys(
        (*_LIMITS, "queue", "priority", "headers", "serializer", "compression", "delivery_mode"),
        "has its own field in the rule",
    ),
    "routing_key": "is `key` in the rule",
    "exchange": "is derived from the queue",
    "exchange_type": "is derived from the queue",
    "content_type": "is derived from `serializer`",
    "mandatory": "is always set",
    "immediate": "RabbitMQ no longer supports",
    **dict.fromkeys(_HANDLED_BEFORE_ROUTING, "Celery handles before routing"),
}


def call_path_problem(value: str) -> str | None:
    """Why a text does not name a part of the call that a rule can use; None if it does."""
    if not _PART.fullmatch(value):
        return "must name a part of the call: `args.0`, `kwargs.NAME`, `headers.NAME` or `options.NAME`"
    root, name, *_ = value.split(".")
    if root == "options" and name in _HANDLED_BEFORE_ROUTING | _LIMITS:
        return f"cannot refer to `{name}`, which Celery handles before routing"
    return None


def _call_path(value: str) -> str:
    problem = call_path_problem(value)
    if problem is not None:
        raise PydanticCustomError("part", "{problem}", {"problem": problem})
    return value


def _rate(value: str) -> str:
    if not _RATE.fullmatch(value):
        raise PydanticCustomError("rate", "must be a rate such as `10/m`, `100/h` or `5/s`")
    return value


def _scalar(value: Any) -> Any:
    if isinstance(value, Interpolated):
        value = typed(value) if value.plain else str(value)
    value = _plain(value)
    if isinstance(value, dict | list) or value is None:
        raise PydanticCustomError("scalar", "must be a string, a number, `true` or `false`")
    return value


def _bound(value: Any) -> Any:
    value = _scalar(value)
    if isinstance(value, bool):
        raise PydanticCustomError("bound", "must be a number or a string")
    return value


_EMPTY_CONDITION = "is an empty condition; use `{present: true}` to match any value"


def _condition(value: Any) -> Any:
    """Expands a bare value to `eq`, and a bare list to `one_of`."""
    if isinstance(value, dict | Condition):
        return value
    if value is None:
        raise PydanticCustomError("condition", _EMPTY_CONDITION)
    return {"one_of": value} if isinstance(value, list | tuple) else {"eq": value}


def _as_written(value: Any) -> Any:
    """A value, or each of several, as written in the file."""
    if isinstance(value, Interpolated):
        return value.written or MASK
    return [_as_written(item) for item in value] if isinstance(value, list | tuple) else value


def _publish_options(value: dict[str, Any]) -> dict[str, Any]:
    for name in value:
        if name in _FORBIDDEN_OPTIONS:
            message = "cannot contain `{name}`, which " + _FORBIDDEN_OPTIONS[name]
            raise PydanticCustomError("options", message, {"name": name})
    return value


def _calling_options(value: dict[str, Any]) -> dict[str, Any]:
    for name in BYPASSING_OPTIONS:
        if value.get(name) is not None:
            raise PydanticCustomError(
                "options", "cannot contain `{name}`: " + BYPASSES_ROUTES, {"name": name}
            )
    return value


def _words(value: Any) -> Any:
    """Splits text as a shell does; a list has a word in each item."""
    if not isinstance(value, str):
        return _listed(value)
    try:
        return shlex.split(value)
    except ValueError:
        raise PydanticCustomError("words", "must be a command line with closed quotes") from None


_SCALAR_TYPES = {"type": ["string", "number", "boolean"]}

CallPath = Annotated[str, AfterValidator(_call_path)]
CallPaths = Annotated[
    tuple[CallPath, ...],
    BeforeValidator(_listed),
    WithJsonSchema({"type": ["string", "array"], "items": {"type": "string"}}),
]
Scalar = Annotated[Any, BeforeValidator(_scalar), WithJsonSchema(_SCALAR_TYPES)]
Scalars = Annotated[
    tuple[Scalar, ...],
    BeforeValidator(_listed),
    WithJsonSchema({"type": [*_SCALAR_TYPES["type"], "array"], "items": _SCALAR_TYPES}),
]
Number = Annotated[int | float | str, BeforeValidator(_bound), WithJsonSchema({"type": ["string", "number"]})]
Rate = Annotated[str, AfterValidator(_rate)]
PublishOptions = Annotated[Arguments, AfterValidator(_publish_options)]
CallingOptions = Annotated[PlainMapping, AfterValidator(_calling_options)]


CommandLine = Annotated[
    tuple[str, ...],
    BeforeValidator(_words),
    BeforeValidator(no_literal_secret),
    WithJsonSchema(LIST_SCHEMA),
]


class Condition(Model):
    """A condition on a part of the call; all comparisons must hold. A missing value or another type does not match.

    A condition that no value can match, such as `{gt: 5, lt: 3}`, is an error.
    """

    eq: Scalar | None = Field(None, description="Equal to this value; a bare value means the same.")
    ne: Scalar | None = Field(None, description="Present, and not equal to this value.")
    one_of: Scalars | None = Field(
        None, description="Equal to one of these values; a bare list means the same."
    )
    none_of: Scalars | None = Field(None, description="Present, and not equal to any of these values.")
    gt: Number | None = Field(None, description="Greater than this value; strings compare by code points.")
    ge: Number | None = Field(None, description="Greater than or equal to this value.")
    lt: Number | None = Field(None, description="Less than this value.")
    le: Number | None = Field(None, description="Less than or equal to this value.")
    present: bool | None = Field(None, description="`true`: present with any value; `false`: absent.")

    _written: dict[str, Any] = PrivateAttr(default_factory=dict)

    def presentable(self, comparison: str, path: str) -> Any:
        """The operand of a comparison, safe to show: a value from the environment is shown as written in the file.

        Parameters:
          comparison: The name of the comparison's field.
          path: The part of the call that is compared.
        """
        return redacted(self._written.get(comparison, getattr(self, comparison)), path)

    def operands_from_variables(self) -> set[str]:
        """The texts and numbers to compare with that are from the environment."""
        operands = [getattr(self, comparison) for comparison in self._written]
        listed = [
            item for operand in operands for item in (operand if isinstance(operand, tuple) else [operand])
        ]
        return {str(item) for item in listed if not isinstance(item, bool)}

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        return ((name, self.presentable(name, name)) for name in self.model_fields_set)

    @model_validator(mode="wrap")
    @classmethod
    def _keep_written(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Keeps values as written in the file, which validation replaces with plain strings and numbers."""
        made = handler(data)
        if isinstance(data, dict):
            written = {name: _as_written(value) for name, value in data.items()}
            made._written = {name: shown for name, shown in written.items() if shown != data[name]}
        return made

    @model_validator(mode="after")
    def _is_satisfiable(self) -> Self:
        comparisons = {name: value for name, value in self if value is not None}
        if not comparisons:
            raise PydanticCustomError("condition", _EMPTY_CONDITION)
        if self.present is False and len(comparisons) > 1:
            raise PydanticCustomError("condition", "cannot combine `present: false` with other comparisons")
        if () in comparisons.values():
            raise PydanticCustomError("condition", "must have at least one value to compare with")
        return self


#: A condition, or a bare value or list.
Bare = Condition | bool | float | str | list[bool | float | str]
When = dict[CallPath, Annotated[Condition, BeforeValidator(_condition, json_schema_input_type=Bare)]]


class Route(Model):
    """A routing rule: the tasks it matches, the queue they are routed to, and the options of their messages.

    Patterns that are slow to match are rejected: regular expressions with ambiguous repetition, such as `/(a+)+b/`,
    and patterns in which more than two captures and `*` can divide a name in several ways, such as
    `*.{a}.*.{b}.*.{c}.*`. A `.` or `:` after a capture marks its end.
    """

    tasks: Texts = Field(
        min_length=1,
        description="Pattern or list of patterns: a task name, a glob (`billing.*`), a pattern with captures "
        "(`{queue}:*`), or a regular expression (`/legacy\\.v[12]\\..+/`).",
    )
    queue: Name = Field(
        description="Destination queue; `{name}` inserts a capture of the pattern, and `{kwargs.tenant}` a part of the "
        "call: a string, whole number or UUID. If no such queue is declared, the next rule is tried.",
    )
    key: RoutingKey | None = Field(
        None,
        description="Routing key; by default the queue's binding key. `{name}` inserts a capture of the pattern. The "
        "key must route to this queue only. Not allowed for sharded queues, whose shards have their own keys.",
    )
    when: When = Field(
        default_factory=dict,
        description="Conditions on the call: `args.0`, `kwargs.plan`, `headers.tenant` or `options.priority`, each "
        "with a value, a list, or comparisons. If a condition does not hold, the next rule is tried.",
    )
    shard_by: CallPaths = Field(
        (),
        description="For a queue with `shards`: the part of the call whose hash selects the shard; of several parts, "
        "the first that is present. If none is present, the next rule is tried.",
    )
    priority: Whole | None = Field(
        None,
        ge=0,
        le=255,
        description="Message priority; higher is delivered first. Classic queues require `max_priority`.",
    )
    expires: Seconds | None = Field(
        None, description="Time after which a task that has not started is discarded (seconds)."
    )
    headers: Arguments = Field(default_factory=dict, description="Message headers.")
    serializer: str | None = Field(None, description="Serializer: `json`, `pickle`, `yaml` or `msgpack`.")
    compression: str | None = Field(None, description="Compression of the message body, such as `gzip`.")
    delivery_mode: Literal["persistent", "transient"] | None = Field(
        None, description="Whether the message survives a broker restart."
    )
    time_limit: Seconds | None = Field(
        None, description="Hard time limit, after which the worker process is killed (seconds)."
    )
    soft_time_limit: Seconds | None = Field(
        None, description="Soft time limit, after which an exception is raised in the task (seconds)."
    )
    rate_limit: Rate | None = Field(
        None,
        description="Rate limit of each task in each worker, such as `10/m` (`task_annotations`). It cannot depend on "
        "the call: if several rules match a task, that of the first rule without `when` applies.",
    )
    options: PublishOptions = Field(
        default_factory=dict, description="Additional options of `apply_async`, passed through unchanged."
    )


class RouteTest(Model):
    """A routing test: a call and its expected route, checked by `routectl check`."""

    task: str = Field(min_length=1, description="Task name.")
    args: tuple[Any, ...] = Field((), description="Positional arguments of the task.")
    kwargs: PlainMapping = Field(default_factory=dict, description="Keyword arguments of the task.")
    headers: PlainMapping = Field(default_factory=dict, description="Message headers.")
    options: CallingOptions = Field(
        default_factory=dict,
        description="Other options of `apply_async`, such as `priority`, which override the rule's. Not `queue`, "
        "`exchange` or `routing_key`, which bypass the routes.",
    )
    queue: Name = Field(description="Expected queue; `refuse` if an error is expected.")
    priority: Whole | None = Field(None, ge=0, le=255, description="Expected priority.")
    key: RoutingKey | None = Field(None, description="Expected routing key.")


class Profile(Model):
    """A worker profile: the queues a worker consumes and its options, which default to Celery's settings."""

    queues: Names = Field(
        min_length=1,
        description="Queues to consume; for a sharded queue, its name for all shards, or the names of single shards.",
    )
    shares: Whole | None = Field(
        None,
        ge=1,
        description="Number of workers among which the shards are divided: `routectl workers` starts this many, each "
        "with its own `--share`.",
    )
    order: Literal["fair", "strict", "weighted"] = Field(
        "fair",
        description="Which task starts next: `fair`, of the queues in turn as Celery does; `strict`, of the first "
        "queue in `queues` that has one; `weighted`, in the proportions of `weights`.",
    )
    weights: dict[Name, Weight] = Field(
        default_factory=dict,
        description="With `order: weighted`: each queue's share of the tasks that start while all queues have some; "
        "a queue without a weight has 1.",
    )
    reserve: dict[Name, Positive] = Field(
        default_factory=dict,
        description="Slots of the worker that only this queue and those before it in `queues` use. Not with `fair`.",
    )
    concurrency: Whole | None = Field(None, ge=1, description="Number of concurrent tasks (`-c`).")
    prefetch_multiplier: Whole | None = Field(
        None,
        ge=0,
        description="Messages to prefetch per process; 0 for no limit (`worker_prefetch_multiplier`).",
    )
    pool: Literal["prefork", "eventlet", "gevent", "solo", "processes", "threads", "custom"] | None = Field(
        None, description="Pool implementation (`-P`)."
    )
    acks_late: bool | None = Field(
        None, description="Whether tasks are acknowledged after execution (`task_acks_late`)."
    )
    time_limit: Seconds | None = Field(
        None, description="Hard time limit, after which the worker process is killed (seconds)."
    )
    soft_time_limit: Seconds | None = Field(
        None, description="Soft time limit, after which an exception is raised in the task (seconds)."
    )
    max_tasks_per_child: Whole | None = Field(
        None, ge=1, description="Number of tasks after which a worker process is replaced."
    )
    max_memory_per_child: Whole | None = Field(
        None, ge=1, description="Resident memory after which a worker process is replaced (KiB)."
    )
    options: CommandLine = Field(
        (),
        description="Additional options of `celery worker`: text, split as a shell does (`--autoscale 4,1`), or a list "
        "of words (`[--autoscale, '4,1']`). Not those that have a field here, such as `-Q`.",
    )
