"""What is known to fail before anything is written: missing tags, permissions and plugins, and old versions. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from ...base.listing import listed
from ...base.requirements import set_tags
from ...base.resources import Key, Kind, Resource, binding_ends, exchange_key
from ...errors import AccessRefused
from .change import Change
from .plugins import missing_plugins
from .problem import Problem

#: A user's patterns by `configure`, `write` and `read` in each vhost.
Permissions = Mapping[str, Mapping[str, str]]

_ADMINISTRATOR, _POLICYMAKER = "administrator", "policymaker"

#: The tag that changing each kind needs, besides one that admits to the management API.
_WRITING: dict[Kind, str] = {
    Kind.VHOST: _ADMINISTRATOR,
    Kind.VHOST_LIMIT: _ADMINISTRATOR,
    Kind.USER: _ADMINISTRATOR,
    Kind.USER_LIMIT: _ADMINISTRATOR,
    Kind.PERMISSION: _ADMINISTRATOR,
    Kind.TOPIC_PERMISSION: _ADMINISTRATOR,
    Kind.OPERATOR_POLICY: _ADMINISTRATOR,
    Kind.POLICY: _POLICYMAKER,
    Kind.PARAMETER: _POLICYMAKER,
    Kind.GLOBAL_PARAMETER: _POLICYMAKER,
}

#: The regular expressions of each kind, whose length RabbitMQ limits since 4.2.8 and 4.3.2.
_PATTERNS: dict[Kind, tuple[str, ...]] = {
    Kind.POLICY: ("pattern",),
    Kind.OPERATOR_POLICY: ("pattern",),
    Kind.PERMISSION: ("configure", "write", "read"),
    Kind.TOPIC_PERMISSION: ("write", "read"),
}
_MOST_BYTES = 1024

#: The kinds that cannot even be read without that tag.
_HIDDEN = frozenset(
    {
        *(Kind.USER, Kind.USER_LIMIT, Kind.PERMISSION, Kind.TOPIC_PERMISSION),
        *(Kind.PARAMETER, Kind.GLOBAL_PARAMETER),
    }
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about the broker and its users.

    Parameters:
      version: Version of the broker, such as `(4, 3, 6)`.
      user: The user of the management API.
      tags: The user's tags.
      plugins: The plugins that run; None if unknown.
      declarer: The user who declares exchanges, queues and bindings.
      permissions: The declarer's patterns by `configure`, `write` and `read` in each vhost; None if unknown.
    """

    version: tuple[int, ...]
    user: str
    tags: frozenset[str]
    plugins: frozenset[str] | None
    declarer: str
    permissions: Permissions | None


def guard_reading(wanted: Iterable[Key], user: str, tags: frozenset[str]) -> None:
    """Raises AccessRefused if the user may not read what the file declares; names all tags that are missing.

    Parameters:
      wanted: What the file declares.
      user: The user of the management API.
      tags: The user's tags.
    """
    missing = _missing_tags([key.kind for key in wanted if key.kind in _HIDDEN], tags)
    if missing:
        needed = _ADMINISTRATOR if _ADMINISTRATOR in missing else _POLICYMAKER
        kinds = ", ".join(_plural(kind) for names in missing.values() for kind in names)
        raise AccessRefused(
            f"user `{user}` lacks the tag `{needed}`, without which these cannot be read: {kinds}",
            set_tags(user, {*tags, needed}),
        )


def foreseen(changes: Sequence[Change], facts: Facts) -> tuple[Problem, ...]:
    """The reasons for which changes are known to fail.

    Parameters:
      changes: The changes of the plan.
      facts: What is known about the broker and its users.
    """
    found = [
        *_tags(changes, facts),
        *missing_plugins(changes, facts.version, facts.plugins),
        *_versions(changes, facts),
        *_long_patterns(changes, facts),
    ]
    if facts.permissions is not None:
        written = [change for change in changes if _needs_permissions(change)]
        found += _refused(written, facts.declarer, _granted(changes, facts.declarer, facts.permissions))
    return tuple(found)


def _missing_tags(kinds: Iterable[Kind], tags: frozenset[str]) -> dict[str, dict[Kind, int]]:
    """How many of each kind need a tag that is missing, by that tag."""
    missing: dict[str, dict[Kind, int]] = {}
    for kind in kinds:
        tag = _WRITING.get(kind)
        if tag is not None and not tags & {tag, _ADMINISTRATOR}:
            counts = missing.setdefault(tag, {})
            counts[kind] = counts.get(kind, 0) + 1
    return missing


def _tags(changes: Sequence[Change], facts: Facts) -> Iterator[Problem]:
    for tag, kinds in _missing_tags([change.key.kind for change in changes], facts.tags).items():
        counts = ", ".join(
            f"{count} {kind if count == 1 else _plural(kind)}" for kind, count in kinds.items()
        )
        message = f"user `{facts.user}` lacks the tag `{tag}`, which these changes need: {counts}"
        yield Problem(message, set_tags(facts.user, {*facts.tags, tag}))


