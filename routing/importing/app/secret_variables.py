"""Replaces secrets among an app's headers, options and arguments by variables of the file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ....topology.base.redaction import is_secret_text
from ..configuration import Variable

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9]+")


class SecretVariables:
    """The variables for the secrets that were found so far; equal secrets of one key share a variable."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the variables, in order of occurrence."""
        return tuple(self._names.values())

    def replaced(self, value: Any, key: str = "") -> Any:
        """Data with a variable in place of each text that looks like a secret, by its key or as a URL.

        Parameters:
          value: The data.
          key: The key of the value; list items have the key of their list.
        """
        if isinstance(value, Mapping):
            return {name: self.replaced(item, str(name)) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.replaced(item, key) for item in value]
        text = value.decode("latin-1") if isinstance(value, bytes) else value
        if not isinstance(text, str) or not is_secret_text(text, key):
            return value
        return Variable(f"${{{self._name(key, text)}}}")

    def _name(self, key: str, secret: str) -> str:
        """The variable for a secret, named after its key."""
        if (key, secret) not in self._names:
            base = _NOT_IN_A_NAME.sub("_", key).strip("_").upper() or "SECRET"
            base = base if base[0].isalpha() else f"SECRET_{base}"
            name, number = base, 1
            while name in self.names:
                number += 1
                name = f"{base}_{number}"
            self._names[key, secret] = name
        return self._names[key, secret]
