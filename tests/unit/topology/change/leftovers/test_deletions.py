"""Which objects the command line wants deleted."""

from __future__ import annotations

import pytest

from routectl.topology.base.known_secrets import KnownSecrets
from routectl.topology.base.resources import Key, Kind, Resource, binding_key, exchange_key, queue_key
from routectl.topology.base.selectors import selector
from routectl.topology.change.leftovers.deletions import (
    gone_with,
    in_use,
    resolve,
    resolve_masked,
    unreadable_notes,
)
from routectl.topology.errors import AccessRefused, UsageError

OLD = queue_key("/", "old")
THERE = queue_key("reports", "old")


def test_texts_name_objects_in_any_vhost_and_each_once() -> None:
    texts = ["queue:old", "queue:old@reports", "queue:old", "queue:old@/"]
    assert resolve(texts[:3], "/", [OLD, THERE]) == ([OLD, THERE], [])
    assert resolve(texts, "/", [OLD])[0] == [OLD, OLD]


def test_what_does_not_exist_is_noted() -> None:
    assert resolve(["operator-policy:gone", "queue:x"], "/", [OLD]) == (
        [],
        [
            "nothing to delete: operator policy gone does not exist",
            "nothing to delete: queue x does not exist",
        ],
    )


@pytest.mark.parametrize(
    ("text", "live", "meant"), [("queue:odl", OLD, "queue:old"), ("queue:old", THERE, "queue:old@reports")]
)
def test_what_does_not_exist_is_an_error_if_something_similar_may_be_meant(
    text: str, live: Key, meant: str
) -> None:
    with pytest.raises(UsageError) as caught:
        resolve([text], "/", [live])
    assert caught.value.hint == (
        f"did you mean `{meant}`? if it is already deleted, leave out `--delete {text}`"
    )


def test_what_is_deleted_too_or_declared_cannot_be_meant() -> None:
    old_1, old_2 = queue_key("/", "old-1"), queue_key("/", "old-2")
    assert resolve(["queue:old-1", "queue:old-2"], "/", [old_2])[0] == [old_2]
    assert resolve(["queue:old-1"], "/", [old_2], [old_2])[0] == []
    assert resolve(["queue:old-1"], "/", [old_1], [old_2])[0] == [old_1]


@pytest.mark.parametrize("text", ["queue", "queue:", ":old", "planet:x", "old"])
def test_a_text_without_a_kind_or_name_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="does not name a deletable object"):
        resolve([text], "/", [OLD])


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("binding:x", 'binding:SOURCE -> DESTINATION "KEY"'),
        ("binding:tasks -> old", 'binding:SOURCE -> DESTINATION "KEY"'),
        ("user-limit:app", "user-limit:USER LIMIT"),
        ("topic-permission:app@reports", "topic-permission:USER EXCHANGE"),
    ],
)
def test_a_name_of_several_parts_must_have_them(text: str, form: str) -> None:
    with pytest.raises(UsageError, match="does not name a") as caught:
        resolve([text], "/", [OLD])
    assert caught.value.hint == f"write `{form}`, as `routectl plan --verbose` lists it"


@pytest.mark.parametrize(
    "key",
    [
        binding_key("/", "", "a b", "", {"x-match": "any"}),
        binding_key("reports", "tasks", 'o"d', "k\n@"),
        Key(Kind.USER_LIMIT, "", ("some user", "max-channels")),
        Key(Kind.TOPIC_PERMISSION, "/", ("app", "")),
    ],
)
def test_every_name_that_a_plan_lists_is_accepted(key: Key) -> None:
    assert resolve([selector(key, "/")], "/", [key]) == ([key], [])
    assert resolve([selector(key, "/")], "/", [])[0] == []


