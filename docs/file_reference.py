"""The file reference, generated from the model: fields with type, unit, default, and RabbitMQ support."""

from __future__ import annotations

import inspect
import types as builtin
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from routectl.topology.base.resources import EXTRA_TYPES
from routectl.topology.model import (
    AllowedFinding,
    Binding,
    Body,
    Condition,
    DeadLetter,
    Defaults,
    Exchange,
    Federation,
    Limits,
    Permission,
    Policy,
    PolicyDefinition,
    Profile,
    Queue,
    QueueSettings,
    Rails,
    Route,
    RouteTest,
    Shovel,
    TopicPermission,
    Topology,
    Upstream,
    User,
    UserLimits,
    delivery_limit,
    links,
    routing,
    types,
    users,
)
from routectl.topology.model.exchange import FIELDS_OF_TYPE
from routectl.topology.model.links import UpstreamOfSet, link_support_of
from routectl.topology.model.support import describe_versions, support_of

from .file_examples import EXAMPLES, HEAD

Model = type[BaseModel]

#: Each section: its place in the file, its model, and the model whose fields it does not repeat.
SECTIONS: tuple[tuple[str, Model, Model | None], ...] = (
    ("The top level", Topology, Body),
    ("A vhost: the top level, and each of `vhosts`", Body, None),
    ("`defaults`", Defaults, None),
    ("`limits`, of vhosts", Limits, None),
    ("`exchanges: NAME`", Exchange, None),
    ("`bindings`, of queues and exchanges", Binding, None),
    ("`queues: NAME`", Queue, None),
    ("`dead_letter`, of queues and policies", DeadLetter, None),
    ("`policies: NAME` and `operator_policies: NAME`", Policy, None),
    ("`definition`, of policies", PolicyDefinition, QueueSettings),
    ("`federation`", Federation, None),
    ("`federation: upstreams: NAME`", Upstream, None),
    ("`federation: upstream_sets: NAME`", UpstreamOfSet, None),
    ("`shovels: NAME`", Shovel, None),
    ("`users: NAME`", User, None),
    ("`limits`, of users", UserLimits, None),
    ("`permissions`, of users", Permission, None),
    ("`topic_permissions`, of users", TopicPermission, None),
    ("`routes`", Route, None),
    ("`when`, of routes", Condition, None),
    ("`workers: NAME`", Profile, None),
    ("`tests`", RouteTest, None),
    ("`rails`", Rails, None),
    ("`allow`", AllowedFinding, None),
)

#: The words for the model's named types.
_WORDS: tuple[tuple[Any, str], ...] = (
    (types.Milliseconds, "duration (ms)"),
    (types.PositiveMilliseconds, "duration (ms), not 0"),
    (types.Seconds, "duration (s), not 0"),
    (types.WholeSeconds, "duration (whole s)"),
    (types.Size, "size (bytes)"),
    (types.Age, "age"),
    (types.Whole, "whole number"),
    (types.Positive, "whole number"),
    (types.Percent, "percentage"),
    (types.Weight, "whole number up to 1000"),
    (delivery_limit.DeliveryLimit, "whole number from -1, or `none`"),
    (links.MessageCount, "whole number"),
    (types.Name, "name"),
    (types.RoutingKey, "string"),
    (types.Regex, "regular expression"),
    (types.Arguments, "map"),
    (types.PlainMapping, "map"),
    (types.PlainValue, "any value"),
    (types.External, "`true`, `false` or `later`"),
    (routing.PublishOptions, "map"),
    (routing.Scalar, "string, number, `true` or `false`"),
    (routing.Scalars, "list of strings, numbers, `true` or `false`"),
    (routing.Number, "number or string"),
    (routing.CallPath, "part of the call"),
    (routing.CallPaths, "part of the call or list of them"),
    (routing.Rate, "rate"),
    (users.Password, "secret, from `${NAME}`"),
    (users.PasswordHash, "secret"),
    (links.Uri, "URI"),
    (types.Names, "name or list of names"),
    (types.Texts, "string or list of strings"),
    (bool, "`true` or `false`"),
    (str, "string"),
    (Any, "any value"),
)

_NEVER = "–"


def page() -> str:
    """The page as Markdown."""
    parts = [HEAD, "## Sections", ""]
    parts += [f"- [{title}](#{anchor(title)})" for title, _, _ in SECTIONS]
    parts += ["", *(line for section in SECTIONS for line in _section(*section))]
    return "\n".join(parts).rstrip() + "\n"


def anchor(title: str) -> str:
    """The anchor that GitHub generates for a heading."""
    kept = (char for char in title.lower() if char.isalnum() or char in " -_")
    return "".join(kept).replace(" ", "-")


