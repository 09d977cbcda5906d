"""How the command line names an object: `queue:legacy`, `policy:limits@reports`, `binding:tasks -> high "key"`."""

from __future__ import annotations

from collections.abc import Iterable

from .finding import did_you_mean
from .resources import Key, Kind

_COMPONENTS = {"federation-upstream": "upstream", "federation-upstream-set": "upstream-set"}

#: The kinds as they are spelled in front of the colon, such as `operator-policy`; parameters by component.
KIND_WORDS: tuple[str, ...] = (
    *(str(kind).replace(" ", "-") for kind in Kind if kind is not Kind.PARAMETER),
    *_COMPONENTS.values(),
    "shovel",
)


def selector(key: Key, vhost: str = "") -> str:
    """The text that names one object.

    Parameters:
      key: The object.
      vhost: The vhost that need not be named.
    """
    suffix = f"@{key.vhost}" if key.vhost not in ("", vhost) else ""
    return f"{kind_word(key)}:{_names(key)[0]}{suffix}"


def kind_word(key: Key) -> str:
    """The kind as it is spelled in front of the colon."""
    if key.kind is Kind.PARAMETER:
        return _COMPONENTS.get(key.name[0], key.name[0])
    return str(key.kind).replace(" ", "-")


def selects(text: str, key: Key, vhost: str) -> bool:
    """Whether a text names the object, with or without its vhost and the type of a binding's destination."""
    word, _, rest = text.partition(":")
    if word != kind_word(key):
        return False
    names = _names(key)
    return (key.vhost in ("", vhost) and rest in names) or (
        bool(key.vhost) and rest in [f"{name}@{key.vhost}" for name in names]
    )


def suggestion(text: str, keys: Iterable[Key], vhost: str) -> str | None:
    """``did you mean `…`?`` for a text that names nothing: an object of this name elsewhere, or of a similar name."""
    word, _, rest = text.partition(":")
    candidates = sorted(key for key in keys if kind_word(key) == word)
    elsewhere = next((key for key in candidates if rest in _names(key)), None)
    if elsewhere is not None:
        return f"did you mean `{selector(elsewhere, vhost)}`?"
    similar = did_you_mean(rest, [selector(key, vhost).partition(":")[2] for key in candidates])
    return similar.replace("`", f"`{word}:", 1) if similar else None


def _names(key: Key) -> tuple[str, ...]:
    """The accepted names; the first one is shown."""
    match key.kind:
        case Kind.PARAMETER:
            return (key.name[1],)
        case Kind.BINDING:
            source, destination_type, destination, routing_key, arguments = key.name
            rest = f'"{routing_key}"' + ("" if arguments == "{}" else f" {arguments}")
            short = f"{source} -> {destination} {rest}"
            long = f"{source} -> {destination_type} {destination} {rest}"
            return (short, long) if destination_type == "queue" else (long, short)
    return (key.title,)
