"""The findings that the file or the command line accepts, and what is accepted in vain. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...topology.lint.acceptance import accept
from ...topology.lint.registry import FAMILIES, make_finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ...topology.base.finding import Finding
    from ...topology.file.load import Loaded
    from ...topology.lint.acceptance import Acceptance

#: Codes of findings that an app may add to those of the file.
_ABOUT_APPS = {rule.code for rule in FAMILIES["App"]} | {"unconsumed-queue", "lost-priority"}


def not_accepted(
    loaded: Loaded, findings: Iterable[Finding], *, complete: bool, with_app: bool
) -> list[Finding]:
    """The findings that the file does not accept, and one for each entry of its `allow` that accepts none.

    Parameters:
      loaded: The file.
      findings: All findings.
      complete: Whether all vhosts were checked: otherwise nothing is known of unused entries.
      with_app: Whether an app was checked: otherwise nothing is known of entries about apps.
    """
    remaining, unused = accept(findings, loaded.topology.acceptances)
    return [*remaining, *(_unused(loaded, unused, with_app) if complete else ())]


def _unused(loaded: Loaded, unused: Sequence[Acceptance], with_app: bool) -> Iterator[Finding]:
    for at, entry in enumerate(loaded.topology.allow):
        for acceptance in entry.acceptances:
            if acceptance in unused and (with_app or entry.code not in _ABOUT_APPS):
                message = f"`{acceptance}` is accepted, but no longer occurs"
                position = loaded.position(("allow", at))
                yield make_finding("unused-allow", message, position, "remove it", object_=str(acceptance))
