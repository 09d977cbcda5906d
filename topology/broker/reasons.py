"""Makes a broker's error texts, from HTTP and AMQP, readable: without codes, HTML and Erlang terms."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

from ..base.known_secrets import NO_SECRETS, KnownSecrets
from ..base.redaction import mask_urls
from ..base.requirements import missing_component, missing_type
from ..errors import AccessRefused, BrokerError, NotFound, Rejected


def tidy_reason(text: str) -> str:
    """An error text on one line, without a reply code such as `PRECONDITION_FAILED - `."""
    text = mask_urls(re.sub(r"\s+", " ", html.unescape(text)).strip().removeprefix("Validation failed "))
    text = re.sub(
        r"^(?:[A-Z]+(?:_[A-Z]+)* - |(?:precondition_failed|command_invalid|not_allowed): )", "", text
    )
    return re.sub(r'<<("[^"]*")>>', r"\1", text).rstrip(".")


def plain_reason(document: Mapping[str, Any], secrets: KnownSecrets = NO_SECRETS) -> str:
    """The reason in an error response of the management API.

    Parameters:
      document: The response.
      secrets: What the reason must not contain: RabbitMQ quotes what it refuses.
    """
    text = html.unescape(_as_text(document.get("reason", document["error"])))
    if "not a valid URI" in text:  # followed by pieces of the URI, as Erlang terms
        return "a URI is not valid"
    return tidy_reason(secrets.hide(re.sub(r"(?<=\d,)\s+(?=\d)", "", text)))


def _as_text(reason: Any) -> str:
    """Text of an Erlang term; a list of numbers is a string."""
    if isinstance(reason, list):
        if reason and all(isinstance(item, int) and 9 <= item < 0x110000 for item in reason):
            return "".join(map(chr, reason))
        return ": ".join(map(_as_text, reason))
    return str(reason)


def wrong_password(user: str, server: object) -> AccessRefused:
    """The error for a failed login at a server."""
    return AccessRefused(
        f"authentication of user `{user}` failed at {server}: wrong user name or password",
        "check the credentials in the URL; `guest` may log in from localhost only",
    )


#: What to do about an error that is not the user's.
RETRY = "run the command again; if it fails again, ask the operator of the broker"


def rejected(reason: str, what: str) -> BrokerError:
    """The error for a rejected object; `NotFound` if something that it needs is missing.

    Parameters:
      reason: Result of `tidy_reason` or `plain_reason`.
      what: The operation, such as `create queue ...`.
    """
    if found := re.fullmatch(r"component (\S+) not found", reason):
        message, hint = missing_component(found[1]) or (reason, "enable the plugin that defines it")
        return NotFound(f"cannot {what}: {message}", hint)
    if found := re.fullmatch(r"unknown exchange type '(.+)'", reason):
        message, hint = missing_type(found[1])
        return NotFound(f"cannot {what}: {message}", hint)
    if reason == "vhost_or_user_not_found":
        return NotFound(f"cannot {what}: the vhost or the user does not exist", "create it first")
    return Rejected(f"cannot {what}", reason, _hint(reason))


#: What to do, by a part of the broker's reason.
_HINTS = {
    "inequivalent arg 'x-delivery-limit'": "RabbitMQ cannot change this argument of a queue that exists: set the limit "
    "by a policy in the file, and apply over the management API, which then leaves the argument as it is",
    "inequivalent arg": "change the file to match the broker, or delete the object manually if it is not needed",
    "limit in vhost": "raise the limit of the vhost, or delete what is not needed",
    "limit is reached": "raise the limit, or delete what is not needed",
    "timeout": "check with `rabbitmqctl cluster_status` that most nodes of the cluster are running",
    "timed out": "check with `rabbitmqctl cluster_status` that most nodes of the cluster are running",
    "down or inaccessible": "start the node that the queue is on",
    "stopped by supervisor": "start the node that the queue is on",
    "exclusive access": "the queue belongs to a connection that is open: close it, or choose another name",
}


def _hint(reason: str) -> str | None:
    return next((hint for words, hint in _HINTS.items() if words in reason), None)


def is_unavailable(reason: str) -> bool:
    """Whether an object exists, but cannot be reached: its node is down, or most of its replicas are."""
    return "timeout" in reason or is_down(reason)


def is_down(reason: str) -> bool:
    """Whether a queue exists, but the node that hosts it is down; from RabbitMQ 4, its process is."""
    return "down or inaccessible" in reason or "stopped by supervisor" in reason
