"""Which texts of a file are secret, and which are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..base.known_secrets import KnownSecrets, is_part_of
from ..base.scalar import FromVariable, Interpolated
from ..base.secret import Secret
from ..model import Topology
from ..model.links import Shovel, Upstream, UpstreamOfSet
from ..model.queue import Binding
from ..model.routing import Condition
from ..model.types import Model
from .reader.source import Source

#: What is in every output, and no secret by itself: short numbers, and words of routectl and RabbitMQ.
_COMMON = re.compile(
    r"[-+.\d]{1,5}|true|false|null|none|create|update|replace|delete|verify|safe|disruptive|destructive|error|warning"
    r"|vhost|users?|polic(y|ies)|exchanges?|queues?|bindings?|parameters?|shovels?|tasks?|messages?|consumers?|routes?",
    re.IGNORECASE,
)


@dataclass
class Texts:
    """The texts of a file.

    Parameters:
      public: What is shown: names, whatever they are made of, and all other texts that are written in the file.
      secret: Passwords and URIs.
      values: Texts and numbers of free form from a variable.
      headers: The headers and arguments of bindings that have such a value.
    """

    public: set[str] = field(default_factory=set)
    secret: set[str] = field(default_factory=set)
    values: set[str] = field(default_factory=set)
    headers: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, content: Topology | Any) -> Texts:
        """All texts of a file.

        Parameters:
          content: Its model; of an invalid file, its data, in which every value from a variable counts as secret.
        """
        found = cls()
        found._add(content)
        return found

    def _add(self, value: Any) -> None:
        match value:
            case Condition():
                self.values.update(value.operands_from_variables())
            case Binding():
                self.headers.update(
                    name
                    for values in (value.headers, value.arguments)
                    for name, item in values.items()
                    if _from_variable(item)
                )
                self._add(value.__dict__)
            case Shovel() | Upstream() | UpstreamOfSet():
                self._add(value.value())
            case Model():
                self._add(value.__dict__)
            case Mapping():
                self.public.update(map(str, value))
                for item in value.values():
                    if item is not None:  # most of the fields of most models
                        self._add(item)
            case list() | tuple():
                for item in value:
                    self._add(item)
            case Secret():
                self.secret.add(str(value.reveal()))
            case FromVariable() | Interpolated():
                self.values.add(str(value))
            case str() | int() | float():
                self.public.add(str(value))


def _from_variable(value: Any) -> bool:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        return any(map(_from_variable, value))
    return isinstance(value, FromVariable)


def known_secrets(source: Source, texts: Texts, headers: Iterable[str] = ()) -> KnownSecrets:
    """The secrets of a file, with the values of the variables that are part of them.

    Parameters:
      source: The file.
      texts: Its texts.
      headers: More names of binding headers whose values are secret, unless the file writes them as they are.
    """
    shown = "\n".join(texts.public)
    parts = texts.values | source.variables_of(texts.values)
    values = {text for text in parts if not (_COMMON.fullmatch(text) or is_part_of(text, shown))}
    secret = texts.secret | source.secret_variables() | values
    return KnownSecrets(secret, public=texts.public, fields={*texts.headers, *headers})
