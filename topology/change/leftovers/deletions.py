"""Which objects the command line wants deleted, and what goes with them. No I/O."""

from __future__ import annotations

import re
from collections.abc import Collection

from ...base.finding import did_you_mean
from ...base.known_secrets import KnownSecrets
from ...base.resources import Key, Kind, State, binding_arguments, binding_ends
from ...base.secret import MASK
from ...base.selectors import KIND_WORDS, kind_word, selector, selects, suggestion
from ...errors import AccessRefused, UsageError

#: The tags that reading the kinds needs besides `management`.
_TAGS = {
    Kind.PARAMETER: "policymaker",
    Kind.GLOBAL_PARAMETER: "policymaker",
    Kind.USER: "administrator",
    Kind.PERMISSION: "administrator",
    Kind.TOPIC_PERMISSION: "administrator",
}

#: What the names of several parts look like, and how to write them; a vhost may follow.
_FORMS: dict[str, tuple[re.Pattern[str], str]] = {
    "binding": (re.compile(r'.* -> .+ ".*"( \{.*\})?(@.*)?', re.DOTALL), 'SOURCE -> DESTINATION "KEY"'),
    "user-limit": (re.compile(r".+ .+", re.DOTALL), "USER LIMIT"),
    "topic-permission": (re.compile(r".+ .*", re.DOTALL), "USER EXCHANGE"),
}

_OF_A_USER = frozenset({Kind.USER_LIMIT, Kind.PERMISSION, Kind.TOPIC_PERMISSION})


def resolve(
    texts: Collection[str],
    vhost: str,
    live: Collection[Key],
    declared: Collection[Key] = (),
    unreadable: Collection[Kind] = (),
) -> tuple[list[Key], list[str]]:
    """The objects that the texts name, and a note for each text that names none.

    A missing object is not an error: when a command is run again, it is already deleted. But it is one if another
    object has a similar name, which may be meant.

    Parameters:
      texts: Such as `queue:legacy` or `policy:limits@reports`.
      vhost: The vhost that need not be named.
      live: The objects of the broker.
      declared: The objects of the file.
      unreadable: The kinds whose objects could not be read.

    Raises:
      UsageError: a text names no kind, several objects, a built-in one, or none although there is a similar one.
      AccessRefused: a text names a kind that could not be read.
    """
    known = {*live, *declared}
    keys, missing = [], []
    for text in dict.fromkeys(texts):
        word, name = _parsed(text, unreadable)
        found = sorted(key for key in known if selects(text, key, vhost))
        if len(found) > 1:
            listed = ", ".join(f"`{selector(key)}`" for key in found)
            raise UsageError(f"`--delete {text}` names several objects", f"name one of them: {listed}")
        keys += found
        if not found:
            missing.append((text, _nothing(f"{word.replace('-', ' ')} {name}")))
    others = set(live) - set(declared) - set(keys)
    for text, note in missing:
        if similar := suggestion(text, others, vhost):
            raise UsageError(note, f"{similar} if it is already deleted, leave out `--delete {text}`")
    return keys, [note for _, note in missing]


def already_gone(deletions: Collection[Key], live: Collection[Key]) -> list[str]:
    """Notes about deletions of what does not exist: no error, since a rerun finds it deleted already."""
    return [_nothing(str(key)) for key in deletions if key not in live]


def _nothing(what: str) -> str:
    return f"nothing to delete: {what} does not exist"


def gone_with(deletions: Collection[Key], live: State) -> set[Key]:
    """The objects that deletions take away: these, and what RabbitMQ removes with them."""
    if not deletions:
        return set()
    gone = set(deletions)
    vhosts = {key.name[0] for key in gone if key.kind is Kind.VHOST}
    users = {key.name[0] for key in gone if key.kind is Kind.USER}
    for key in live:
        if (
            key.vhost in vhosts
            or (key.kind in _OF_A_USER and key.name[0] in users)
            or (key.kind is Kind.BINDING and not gone.isdisjoint(binding_ends(key)))
        ):
            gone.add(key)
    return gone


def unnamed_headers(desired: State, live: State) -> set[str]:
    """The headers and arguments of the bindings that the file does not name, whose values it does not know either."""
    return {
        name
        for key in live
        if key.kind is Kind.BINDING and key.name[4] != "{}" and key not in desired
        for name in binding_arguments(key)
    } - {"x-match"}