def test_what_a_deletion_takes_with_it() -> None:
    there, kept = binding_key("/", "tasks", "old", "k"), binding_key("/", "tasks", "keep", "k")
    permission, other = (Key(Kind.PERMISSION, "/", (user,)) for user in ("app", "other"))
    live = dict.fromkeys((OLD, THERE, there, kept, permission, other), Resource(OLD))
    assert gone_with([OLD], live) == {OLD, there}
    assert gone_with([exchange_key("/", "tasks")], live) == {exchange_key("/", "tasks"), there, kept}
    assert gone_with([user := Key(Kind.USER, "", ("app",))], live) == {user, permission}
    assert gone_with([vhost := Key(Kind.VHOST, "", ("reports",))], live) == {vhost, THERE}
    assert gone_with([], live) == set()


def test_a_misspelt_kind_is_corrected() -> None:
    with pytest.raises(UsageError) as caught:
        resolve(["queues:old"], "/", [OLD])
    assert caught.value.hint is not None
    assert caught.value.hint.startswith("did you mean `queue`? use one of vhost:NAME, ")


def test_an_ambiguous_text_is_refused_with_those_that_are_not() -> None:
    odd = queue_key("/", "old@reports")
    with pytest.raises(UsageError) as caught:
        resolve(["queue:old@reports"], "/", [odd, THERE])
    assert caught.value.hint == "name one of them: `queue:old@reports@/`, `queue:old@reports`"


def test_a_binding_to_a_queue_and_one_to_an_exchange_of_the_same_name_are_told_apart() -> None:
    both = [binding_key("/", "tasks", "x", "k", to_exchange=flag) for flag in (False, True)]
    with pytest.raises(UsageError, match="several objects"):
        resolve(['binding:tasks -> x "k"'], "/", both)
    assert resolve(['binding:tasks -> exchange x "k"'], "/", both) == ([both[1]], [])


def test_built_in_exchanges_cannot_be_deleted() -> None:
    with pytest.raises(UsageError, match="built into RabbitMQ"):
        resolve(["exchange:amq.topic"], "/", [exchange_key("/", "amq.topic")])


@pytest.mark.parametrize(("text", "kind"), [("user:app", Kind.USER), ("shovel:s", Kind.PARAMETER)])
def test_what_may_not_be_read_is_not_said_to_be_missing(text: str, kind: Kind) -> None:
    with pytest.raises(AccessRefused, match="may not read"):
        resolve([text], "/", [], unreadable=[kind])


def test_missing_tags_are_noted_with_what_they_hide() -> None:
    why = "not shown, because this user may not read them"
    assert unreadable_notes([Kind.USER, Kind.PARAMETER, Kind.PERMISSION]) == [
        f"{why}: shovels and federation upstreams (needs the tag `policymaker`); "
        "permissions, users (needs the tag `administrator`)",
    ]


def test_the_login_and_its_vhosts_are_in_use() -> None:
    assert in_use("me", ["/"]) == {
        Key(Kind.USER, "", ("me",)),
        Key(Kind.VHOST, "", ("/",)),
        Key(Kind.PERMISSION, "/", ("me",)),
    }


def test_a_binding_is_named_as_the_plan_shows_it_with_masked_headers() -> None:
    old, other = (binding_key("/", "jobs", "a", "", {"label": value}) for value in ("old", "other"))
    shown, secrets = 'binding:jobs -> a "" {"label": "***"}', KnownSecrets((), fields=["label"])

    def resolved(live: list[Key], *texts: str, keys: tuple[Key, ...] = ()) -> tuple[Key, ...]:
        return resolve_masked(keys, texts, "/", live, [], [], secrets)[0]

    assert resolved([old], shown) == (old,)
    assert resolved([old], keys=(binding_key("/", "jobs", "a", "", {"label": "***"}),)) == (old,)
    assert resolved([old, other], 'binding:jobs -> a "" {"label": "other"}') == (other,)
    with pytest.raises(UsageError, match="names 2 objects that differ in secrets"):
        resolved([old, other], shown)
