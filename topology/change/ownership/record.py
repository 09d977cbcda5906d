"""The record of what a stack created: a global parameter of names, which no export or import of RabbitMQ loses."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, NamedTuple

from ...base.resources import Key, Kind, Resource, own_name

FORMAT_VERSION = 1

_PREFIX = f"{own_name('stack')}."

#: RabbitMQ names global parameters by atoms of up to 255 characters, and exchanges by up to 255 bytes.
_LONGEST = 240

_KINDS = {str(kind): kind for kind in Kind}


class Stack(NamedTuple):
    """The identity of a stack: one file in two vhosts is two stacks, which do not know each other's objects.

    Parameters:
      name: The file's `name`.
      vhost: The vhost of the file's top level.
    """

    name: str
    vhost: str

    @property
    def parameter(self) -> str:
        """The name of the global parameter that has the record."""
        name = f"{_PREFIX}{self.name}@{self.vhost}"
        if len(name.encode()) <= _LONGEST:
            return name
        return f"{_PREFIX}{self.name}@{sha256(self.vhost.encode()).hexdigest()[:32]}"

    def title(self, vhost: str) -> str:
        """The name, with its vhost if that is another than the given one."""
        return self.name if self.vhost == vhost else f"{self.name}@{self.vhost}"


@dataclass(frozen=True, slots=True)
class Record:
    """What a stack created, and what else its file names.

    Parameters:
      stack: The stack.
      serial: Grows with every record of the stack.
      created: The objects that the stack created and that existed after its last apply, each with its fingerprint.
      creating: The objects that an apply is about to create; those of an apply that did not finish.
      uses: Other objects that the stack's file declares, which existed before.
      protected: The objects that its file protects, or did when they left it.
    """

    stack: Stack
    serial: int = 0
    created: Mapping[Key, str] = field(default_factory=dict)
    creating: Mapping[Key, str] = field(default_factory=dict)
    uses: frozenset[Key] = frozenset()
    protected: frozenset[Key] = frozenset()

    @property
    def vhosts(self) -> set[str]:
        """The vhosts in which it has objects."""
        keys = [*self.created, *self.creating]
        own = {key.name[0] for key in keys if key.kind is Kind.VHOST}
        return own | {key.vhost for key in keys if key.vhost}

    @property
    def is_empty(self) -> bool:
        """Whether it names nothing that the stack has or protects."""
        return not (self.created or self.creating or self.protected)

    def same_as(self, other: Record) -> bool:
        """Whether two records differ in nothing but their serial number."""
        return replace(self, serial=other.serial) == other

    def as_resource(self) -> Resource:
        """The global parameter."""
        value: dict[str, Any] = {
            "version": FORMAT_VERSION,
            "stack": self.stack.name,
            "vhost": self.stack.vhost,
            "serial": self.serial,
        }
        for section, marks in (("created", self.created), ("creating", self.creating)):
            if marks:
                value[section] = _grouped(marks)
        for section, keys in (("uses", self.uses), ("protected", self.protected)):
            if keys:
                value[section] = _listed(keys)
        return Resource(parameter_key(self.stack), {"value": value})


class UnreadableRecord(NamedTuple):
    """A record that this version of routectl cannot read.

    Parameters:
      reason: Why.
      hint: What to do about it.
    """

    reason: str
    hint: str


def parameter_key(stack: Stack) -> Key:
    """The identity of the global parameter that has a stack's record."""
    return Key(Kind.GLOBAL_PARAMETER, "", (stack.parameter,))


def as_recorded(key: Key) -> Key:
    """An object as records name it: instead of the arguments of a binding, which may be secret, a hash of them."""
    if key.kind is not Kind.BINDING or key.name[4] == "{}":
        return key
    digest = sha256(key.name[4].encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return key._replace(name=(*key.name[:4], f"sha256:{digest}"))


def is_record(key: Key) -> bool:
    """Whether an object is the global parameter with a stack's record."""
    return key.kind is Kind.GLOBAL_PARAMETER and key.name[0].startswith(_PREFIX)


def read_record(parameter: Resource) -> Record | UnreadableRecord:
    """The record in a global parameter."""
    name, value = parameter.key.name[0], parameter.properties["value"]
    start_over = f"to start a new record, delete it: `rabbitmqctl clear_global_parameter '{name}'`"
    if not isinstance(value, Mapping):
        return UnreadableRecord("it is damaged", start_over)
    version = value.get("version")
    if type(version) is int and version > FORMAT_VERSION:
        return UnreadableRecord(
            f"it has format {version}, which a newer routectl wrote", "use that version of routectl"
        )
    try:
        record = _read(value)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return UnreadableRecord("it is damaged", start_over)
    if record.stack.parameter != name:
        return UnreadableRecord(f"it is of stack `{record.stack.name}`", start_over)
    return record


def _read(value: Mapping[str, Any]) -> Record:
    if type(value["version"]) is not int or value["version"] != FORMAT_VERSION:
        raise ValueError("not a version")
    stack, serial = Stack(_text(value["stack"]), _text(value["vhost"])), value["serial"]
    if type(serial) is not int or serial < 1:
        raise ValueError("not a serial number")
    created, creating = (
        {
            key: _text(mark)
            for vhost, kind, marks in _by_kind(value.get(section))
            for mark, names in _items(marks)
            for key in _keys(kind, vhost, names)
        }
        for section in ("created", "creating")
    )
    uses, protected = (
        frozenset(
            key for vhost, kind, names in _by_kind(value.get(section)) for key in _keys(kind, vhost, names)
        )
        for section in ("uses", "protected")
    )
    return Record(stack, serial, created, creating, uses, protected)


def _by_kind(section: Any) -> Iterator[tuple[str, Kind, Any]]:
    for vhost, kinds in _items(section):
        for kind, content in _items(kinds):
            yield vhost, _KINDS[kind], content


def _items(value: Any) -> Iterator[tuple[str, Any]]:
    """The items of a map; RabbitMQ 3.x returns an empty one as a list."""
    return iter(value.items()) if value else iter(())


def _keys(kind: Kind, vhost: str, names: Any) -> Iterator[Key]:
    if not isinstance(names, list):
        raise TypeError("not a list")
    for name in names:
        parts = (name,) if isinstance(name, str) else tuple(map(_text, name))
        yield Key(kind, vhost, parts)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _grouped(marks: Mapping[Key, str]) -> dict[str, dict[str, dict[str, list[Any]]]]:
    """Objects by vhost, kind and fingerprint, of which many objects have the same."""
    found: dict[str, dict[str, dict[str, list[Any]]]] = {}
    for key in sorted(marks):
        by_mark = found.setdefault(key.vhost, {}).setdefault(str(key.kind), {})
        by_mark.setdefault(marks[key], []).append(_name(key))
    return found


def _listed(keys: Collection[Key]) -> dict[str, dict[str, list[Any]]]:
    found: dict[str, dict[str, list[Any]]] = {}
    for key in sorted(keys):
        found.setdefault(key.vhost, {}).setdefault(str(key.kind), []).append(_name(key))
    return found


def _name(key: Key) -> str | list[str]:
    return key.name[0] if len(key.name) == 1 else list(key.name)
