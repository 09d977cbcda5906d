"""Removes secret values that are known, in whatever notation, from texts that others wrote.

routectl's own texts never contain a `Secret`, because it prints as stars. A broker's can: it quotes what it refuses,
and returns arguments, URIs and headers as they were sent.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote

from .secret import MASK, Secret

#: Characters that a secret must have to be removed from the whole output of a command. A shorter one would also remove
#: parts of ordinary words and numbers, and could be guessed anyway. In a broker's reply, every length counts.
MIN_LENGTH = 4

#: Up to this length, only whole words are removed: the password `app` does not make `application` unreadable.
_WHOLE_WORDS = 7

_URI_PASSWORD = re.compile(r"://[^:@/?#]*:(?P<password>.*)@|[?&]password=(?P<option>[^&#]+)", re.DOTALL)
_JSON_SCALAR = r"""(?:"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*)"""
_SEPARATORS = re.compile(r"[/?#@:%]+")


class KnownSecrets:
    """Secret values, and their removal from any text.

    Parameters:
      values: The values; a URI also stands for the password in it.
      public: Texts that are printed anyway, such as names: a password that equals a name does not remove the name.
      fields: The names of fields whose values are removed from JSON in texts, whatever they are, unless public.
      min_length: Shorter values are not removed.
    """

    def __init__(
        self,
        values: Iterable[str],
        *,
        public: Iterable[str] = (),
        fields: Iterable[str] = (),
        min_length: int = MIN_LENGTH,
    ) -> None:
        self._public = frozenset(public)
        found = {part for value in values for part in _parts(value)} - self._public
        notations = {text for part in found if len(part) >= min_length for text in _notations(part)}
        self._texts = sorted(filter(None, notations), key=len, reverse=True)
        names = "|".join(re.escape(json.dumps(name, ensure_ascii=False)) for name in sorted(fields))
        self._fields = re.compile(rf"(?P<name>{names}): (?P<value>{_JSON_SCALAR})") if names else None

    def __repr__(self) -> str:
        return f"KnownSecrets({MASK})"

    def hide(self, text: str) -> str:
        """The text with a mask in place of every secret."""
        if self._fields is not None:
            text = self._fields.sub(self._field, text)
        present = [secret for secret in self._texts if secret in text]
        if not present:
            return text
        return re.sub("|".join(map(_pattern, present)), MASK, text)

    def _field(self, found: re.Match[str]) -> str:
        """A field in JSON, with a mask in place of a value that is not public."""
        try:
            public = str(json.loads(found["value"])) in self._public
        except ValueError:  # it only looks like JSON
            public = False
        return found[0] if public else f'{found["name"]}: "{MASK}"'

    def hide_all(self, value: Any) -> Any:
        """Plain data with a mask in place of every secret in its texts and keys."""
        if not self._texts and self._fields is None:
            return value
        if isinstance(value, str):
            return self.hide(value)
        if isinstance(value, Mapping):
            return {self.hide(str(key)): self.hide_all(item) for key, item in value.items()}
        return list(map(self.hide_all, value)) if isinstance(value, list | tuple) else value


NO_SECRETS = KnownSecrets(())


def is_part_of(word: str, text: str) -> bool:
    """Whether a secret would be removed from a text."""
    return word in text and re.search(_pattern(word), text) is not None


def secrets_in(value: Any) -> list[str]:
    """The values of all secrets in plain data."""
    if isinstance(value, Secret):
        return [str(value.reveal())]
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return []
    return [secret for item in value for secret in secrets_in(item)]


def _parts(value: str) -> set[str]:
    """A secret and, if it is a URI, the password in it, whole and in the pieces that a broken URI is split into."""
    parts = {value}
    for found in _URI_PASSWORD.finditer(value):
        password = found["password"] or found["option"]
        parts |= {password, unquote(password)}
        parts.update(piece for piece in _SEPARATORS.split(password) if len(piece) >= MIN_LENGTH)
    return parts


def _notations(secret: str) -> set[str]:
    """How JSON, URLs, HTML, Python, Erlang and logs write a text."""
    encoded = secret.encode(errors="surrogatepass")
    escaped = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    return {
        secret,
        *escaped,
        secret.replace("\\", "\\\\").replace('"', '\\"'),
        secret.strip(),
        re.sub(r"\s+", " ", secret),
        secret.encode("unicode_escape", errors="replace").decode(),
        quote(secret, safe="", errors="surrogatepass"),
        quote(secret, errors="surrogatepass"),
        quote_plus(secret, errors="surrogatepass"),
        unquote(secret),
        html.escape(secret),
        html.escape(secret, quote=False),
        base64.b64encode(encoded).decode(),
        encoded.decode("latin-1"),
        *(",".join(map(str, codes)) for codes in (encoded, map(ord, secret)) if len(secret) > 1),
    }


def _pattern(secret: str) -> str:
    escaped = re.escape(secret)
    return escaped if len(secret) > _WHOLE_WORDS else rf"(?<!\w){escaped}(?!\w)"