def _versions(changes: Sequence[Change], facts: Facts) -> Iterator[Problem]:
    for change in changes:
        if change.key.kind is not Kind.VHOST or change.action != "update" or facts.version >= (3, 11, 17):
            continue
        if any(name == "default_queue_type" for name, _, _ in change.differences()):
            yield Problem(
                f"RabbitMQ {'.'.join(map(str, facts.version))} cannot change the default queue type of {change.key}",
                "remove `default_queue_type` from the file, or upgrade to RabbitMQ 3.11.17 or later",
                change.key,
            )


def _long_patterns(changes: Sequence[Change], facts: Facts) -> Iterator[Problem]:
    if facts.version < (4, 2, 8) or (4, 3) <= facts.version < (4, 3, 2):
        return
    for change in changes:
        after = change.after or {}
        texts = [after.get(name) for name in _PATTERNS.get(change.key.kind, ())]
        texts.append(after.get("definition", {}).get("federation-upstream-pattern"))
        if any(isinstance(text, str) and len(text.encode()) > _MOST_BYTES for text in texts):
            yield Problem(
                f"{change.key} has a regular expression of more than {_MOST_BYTES} bytes, which RabbitMQ "
                f"{'.'.join(map(str, facts.version))} refuses",
                "shorten it, or split it into several",
                change.key,
            )


def _needs_permissions(change: Change) -> bool:
    if change.action == "delete":
        return change.key.kind is Kind.BINDING
    return change.action in ("create", "verify") and change.key.kind in _NEEDS


def _granted(changes: Sequence[Change], user: str, permissions: Permissions) -> Permissions:
    """The permissions once the plan's own changes of them are applied."""
    granted = dict(permissions)
    for change in changes:
        if change.key.kind is Kind.VHOST and change.action == "create":
            granted.setdefault(change.key.name[0], dict.fromkeys(("configure", "write", "read"), ".*"))
    for change in changes:
        if change.key.kind is Kind.PERMISSION and change.key.name == (user,) and change.after is not None:
            granted[change.key.vhost] = {name: str(value) for name, value in change.after.items()}
    return granted


def _refused(changes: Sequence[Change], user: str, permissions: Permissions) -> Iterator[Problem]:
    """Permissions that are missing for declaring exchanges, queues and bindings, and for deleting bindings."""
    refused: dict[tuple[str, str], dict[str, None]] = {}
    barred: dict[str, None] = {}
    for change in changes:
        vhost = change.key.vhost
        if vhost not in permissions:
            barred[vhost] = None
            continue
        for permission, key in _NEEDS[change.key.kind](Resource(change.key, change.after or {})):
            name = key.name[0] or "amq.default"
            if not _matches(permissions[vhost][permission], name):
                refused.setdefault((vhost, permission), {})[f"{key.kind} {name}"] = None
    for vhost in barred:
        yield Problem(
            f"user `{user}` has no permissions in vhost `{vhost}`",
            f"grant them with `rabbitmqctl set_permissions -p {vhost} {user} '.*' '.*' '.*'`",
        )
    for (vhost, permission), keys in refused.items():
        pattern = permissions[vhost][permission]
        yield Problem(
            f"user `{user}` lacks the permission `{permission}` in vhost `{vhost}` for {listed(keys)}",
            f"extend the pattern of the permission, which is `{pattern}`, with `rabbitmqctl set_permissions`",
        )


def _plural(kind: Kind) -> str:
    return f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"


def _for_declaration(declared: Resource, argument: str) -> Iterator[tuple[str, Key]]:
    """What declaring an exchange or a queue needs, if the argument names an exchange that it forwards to."""
    yield "configure", declared.key
    target = declared.properties["arguments"].get(argument)
    if isinstance(target, str):
        yield "read", declared.key
        yield "write", exchange_key(declared.key.vhost, target)


def _for_binding(binding: Resource) -> Iterator[tuple[str, Key]]:
    source, destination = binding_ends(binding.key)
    yield "write", destination
    yield "read", source


_NEEDS: dict[Kind, Callable[[Resource], Iterator[tuple[str, Key]]]] = {
    Kind.EXCHANGE: partial(_for_declaration, argument="alternate-exchange"),
    Kind.QUEUE: partial(_for_declaration, argument="x-dead-letter-exchange"),
    Kind.BINDING: _for_binding,
}


def _matches(pattern: str, name: str) -> bool:
    """Whether a permission covers a name; true if Python cannot read RabbitMQ's expression."""
    try:
        return re.search(pattern or "^$", name) is not None
    except re.error:
        return True
