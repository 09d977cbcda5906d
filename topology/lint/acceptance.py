"""Which findings are accepted, by the file's `allow` or on the command line. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..base.finding import Finding

#: The object of an acceptance that does not name one.
ANY = "*"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A finding, or several, that are accepted.

    Parameters:
      code: The code of the findings.
      object: The name that they are about, such as a queue or a task; `*` in it stands for any text.
    """

    code: str
    object: str = ANY

    @classmethod
    def parse(cls, text: str) -> Acceptance:
        """The acceptance that `CODE` or `CODE:OBJECT` means."""
        code, _, name = text.partition(":")
        return cls(code, name or ANY)

    def __str__(self) -> str:
        return self.code if self.object == ANY else f"{self.code}:{self.object}"

    def accepts(self, finding: Finding) -> bool:
        """Whether it accepts a finding."""
        if finding.code != self.code:
            return False
        name = finding.object or ""
        return self.object in (ANY, name) or fnmatchcase(name, self.object)


def accept(
    findings: Iterable[Finding], acceptances: Sequence[Acceptance]
) -> tuple[list[Finding], list[Acceptance]]:
    """The findings that are not accepted, and the acceptances that accept none.

    Parameters:
      findings: All findings.
      acceptances: What is accepted.
    """
    remaining: list[Finding] = []
    used: set[Acceptance] = set()
    for finding in findings:
        accepting = [each for each in acceptances if each.accepts(finding)]
        used.update(accepting)
        if not accepting:
            remaining.append(finding)
    return remaining, [each for each in acceptances if each not in used]
