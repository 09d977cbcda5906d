"""What the records on a broker prove: nothing is deleted that this stack did not create."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from routectl.topology.base.resources import Key, Resource, State
from routectl.topology.change.ownership.decision import decide
from routectl.topology.change.ownership.fingerprint import fingerprint
from routectl.topology.change.ownership.ledger import ledger_of
from routectl.topology.change.ownership.marker import next_marker
from routectl.topology.change.ownership.record import Record, Stack
from tests.fakes import exchange, queue, state, vhost_key

SHOP, BILLING = Stack("shop", "/"), Stack("billing", "/")
ONE, TWO = queue("one"), queue("two", "b")


def broker(*records: Record, objects: Collection[Resource], markers: Mapping[str, int]) -> State:
    """A broker with two vhosts, records, objects, and the exchanges of stack `shop`."""
    marked = [next_marker(SHOP, vhost, serial, {}) for vhost, serial in markers.items()]
    vhosts = [Resource(vhost_key(name)) for name in ("/", "b")]
    return state(*vhosts, *objects, *marked, *(record.as_resource() for record in records))


def pruned(live: State, desired: State | None = None) -> set[Key]:
    return set(decide(ledger_of(SHOP, live), live, desired or {}, prune=True).pruned)


def record(*objects: Resource, stack: Stack = SHOP, serial: int = 5) -> Record:
    return Record(stack, serial, {item.key: fingerprint(item) for item in objects})


def test_what_the_record_names_and_the_file_does_not_is_pruned() -> None:
    live = broker(record(ONE, TWO), objects=[ONE, TWO, queue("theirs")], markers={"/": 5, "b": 5})
    assert pruned(live) == {ONE.key, TWO.key}
    assert pruned(live, state(ONE)) == {TWO.key}


def test_a_record_of_an_apply_that_did_not_finish_proves_what_it_was_about_to_create() -> None:
    begun = Record(SHOP, 1, creating={ONE.key: fingerprint(ONE)})
    assert pruned(broker(begun, objects=[ONE], markers={})) == {ONE.key}


def test_an_older_record_proves_nothing_in_any_vhost() -> None:
    assert pruned(broker(record(ONE, TWO), objects=[ONE, TWO], markers={"/": 5, "b": 6})) == set()


def test_a_vhost_without_the_exchange_of_the_stack_was_made_anew() -> None:
    assert pruned(broker(record(ONE, TWO), objects=[ONE, TWO], markers={"/": 5})) == {ONE.key}


def test_an_object_with_other_properties_was_made_anew() -> None:
    anew = queue("one", arguments={"x-max-length": 1})
    assert pruned(broker(record(ONE), objects=[anew], markers={"/": 5})) == set()


def test_a_queue_that_another_file_declares_is_kept() -> None:
    uses = Record(BILLING, 1, uses=frozenset({ONE.key}))
    assert pruned(broker(record(ONE), uses, objects=[ONE], markers={"/": 5})) == set()


def test_a_vhost_is_pruned_with_all_that_the_stack_created_in_it_and_only_then() -> None:
    vhost = Resource(vhost_key("b"))
    own = record(vhost, TWO)
    live = broker(own, objects=[TWO], markers={"/": 5, "b": 5})
    assert pruned(live) == {vhost.key, TWO.key}
    assert pruned({**live, **state(exchange("theirs", "b"))}) == {TWO.key}


OBJECTS = [
    queue(name, vhost, arguments=arguments)
    for name in ("one", "two")
    for vhost in ("/", "b")
    for arguments in ({}, {"x-max-length": 1})
]


def marks() -> st.SearchStrategy[dict[Key, str]]:
    return st.lists(st.sampled_from(OBJECTS), max_size=4).map(
        lambda found: {item.key: fingerprint(item) for item in found}
    )


@st.composite
def records(draw: st.DrawFn, stack: Stack) -> Record:
    uses = draw(st.frozensets(st.sampled_from([item.key for item in OBJECTS]), max_size=2))
    return Record(stack, draw(st.integers(1, 4)), draw(marks()), draw(marks()), uses)


@settings(max_examples=300)
@given(
    own=st.none() | records(SHOP),
    other=st.none() | records(BILLING),
    markers=st.dictionaries(st.sampled_from(["/", "b"]), st.integers(1, 4)),
    objects=st.lists(st.sampled_from(OBJECTS), max_size=6),
    desired=st.lists(st.sampled_from(OBJECTS), max_size=2),
    damage=st.sampled_from([None, "version", "serial", "created"]),
)
def test_no_deletion_is_without_proof(
    own: Record | None,
    other: Record | None,
    markers: dict[str, int],
    objects: list[Resource],
    desired: list[Resource],
    damage: str | None,
) -> None:
    live = broker(*filter(None, (own, other)), objects=objects, markers=markers)
    if own is not None and damage is not None:
        parameter = own.as_resource()
        value = {**parameter.properties["value"], damage: 99 if damage == "version" else "?"}
        live[parameter.key] = replace(parameter, properties={"value": value})
    for key in pruned(live, state(*desired)):
        assert own is not None
        assert damage is None
        assert key not in state(*desired)
        assert own.serial >= max(markers.values(), default=0)
        found = fingerprint(live[key])
        assert own.creating.get(key) == found or (own.created.get(key) == found and key.vhost in markers)
        if other is not None:
            assert key not in {*other.created, *other.creating, *other.uses}


@given(records(SHOP))
def test_a_record_is_read_as_it_was_written(own: Record) -> None:
    ledger = ledger_of(SHOP, state(own.as_resource()))
    assert ledger.record == own
    assert ledger.obstacle is None
