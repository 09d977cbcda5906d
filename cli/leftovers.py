"""What a plan leaves on the broker, as text: folded by kind, and the harmful objects one by one."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import click

from ..topology.base.resources import Key, Kind
from ..topology.base.selectors import kind_word, selector
from .words import count_text, listed_text, printable

if TYPE_CHECKING:
    from ..topology.change.leftovers.objects import Leftover
    from ..topology.change.plan import Plan


def leftover_lines(plan: Plan, files: str, verbose: bool, quiet: bool = False) -> list[str]:
    """The objects that the file does not name.

    Parameters:
      plan: The plan.
      files: The names of the files.
      verbose: List each object with what `--delete` calls it, and what belongs to the
        whole cluster, such as users, which other files may describe.
    """
    harmful = [leftover for leftover in plan.leftovers if leftover.harm is not None]
    others = [leftover for leftover in plan.leftovers if leftover.harm is None and not quiet]
    if not verbose:
        own = plan.ownership.stack if plan.ownership is not None else None
        others = [leftover for leftover in others if leftover.key.vhost or leftover.stack == own is not None]
    lines = [line for leftover in harmful for line in _harmful(leftover, plan)]
    for head, group in _by_stack(others, plan, files):
        lines.append(f"note: {head}:")
        lines += _each(group, plan) if verbose else _folded(group, plan)
    return lines


def _by_stack(
    leftovers: Sequence[Leftover], plan: Plan, files: str
) -> Iterator[tuple[str, Sequence[Leftover]]]:
    """The objects of this stack, of other stacks, and of nobody, each group with what it is."""
    groups: dict[str | None, list[Leftover]] = {}
    for leftover in leftovers:
        groups.setdefault(leftover.stack, []).append(leftover)
    own = plan.ownership.stack if plan.ownership is not None else None
    for stack, group in sorted(groups.items(), key=lambda item: (item[0] != own, item[0] is None, item[0])):
        if stack is None:
            yield f"not in {files}, left unchanged", group
        elif stack != own:
            yield f"not in {files}, left unchanged: of stack {printable(stack)}", group
        elif plan.ownership is not None and plan.ownership.prune:
            yield f"not in {files}, but kept: created by this stack", group
        else:
            count = count_text(len(group), "object")
            yield f"{count} not in {files}, created by this stack (`--prune` deletes)", group


def _harmful(leftover: Leftover, plan: Plan) -> Iterator[str]:
    mark = click.style("  ! ", fg="red")
    yield f"{mark}{_name(leftover, plan)}{_counts(leftover)}"
    yield f"      {click.style('harmful', fg='red')}: {printable(str(leftover.harm))}"
    yield f"      not in the file; to delete it: {printable(_option(leftover.key, plan))}"


def _each(leftovers: Sequence[Leftover], plan: Plan) -> Iterator[str]:
    for leftover in leftovers:
        yield f"  {printable(_option(leftover.key, plan))}{_counts(leftover)}"


def _folded(leftovers: Sequence[Leftover], plan: Plan) -> Iterator[str]:
    """A line for each kind, with the first names."""
    groups = [
        (word.replace("-", " "), list(group))
        for word, group in groupby(leftovers, key=lambda leftover: kind_word(leftover.key))
    ]
    width = max(len(word) for word, _ in groups)
    for word, group in groups:
        names = [f"{_title(leftover.key, plan)}{_counts(leftover)}" for leftover in group]
        yield f"  {word:{width}}  {listed_text(names, False)}"


def _name(leftover: Leftover, plan: Plan) -> str:
    return f"{kind_word(leftover.key).replace('-', ' ')} {_title(leftover.key, plan)}"


def _title(key: Key, plan: Plan) -> str:
    """The name without its kind, and with its vhost unless that is the file's first."""
    return printable(selector(key, plan.vhost).partition(":")[2])


def _option(key: Key, plan: Plan) -> str:
    """The option that deletes the object, quoted for a shell."""
    return f"--delete {shlex.quote(selector(key, plan.vhost))}"


def _counts(leftover: Leftover) -> str:
    """The messages and consumers of a queue, and whether it is protected, in parentheses."""
    words = [*_numbers(leftover), *(["protected"] if leftover.protected else [])]
    return f" ({', '.join(words)})" if words else ""


def _numbers(leftover: Leftover) -> list[str]:
    """The messages and consumers of a queue; a number that is not known is not shown as 0."""
    if leftover.key.kind is not Kind.QUEUE:
        return []
    if leftover.messages is None:
        return ["messages unknown"]
    unknown = leftover.consumers is None
    consumers = "consumers unknown" if unknown else count_text(leftover.consumers or 0, "consumer")
    return [count_text(leftover.messages, "message"), consumers]
