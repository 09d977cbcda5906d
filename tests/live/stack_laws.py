"""What holds of an apply with --prune: what was announced is what changed, and what is not the stack's is untouched."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from routectl.topology.base.resources import (
    Key,
    Kind,
    binding_arguments,
    binding_ends,
    binding_key,
    is_for_delays,
    queue_key,
)

from .stack_broker import Contents
from .stack_files import Json, Listing

#: What the stack created, with what it had after its last apply.
Own = dict[Key, Json]


@dataclass(frozen=True)
class Transition:
    """An apply, with what the broker had before and after.

    Parameters:
      before: What the broker had.
      after: What it has.
      changes: What the plan announced.
      declared: What the file declares; without properties, what is not compared.
      former: The former names of queues of the file.
      own: What the stack had created, with its properties.
    """

    before: Listing
    after: Listing
    changes: list[Json]
    declared: Listing
    former: Mapping[Key, list[str]]
    own: Own

    def check(self) -> None:
        """Checks all laws of objects."""
        self._what_is_declared_is_there()
        self._nothing_else_is_between_them()
        self._what_left_the_file_is_gone()
        self._what_others_made_is_untouched()
        self._what_was_announced_is_what_changed()

    def owned_after(self) -> Own:
        """What the stack has created now."""
        created = {
            key for action, key in self._actions if action in ("create", "move") and key not in self.before
        }
        kept = self._mine | {self._redirected(key) for key in self._mine if self._is_redirected(key)}
        found = {key for key in kept | created if key in self.after}
        # A binding between the stack's own objects belongs to the file.
        recorded = {
            key
            for key in found
            if not is_internal(key)
            and (key.kind is not Kind.BINDING or key in kept or not found.issuperset(binding_ends(key)))
        }
        return {key: self.after[key] for key in recorded}

    @cached_property
    def _mine(self) -> set[Key]:
        """What the stack created and nobody made anew with other properties."""
        return {key for key, properties in self.own.items() if self.before.get(key) == properties}

    @cached_property
    def _ours(self) -> set[Key]:
        return self._mine | self.declared.keys()

    @cached_property
    def _actions(self) -> list[tuple[str, Key]]:
        return [(change["action"], key_of(change)) for change in self.changes]

    @cached_property
    def _moved(self) -> dict[Key, Key]:
        """The queues that a move took over, with the one that did."""
        found = {}
        for change in self.changes:
            for name in change["moved_from"]:
                key = key_of(change)
                assert name in self.former.get(key, ()) or name.startswith("routectl."), change
                found[queue_key(key.vhost, name)] = key
        return found

    @cached_property
    def _held(self) -> set[Key]:
        """What left the file and stays, since somebody bound it, or since something of others is in the vhost."""
        left = self._mine - self.declared.keys()
        held: set[Key] = set()
        for key in self.before.keys() - self._ours:
            if (
                key.kind is Kind.BINDING
                and not is_internal(key)
                and not self._ours.issuperset(binding_ends(key))
            ):
                held |= left.intersection(binding_ends(key))
        for vhost in left:
            if vhost.kind is Kind.VHOST:
                content = {key for key in self.before if key.vhost == vhost.name[0]}
                kept = {key for key in content if key not in left - held and not is_internal(key)}
                if any(key.kind is not Kind.BINDING for key in kept):
                    held.add(vhost)
        return held

    def _what_is_declared_is_there(self) -> None:
        for key, properties in self.declared.items():
            assert key in self.after, f"{key} is missing"
            assert not properties or self.after[key] == properties, (key, self.after[key], properties)

    def _nothing_else_is_between_them(self) -> None:
        for key in self.after.keys() - self.declared.keys():
            assert not key.name[0].startswith("routectl."), f"{key} is left"
            if (
                key.kind is Kind.BINDING
                and not is_internal(key)
                and self.declared.keys() >= set(binding_ends(key))
            ):
                renamed = binding_ends(key)[1] in self.former
                assert renamed or self._delivers_delayed(key), f"{key} is between objects of the file"

    def _delivers_delayed(self, key: Key) -> bool:
        arrives = binding_key(
            key.vhost, "celery_delayed_delivery", key.name[0], key.name[3], to_exchange=True
        )
        return arrives in self.after

    def _what_left_the_file_is_gone(self) -> None:
        left = self._mine - self.declared.keys() - self._moved.keys()
        for key in left:
            destination = binding_ends(key)[1] if key.kind is Kind.BINDING else None
            if destination in self.former or destination in self._moved:
                continue
            expected = key in self._held
            assert (key in self.after) == expected, f"{key} was {'deleted' if expected else 'kept'}"

    def _what_others_made_is_untouched(self) -> None:
        for key in self.before.keys() - self._ours - self._moved.keys():
            if self.after.get(key) == self.before[key]:
                continue
            assert key.kind is Kind.BINDING, f"{key} is not the stack's"
            ends = binding_ends(key)
            gone = [end for end in ends if end in self.before and end not in self.after]
            by_hand = self._ours.issuperset(ends) or is_internal(key)
            is_moved = ends[1] in self._moved
            assert is_moved or (by_hand and (gone or self.declared.keys() >= set(ends))), (
                f"{key} is not the stack's"
            )
            if is_moved:
                assert self._redirected(key) in self.after or self._elsewhere(key), (
                    f"{key} was not redirected"
                )

    def _is_redirected(self, key: Key) -> bool:
        return key.kind is Kind.BINDING and binding_ends(key)[1] in self._moved

    def _redirected(self, key: Key) -> Key:
        heir = self._moved[binding_ends(key)[1]]
        return binding_key(key.vhost, key.name[0], heir.name[0], key.name[3], binding_arguments(key))

    def _elsewhere(self, key: Key) -> bool:
        """Whether the file gives what a binding matches to another queue."""
        return any(
            other.kind is Kind.BINDING
            and (other.vhost, other.name[0], *other.name[3:]) == (key.vhost, key.name[0], *key.name[3:])
            for other in self.declared
        )

    def _what_was_announced_is_what_changed(self) -> None:
        created, deleted = self.after.keys() - self.before.keys(), self.before.keys() - self.after.keys()
        changed = {
            key for key in self.before.keys() & self.after.keys() if self.before[key] != self.after[key]
        }
        for action, key in self._actions:
            match action:
                case "create":
                    assert key in created, f"{key} was not created"
                case "delete":
                    assert key in deleted, f"{key} was not deleted"
                case "update" | "replace":
                    assert key in changed, f"{key} was not changed"
        named = {key for _, key in self._actions}
        redirected = {self._redirected(key) for key in self.before if self._is_redirected(key)}
        assert created <= named | redirected, f"not announced: created {created - named - redirected}"
        assert changed <= named, f"not announced: changed {changed - named}"
        gone = deleted - named - self._moved.keys()
        alone = {key for key in gone if key.kind is not Kind.BINDING or deleted.isdisjoint(binding_ends(key))}
        assert not alone, f"not announced: deleted {alone}"


def key_of(change: Json) -> Key:
    """The object of a change."""
    return Key(Kind(change["kind"]), change["vhost"], tuple(change["name"]))


def is_internal(key: Key) -> bool:
    """Whether it is an object of Celery's delayed delivery, or a binding from or to one."""
    return any(is_for_delays(name) for name in key.name)


def messages_kept(
    before: Contents, after: Contents, changes: Collection[Json], listing: Listing
) -> Iterator[str]:
    """What is wrong with the messages after an apply: those of a queue that stays, or was moved, are all there."""
    heirs = {
        queue_key(change["vhost"], name): key_of(change)
        for change in changes
        for name in change["moved_from"]
    }
    risks = {key_of(change): change["risks"] for change in changes if change["action"] == "delete"}
    came: dict[Key, set[int]] = {}
    for queue, numbers in before.items():
        heir = heirs.get(queue, queue)
        came.setdefault(heir, set()).update(numbers)
        if heir in listing:
            lost = numbers - after.get(heir, set())
            if lost:
                yield f"{heir} lost {lost} of {queue}"
        elif "data-loss" not in risks.get(queue, ()):
            yield f"{queue} was deleted with messages"
    for queue, numbers in after.items():
        if numbers - came.get(queue, set()):
            yield f"{queue} got {numbers - came.get(queue, set())}"
