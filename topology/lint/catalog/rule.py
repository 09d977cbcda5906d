"""One entry of the catalogue."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from ...base.finding import Severity


@dataclass(frozen=True, slots=True)
class LintRule:
    """What one finding code means.

    Parameters:
      code: The code, such as `unknown-key`.
      summary: What is wrong: one sentence, no full stop.
      why: Why it matters.
      example: The smallest input with this finding: lines of a file without `version: 1`, or of an app's module.
      fix: What to do about it.
      severity: How serious its findings are, unless a check overrides it.
    """

    code: str
    summary: str
    why: str
    example: str
    fix: str
    severity: Severity = Severity.ERROR

    @property
    def language(self) -> str:
        """The language of the example: `yaml`, or `python` for a module with an `app`."""
        return "python" if "app." in self.example else "yaml"

    def as_dict(self) -> dict[str, str]:
        """The rule as plain data for JSON."""
        return {"code": self.code, "severity": self.severity, **asdict(self)}
