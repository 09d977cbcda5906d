"""Routes, conditions, tests of routes and worker profiles: what the file says to Celery."""

from __future__ import annotations

import re
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
from ..base.scalar import Interpolated
from ..base.secret import MASK
from .types import Arguments, Model, Name, Names, RoutingKey, Seconds, Texts, Whole, _listed, _plain

_PART = re.compile(r"args\.\d{1,3}(\.[^.\s]+)*|(kwargs|headers|options)(\.[^.\s]+)+", re.ASCII)
_RATE = re.compile(r"\d{1,9}(\.\d{1,9})?(/[smh])?", re.ASCII)

#: Options of `apply_async` that Celery has used up before it asks for a route, or takes from nobody else.
_SETTLED = frozenset(
    {
        *("name", "args", "kwargs", "task_id", "countdown", "eta", "retries", "shadow", "route_name"),
        *("link", "link_error", "callbacks", "errbacks", "chain", "chord", "group_id", "group_index"),
        *("root_id", "parent_id", "reply_to", "ignore_result", "add_to_parent", "result_cls", "task_type"),
        *("producer", "publisher", "connection", "router", "message", "body", "create_sent_event"),
        "replaced_task_nesting",
    }
)

#: More of them, which a rule has fields for.
_LIMITS = frozenset({"expires", "time_limit", "soft_time_limit"})

#: What a caller may name that decides where a task goes, whatever the file says.
ADDRESS = ("queue", "exchange", "routing_key")

#: Why what a file decides cannot be asked of a call that names one of them.
GOES_THERE = "a task whose caller names the `{name}` goes there, whatever the file says"

#: What is no option of a rule, and why.
_NOT_AN_OPTION = {
    **dict.fromkeys(
        (*_LIMITS, "queue", "priority", "headers", "serializer", "compression", "delivery_mode"),
        "has a field of its own in the rule",
    ),
    "routing_key": "is `key` in the rule",
    "exchange": "follows from the queue",
    "exchange_type": "follows from the queue",
    "content_type": "follows from `serializer`",
    "mandatory": "is always set",
    "immediate": "RabbitMQ does not know any more",
    **dict.fromkeys(_SETTLED, "is settled before Celery asks for a route"),
}


def _part(value: str) -> str:
    if not _PART.fullmatch(value):
        message = "must name a part of the call: `args.0`, `kwargs.NAME`, `headers.NAME` or `options.NAME`"
        raise PydanticCustomError("part", message)
    root, name, *_ = value.split(".")
    if root == "options" and name in _SETTLED | _LIMITS:
        message = "cannot ask for `{name}`, which is settled before Celery asks for a route"
        raise PydanticCustomError("part", message, {"name": name})
    return value


def _rate(value: str) -> str:
    if not _RATE.fullmatch(value):
        raise PydanticCustomError("rate", "must be a rate such as `10/m`, `100/h` or `5/s`")
    return value


def _scalar(value: Any) -> Any:
    value = _plain(value)
    if isinstance(value, dict | list) or value is None:
        raise PydanticCustomError("scalar", "must be a text, a number, `true` or `false`")
    return value


def _bound(value: Any) -> Any:
    value = _scalar(value)
    if isinstance(value, bool):
        raise PydanticCustomError("bound", "must be a number or a text")
    return value


def _condition(value: Any) -> Any:
    """A bare value means equality, a bare list membership."""
    if isinstance(value, dict | Condition):
        return value
    if value is None:
        raise PydanticCustomError("condition", "asks for nothing; `{present: true}` takes whatever is there")
    return {"one_of": value} if isinstance(value, list | tuple) else {"eq": value}


def _as_written(value: Any) -> Any:
    """What stands in the file for a value, or for each of several."""
    if isinstance(value, Interpolated):
        return value.written or MASK
    return [_as_written(item) for item in value] if isinstance(value, list | tuple) else value


def _publish_options(value: dict[str, Any]) -> dict[str, Any]:
    for name in value:
        if name in _NOT_AN_OPTION:
            message = "cannot hold `{name}`, which " + _NOT_AN_OPTION[name]
            raise PydanticCustomError("options", message, {"name": name})
    return value