def _section(title: str, model: Model, without: Model | None) -> Iterator[str]:
    yield from (f"## {title}", "", inspect.cleandoc(model.__doc__ or ""), "")
    if without is Body:
        yield f"In addition, all fields of {_link(Body)}."
    elif without is QueueSettings:
        yield f"In addition, all fields of {_link(Queue)} that policies support, and `dead_letter`."
    if without is not None:
        yield ""
    left_out = without.model_fields if without else {}
    fields = {name: field for name, field in model.model_fields.items() if name not in left_out}
    fields = dict(sorted(fields.items(), key=lambda item: not item[1].is_required()))
    if model is Queue:  # its own fields first, since the others depend on `type`
        fields = dict(sorted(fields.items(), key=lambda item: item[0] in QueueSettings.model_fields))
    yield from _fields(model, fields)
    if model.__name__ in EXAMPLES:
        yield from ("```yaml", EXAMPLES[model.__name__].strip(), "```", "")
    if support_of(model):
        yield from _support(model, fields)
    if model is Exchange:
        yield from _exchange_types()
    if model is Shovel:
        yield from _protocols()


def _fields(model: Model, fields: dict[str, FieldInfo]) -> Iterator[str]:
    hints = get_type_hints(model, include_extras=True)
    yield from ("| field | type | default | meaning |", "|---|---|---|---|")
    for name, field in fields.items():
        kind = _kind(hints[name]) + _range(field)
        yield f"| `{name}` | {kind} | {_default(field)} | {_cell(field.description or '')} |"
    yield ""


def _kind(hint: Any) -> str:
    """A type in words."""
    for known, word in _WORDS:
        if hint == known:
            return word
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        listed = arguments[0] if get_origin(arguments[0]) is tuple else None
        if listed is not None:
            item = _kind(get_args(listed)[0])
            return f"{item} or list of {_plural(item)}"
        return _kind(arguments[0])
    if origin in (Union, builtin.UnionType):
        return " or ".join(_kind(item) for item in arguments if item is not type(None))
    if origin is Literal:
        return " or ".join(f"`{item}`" for item in arguments)
    if origin is tuple:
        return f"list of {_plural(_kind(arguments[0]))}"
    if origin is dict:
        return f"map of {_plural(_kind(arguments[0]))} to {_kind(arguments[1])}"
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return _link(hint)
    raise TypeError(f"docs/file_reference.py has no words for {hint}")


def _plural(word: str) -> str:
    return word if word.startswith(("[", "`")) else f"{word}s"


def _link(model: Model) -> str:
    title = next(title for title, section, _ in SECTIONS if section is model)
    return f"[{model.__name__}](#{anchor(title)})"


def _range(field: FieldInfo) -> str:
    low = next((item.ge for item in field.metadata if isinstance(item, Ge)), None)
    above = next((item.gt for item in field.metadata if isinstance(item, Gt)), None)
    high = next(
        (item.le for item in field.metadata if isinstance(item, Le) and item.le != types.MAX_MILLISECONDS),
        None,
    )
    if low is not None and high is not None:
        return f", {low} to {high}"
    if low is not None:
        return f", from {low}"
    return f", above {above}" if above is not None else f", at most {high}" if high is not None else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = (
        field.get_default(call_default_factory=True) if field.default_factory is not None else field.default
    )
    if value is None or value is PydanticUndefined or value in ((), {}) or isinstance(value, BaseModel):
        return _NEVER
    if value == "":
        return "empty"
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"


def _support(model: Model, fields: dict[str, FieldInfo]) -> Iterator[str]:
    """Which queue types and versions support which argument."""
    known = {name: item for name, item in support_of(model).items() if name in fields}
    policies_only = model is PolicyDefinition
    columns = ("policy",) if policies_only else ("classic", "quorum", "stream", "policy")
    name = "policy key" if policies_only else "argument"
    yield from (f"| field | {name} | {' | '.join(columns)} |", "|---" * (len(columns) + 2) + "|")
    for field, item in known.items():
        argument = ("" if policies_only else "x-") + (item.key or field.replace("_", "-"))
        specs = (getattr(item, column) for column in columns)
        cells = (
            _NEVER if spec is None else "yes" if spec == ".." else describe_versions(spec) for spec in specs
        )
        yield f"| `{field}` | `{argument}` | {' | '.join(cells)} |"
    yield ""


def _protocols() -> Iterator[str]:
    """Which field of a shovel can be used with which protocol, and since which version."""
    protocols = ("amqp091", "amqp10", "local")
    names = " | ".join(f"`{protocol}`" for protocol in protocols)
    yield from (f"| field | {names} |", "|---" * (len(protocols) + 1) + "|")
    for field, item in link_support_of(Shovel).items():
        specs = (item.on(protocol) for protocol in protocols)
        cells = (
            _NEVER if spec is None else "yes" if spec == ".." else describe_versions(spec) for spec in specs
        )
        yield f"| `{field}` | {' | '.join(cells)} |"
    yield ""


def _exchange_types() -> Iterator[str]:
    yield from ("| exchange type | RabbitMQ | plugin | specific fields |", "|---|---|---|---|")
    yield "| `direct`, `topic`, `fanout`, `headers` | everywhere | – | – |"
    for name, (versions, plugin) in EXTRA_TYPES.items():
        own = ", ".join(f"`{field}`" for field, kind in FIELDS_OF_TYPE.items() if kind == name)
        yield f"| `{name}` | {describe_versions(versions)} | {f'`{plugin}`' if plugin else _NEVER} | {own or _NEVER} |"
    yield ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
