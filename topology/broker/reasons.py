"""A broker's own words, from HTTP and AMQP, made fit to be read: no codes, no HTML, no Erlang."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

from ..base.resources import EXTRA_TYPES
from ..errors import BrokerError, NotFound, Rejected


def tidy_reason(text: str) -> str:
    """`PRECONDITION_FAILED - inequivalent arg ...` without the reply code's name, on one line."""
    text = re.sub(r"\s+", " ", html.unescape(text)).strip().removeprefix("Validation failed ")
    text = re.sub(
        r"^(?:[A-Z]+(?:_[A-Z]+)* - |(?:precondition_failed|command_invalid|not_allowed): )", "", text
    )
    return re.sub(r'<<("[^"]*")>>', r"\1", text).rstrip(".")


def plain_reason(document: Mapping[str, Any]) -> str:
    """The reason that the management API gives for an error."""
    return tidy_reason(_words(document.get("reason", document["error"])))


def _words(reason: Any) -> str:
    """Erlang terms as text: a list of numbers is a string."""
    if isinstance(reason, list):
        if reason and all(isinstance(item, int) and 9 <= item < 0x110000 for item in reason):
            return "".join(map(chr, reason))
        return ": ".join(map(_words, reason))
    return str(reason)


_BRING = "enable the plugin that brings it, or choose another type"


def rejected(reason: str, what: str) -> BrokerError:
    """A refusal of one object; `NotFound` if it is for something missing that has a cure of its own.

    Parameters:
      reason: The broker's tidied text.
      what: What was tried: `create queue ...`.
    """
    if found := re.fullmatch(r"component (\S+) not found", reason):
        plugin = "rabbitmq_shovel" if found[1] == "shovel" else "rabbitmq_federation"
        return NotFound(
            f"cannot {what}: the broker lacks the plugin for `{found[1]}`",
            f"enable it with `rabbitmq-plugins enable {plugin}`",
        )
    if found := re.fullmatch(r"unknown exchange type '(.+)'", reason):
        _, needed = EXTRA_TYPES.get(found[1], ("..", None))
        cure = f"enable it with `rabbitmq-plugins enable {needed}`" if needed else _BRING
        return NotFound(f"cannot {what}: the broker does not know the exchange type `{found[1]}`", cure)
    if reason == "vhost_or_user_not_found":
        return NotFound(f"cannot {what}: the vhost or the user does not exist", "create it first")
    return Rejected(f"cannot {what}", reason)
