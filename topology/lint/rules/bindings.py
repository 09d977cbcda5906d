"""Bindings with keys, headers or arguments that their exchange takes literally, or does not evaluate."""

from __future__ import annotations

import re

from ...base.finding import ValuePath
from ...delivery.network import words
from ...model import Binding
from ...model.exchange import KNOWN_TYPES
from ..context import Reporter

#: An exchange of any other type may evaluate headers.
_IGNORING_HEADERS = frozenset(KNOWN_TYPES) - {"headers", "x-delayed-message"}
#: Exchange types that evaluate the key alone, or nothing.
_BY_KEY = frozenset({"direct", "topic", "fanout"})
_MODES = ("all", "any", "all-with-x", "any-with-x")
_REGEX = re.compile(r"[()|\[\]\\^]|\$\Z")


def check_binding(path: ValuePath, binding: Binding, kind: str, exchange: str, report: Reporter) -> None:
    """Checks one binding.

    Parameters:
      path: Its path.
      binding: The binding.
      kind: The type by which its exchange routes.
      exchange: The exchange's name as it may be shown.
      report: Collects the findings.
    """
    if kind == "x-consistent-hash" and not (binding.key.isdecimal() and 1 <= int(binding.key) <= 10_000):
        message = "the key of a binding to an x-consistent-hash exchange is a weight from 1 to 10000"
        report.add((*path, "key"), "bad-binding", message)
    if kind == "x-local-random" and binding.key:
        message = "a binding to an x-local-random exchange has no key"
        report.add((*path, "key"), "bad-binding", message)
    if kind in _IGNORING_HEADERS and (binding.headers or binding.match):
        message = f"`{exchange}` is a {kind} exchange: it ignores headers"
        help_ = "declare it with `type: headers`, or bind with `key:`"
        report.add((*path, "headers"), "bad-binding", message, help_)
    elif kind in _BY_KEY:
        for name in binding.arguments:
            message = f"`{exchange}` is a {kind} exchange: it ignores the binding argument `{name}`"
            help_ = "remove it, or declare the exchange with `type: headers`"
            report.add((*path, "arguments", name), "unknown-argument", message, help_, of_key=True)
    if kind in ("topic", "direct"):
        _literal_wildcard(path, binding, kind, exchange, report)
    if kind == "headers":
        _headers(path, binding, report)


def _literal_wildcard(path: ValuePath, binding: Binding, kind: str, exchange: str, report: Reporter) -> None:
    """Reports keys that look like a glob, a regular expression or an MQTT topic."""
    place = (*path, "key")
    key = report.written(place, binding.key)
    if key != binding.key:
        return
    parts = words(key)
    help_ = "`*` matches exactly one word between dots, `#` any number of words"
    if kind == "direct" and any(part in ("*", "#") for part in parts):
        message = f"`{exchange}` is a direct exchange: it has no wildcards, and compares `{key}` literally"
        report.add(place, "literal-wildcard", message, "declare the exchange with `type: topic`")
    elif kind == "topic" and _REGEX.search(key):
        message = f"a topic exchange has no regular expressions: `{key}` is compared literally"
        report.add(place, "literal-wildcard", message, f"bind each key by itself; {help_}")
    elif kind == "topic" and "+" in parts:
        message = f"`+` in `{key}` is a wildcard in MQTT alone: a topic exchange compares it literally"
        report.add(place, "literal-wildcard", message, help_)
    elif kind == "topic" and (part := next((part for part in parts if _is_glob(part)), None)):
        sign = "*" if "*" in part else "#"
        message = f"`{sign}` in `{part}` is not a word of its own, so it is compared literally"
        report.add(place, "literal-wildcard", message, help_)


def _is_glob(word: str) -> bool:
    return len(word) > 1 and ("*" in word or "#" in word)


def _headers(path: ValuePath, binding: Binding, report: Reporter) -> None:
    """Checks what a headers exchange matches."""
    arguments = binding.binding_arguments()
    mode = arguments.get("x-match", "all")
    written = next((part for part in ("headers", "arguments") if "x-match" in getattr(binding, part)), None)
    if mode not in _MODES and written:
        message = f"`x-match` must be one of {', '.join(_MODES)}: RabbitMQ would refuse the binding"
        report.add((*path, written, "x-match"), "bad-binding", message, "write `match:` beside `headers:`")
    if str(mode).endswith("-with-x"):
        return
    for part in ("headers", "arguments"):
        for name in getattr(binding, part):
            if name.startswith("x-") and name != "x-match":
                message = f"`match: {mode}` ignores the header `{name}`, since it begins with `x-`"
                help_ = f"write `match: {mode}-with-x`"
                report.add((*path, part, name), "unknown-argument", message, help_, of_key=True)