def _calling_options(value: dict[str, Any]) -> dict[str, Any]:
    for name in ADDRESS:
        if value.get(name) is not None:
            raise PydanticCustomError("options", "cannot hold `{name}`: " + GOES_THERE, {"name": name})
    return value


_SCALAR_TYPES = {"type": ["string", "number", "boolean"]}

CallPath = Annotated[str, AfterValidator(_part)]
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
CallingOptions = Annotated[Arguments, AfterValidator(_calling_options)]


class Condition(Model):
    """What a part of a call has to be: all that is said here. What is missing or of another type does not match.

    A condition that no value meets, such as `{gt: 5, lt: 3}`, is a mistake.
    """

    eq: Scalar | None = Field(None, description="Equal to this; also written as the bare value.")
    ne: Scalar | None = Field(None, description="There, and not equal to this.")
    one_of: Scalars | None = Field(None, description="Equal to one of these; also written as the bare list.")
    none_of: Scalars | None = Field(None, description="There, and equal to none of these.")
    gt: Number | None = Field(None, description="More than this; texts by their code points.")
    ge: Number | None = Field(None, description="This or more.")
    lt: Number | None = Field(None, description="Less than this.")
    le: Number | None = Field(None, description="This or less.")
    present: bool | None = Field(None, description="`true`: there, whatever it is; `false`: not there.")

    _written: dict[str, Any] = PrivateAttr(default_factory=dict)

    def presentable(self, comparison: str, path: str) -> Any:
        """What a comparison asks for, as it may be shown: what came from the environment is as it is written.

        Parameters:
          comparison: The name of its field.
          path: The part of the call that is compared.
        """
        return redacted(self._written.get(comparison, getattr(self, comparison)), path)

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        return ((name, self.presentable(name, name)) for name in self.model_fields_set)

    @model_validator(mode="wrap")
    @classmethod
    def _remember(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Keeps how values are written; what they are is a plain text or number, wherever it came from."""
        made = handler(data)
        if isinstance(data, dict):
            written = {name: _as_written(value) for name, value in data.items()}
            made._written = {name: shown for name, shown in written.items() if shown != data[name]}
        return made

    @model_validator(mode="after")
    def _can_hold(self) -> Self:
        """Refuses what asks for nothing, and what no value meets."""
        asked = {name: value for name, value in self if value is not None}
        if not asked:
            message = "asks for nothing; `{present: true}` takes whatever is there"
            raise PydanticCustomError("condition", message)
        if self.present is False and len(asked) > 1:
            raise PydanticCustomError(
                "condition", "cannot compare what is not there: `present: false` stands alone"
            )
        if () in asked.values():
            raise PydanticCustomError("condition", "needs at least one value to choose from")
        return self


#: A condition, or a bare value or list.
Bare = Condition | bool | float | str | list[bool | float | str]
When = dict[CallPath, Annotated[Condition, BeforeValidator(_condition, json_schema_input_type=Bare)]]


class Route(Model):
    """A rule: which tasks go to which queue, and how their messages are.

    A pattern that would take a publisher's time is refused: a regular expression whose repeats can read the same text
    in many ways, such as `/(a+)+b/`, and a pattern of which more than two captures and `*` can share out a name in
    several ways, such as `*.{a}.*.{b}.*.{c}.*`. A `.` or `:` behind a capture says where it ends.
    """

    tasks: Texts = Field(
        min_length=1,
        description="One pattern or a list: a task's name, a glob (`billing.*`), a namespace form (`{queue}:*`), "
        "or a regular expression (`/legacy\\.v[12]\\..+/`).",
    )
    queue: Name = Field(description="The queue; `{name}` takes what the pattern captured.")
    key: RoutingKey | None = Field(
        None,
        description="The routing key; by default the queue's binding key. `{name}` takes what the pattern captured. It "
        "has to lead to the rule's queue alone; shards have keys of their own.",
    )
    when: When = Field(
        default_factory=dict,
        description="What the call has to be like: `args.0`, `kwargs.plan`, `headers.tenant` or `options.priority`, "
        "each with a value, a list, or comparisons. A call that is not like it goes on to the next rule.",
    )
    shard_by: CallPaths = Field(
        (),
        description="For a queue with `shards`: the part of the call that decides which; of several, the first that is "
        "there. A call without it goes on to the next rule.",
    )
    priority: Whole | None = Field(
        None,
        ge=0,
        le=255,
        description="The message's priority; higher goes first. A classic queue needs `max_priority` for that.",
    )
    expires: Seconds | None = Field(
        None, description="The task is dropped if no worker has begun it by then (seconds)."
    )
    headers: Arguments = Field(default_factory=dict, description="Headers of the message.")
    serializer: str | None = Field(
        None, description="How arguments are written: `json`, `pickle`, `yaml`, `msgpack`."
    )
    compression: str | None = Field(None, description="How the body is compressed, such as `gzip`.")
    delivery_mode: Literal["persistent", "transient"] | None = Field(
        None, description="Whether the message survives a restart of the broker."
    )
    time_limit: Seconds | None = Field(None, description="Kills a task that runs longer than this (seconds).")
    soft_time_limit: Seconds | None = Field(
        None, description="Raises in a task that runs longer than this (seconds)."
    )
    rate_limit: Rate | None = Field(
        None,
        description="How many of each task a worker starts, such as `10/m` (`task_annotations`). It cannot depend on a "
        "call: of several rules for a task, the first without `when` says it.",
    )
    options: PublishOptions = Field(
        default_factory=dict, description="More options of `apply_async`, passed as they are."
    )


class RouteTest(Model):
    """What a task's route shall be; `routectl check` compares."""

    task: str = Field(min_length=1, description="The task's name.")
    args: tuple[Any, ...] = Field((), description="Its positional arguments.")
    kwargs: Arguments = Field(default_factory=dict, description="Its named arguments.")
    headers: Arguments = Field(default_factory=dict, description="The message's headers.")
    options: CallingOptions = Field(
        default_factory=dict,
        description="Other options of `apply_async`, such as `priority`, which count before the rule's. No `queue`, "
        "`exchange` or `routing_key`: a task whose caller names them goes there.",
    )
    queue: Name = Field(description="The queue it shall go to; `refuse` if it shall be an error.")
    priority: Whole | None = Field(None, ge=0, le=255, description="The priority it shall have.")
    key: RoutingKey | None = Field(None, description="The routing key it shall have.")


class Profile(Model):
    """A worker profile: which queues a worker takes, and how it runs. What is left out is Celery's own setting."""

    queues: Names = Field(
        min_length=1,
        description="The queues that the worker consumes; of one with `shards`, all of them, or single ones by name.",
    )
    shares: Whole | None = Field(
        None,
        ge=1,
        description="So many workers share the shards of its queues: `routectl workers` starts them, each with a "
        "`--share` of its own.",
    )
    order: Literal["fair"] = Field("fair", description="`fair`: the queues take turns, as Celery does it.")
    concurrency: Whole | None = Field(None, ge=1, description="How many tasks run at once (`-c`).")
    prefetch_multiplier: Whole | None = Field(
        None,
        ge=0,
        description="Messages reserved for each process; 0 is no limit (`worker_prefetch_multiplier`).",
    )
    pool: Literal["prefork", "eventlet", "gevent", "solo", "processes", "threads", "custom"] | None = Field(
        None, description="How tasks run beside each other (`-P`)."
    )
    acks_late: bool | None = Field(
        None, description="Acknowledge a task after it ran, not before (`task_acks_late`)."
    )
    time_limit: Seconds | None = Field(None, description="Kills a task that runs longer than this (seconds).")
    soft_time_limit: Seconds | None = Field(
        None, description="Raises in a task that runs longer than this (seconds)."
    )
    max_tasks_per_child: Whole | None = Field(
        None, ge=1, description="Tasks after which a process is replaced."
    )
    max_memory_per_child: Whole | None = Field(
        None, ge=1, description="KiB after which a process is replaced."
    )
    options: Texts = Field((), description="More options of `celery worker`, passed as they are.")
