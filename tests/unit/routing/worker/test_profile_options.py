"""The table of `celery worker`'s options is that of the installed Celery."""

from __future__ import annotations

import click
from celery.bin.worker import worker
from hypothesis import given
from hypothesis import strategies as st

from routectl.topology.lint.rules.workers.options import OPTIONS, parsed

WORDS = st.sampled_from(
    [name for names in OPTIONS for name in names] + ["4", "x", "-EB", "-linfo", "--umask=7"]
)


def test_the_table_knows_every_option_of_celery_and_whether_it_has_a_value() -> None:
    known = {name: value is not None for names, value in OPTIONS.items() for name in names}
    options = [option for option in worker.params if isinstance(option, click.Option)]
    celerys = {name: not option.is_flag for option in options for name in option.opts if name != "--help"}
    assert celerys.items() <= known.items()
    assert {
        "--disable-prefetch",
        "--pool-start-method",
        "--prefetch-multiplier",
    } >= known.keys() - celerys.keys()


@given(st.lists(WORDS, max_size=5))
def test_words_are_read_as_celery_reads_them(words: list[str]) -> None:
    found = list(parsed(tuple(words)))
    known = {name for option in worker.params for name in option.opts}
    if not all(option.written in known for option in found):
        return  # another version's option, or no option at all
    parser = worker.make_parser(click.Context(worker))
    try:
        _, rest, order = parser.parse_args(list(words))
    except click.UsageError:
        assert any(option.value is None and OPTIONS[names(option.name)] for option in found)
        return
    assert not rest
    assert all(param.opts[0] in names(option.name) for param, option in zip(order, found, strict=True))


def names(first: str | None) -> tuple[str, ...]:
    return next(names for names in OPTIONS if names[0] == first)