def resolve_masked(
    keys: Collection[Key],
    texts: Collection[str],
    vhost: str,
    live: Collection[Key],
    declared: Collection[Key],
    unreadable: Collection[Kind],
    secrets: KnownSecrets,
) -> tuple[tuple[Key, ...], list[str]]:
    """Like `resolve`, for texts and keys in which values may be masked, as in a plan.

    Parameters:
      keys: The objects to delete as keys, from a saved plan.
      texts: More of them as text, such as `binding:jobs -> high "" {"token": "***"}`.
      vhost: As for `resolve`, like the next three.
      secrets: What a plan does not show.

    Raises:
      UsageError, AccessRefused: As for `resolve`; also if a mask stands for the values of several bindings.
    """
    masked = [key for key in keys if MASK in key.name[-1]]
    texts = [*texts, *(selector(key, vhost) for key in masked)]
    full = [_unmasked(text, vhost, live, secrets) if MASK in text else text for text in texts]
    named, notes = resolve(full, vhost, live, declared, unreadable)
    found = tuple(dict.fromkeys([*(key for key in keys if key not in masked), *named]))
    return found, notes + already_gone(found, live)


def _unmasked(text: str, vhost: str, live: Collection[Key], secrets: KnownSecrets) -> str:
    found = {selector(key) for key in live if secrets.hide(selector(key, vhost)) == text}
    if len(found) > 1:
        hint = f"write their values instead of `{MASK}`"
        raise UsageError(f"`--delete {text}` names {len(found)} objects that differ in secrets", hint)
    return found.pop() if found else text


def _parsed(text: str, unreadable: Collection[Kind]) -> tuple[str, str]:
    """The word for the kind, and the name; or raises an error, as `resolve` does."""
    word, separator, name = text.partition(":")
    if not separator or not name or word not in KIND_WORDS:
        raise _unknown(text, word)
    form, example = _FORMS.get(word, (None, ""))
    if form is not None and not form.fullmatch(name):
        raise UsageError(
            f"`--delete {text}` does not name a {word.replace('-', ' ')}",
            f"write `{word}:{example}`, as `routectl plan --verbose` lists it",
        )
    hidden = next((kind for kind in unreadable if word in _words(kind)), None)
    if hidden is not None:
        raise AccessRefused(f"`--delete {text}`: this user may not read {_plural(hidden)}", _tag_hint(hidden))
    if word == Kind.EXCHANGE and name.startswith("amq."):
        raise UsageError(f"exchange {name} cannot be deleted: it is built into RabbitMQ")
    return word, name


def in_use(user: str, vhosts: Collection[str]) -> frozenset[Key]:
    """What a plan itself depends on: the user who is logged in, and the vhosts with the user's permissions there."""
    return frozenset(
        {
            Key(Kind.USER, "", (user,)),
            *(Key(Kind.VHOST, "", (vhost,)) for vhost in vhosts),
            *(Key(Kind.PERMISSION, vhost, (user,)) for vhost in vhosts),
        }
    )


def unreadable_notes(kinds: Collection[Kind]) -> list[str]:
    """A note on the kinds that could not be read, by the tag that is missing."""
    by_tag: dict[str, list[str]] = {}
    for kind in sorted(kinds):
        by_tag.setdefault(_TAGS.get(kind, ""), []).append(_plural(kind))
    listed = [
        ", ".join(names) + (f" (needs the tag `{tag}`)" if tag else "") for tag, names in by_tag.items()
    ]
    return [f"not shown, because this user may not read them: {'; '.join(listed)}"] if listed else []


def _unknown(text: str, word: str) -> UsageError:
    known = ", ".join(f"{kind}:NAME" for kind in KIND_WORDS)
    similar = did_you_mean(word, KIND_WORDS)
    return UsageError(
        f"`--delete {text}` does not name a deletable object", f"{similar or ''} use one of {known}".strip()
    )


def _words(kind: Kind) -> tuple[str, ...]:
    """The words for a kind on the command line."""
    if kind is Kind.PARAMETER:
        return tuple(word for word in KIND_WORDS if word in ("shovel", "upstream", "upstream-set"))
    return (kind_word(Key(kind, "", ("",))),)


def _plural(kind: Kind) -> str:
    if kind is Kind.PARAMETER:
        return "shovels and federation upstreams"
    return f"{str(kind).removesuffix('y')}ies" if kind.endswith("cy") else f"{kind}s"


def _tag_hint(kind: Kind) -> str | None:
    tag = _TAGS.get(kind)
    return f"use a user with the tag `{tag}`" if tag else None
