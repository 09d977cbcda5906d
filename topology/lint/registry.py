"""The registry of finding codes: every finding is created here, with the severity of its rule."""

from __future__ import annotations

from ..base.finding import Finding, Position, Severity
from .catalog import app, file, policies, routes, topology
from .catalog.rule import LintRule

#: The rules by family.
FAMILIES: dict[str, tuple[LintRule, ...]] = {
    "File": file.RULES,
    "Topology": topology.RULES,
    "Policies": policies.RULES,
    "Routes": routes.RULES,
    "App": app.RULES,
}

#: The rules by code.
RULES: dict[str, LintRule] = {rule.code: rule for rules in FAMILIES.values() for rule in rules}


def make_finding(
    code: str,
    message: str,
    position: Position | None = None,
    help_: str | None = None,
    *,
    severity: Severity | None = None,
    task: str | None = None,
    object_: str | None = None,
) -> Finding:
    """A finding of a registered code.

    Parameters:
      code: The code.
      message: What is wrong: one sentence, no full stop.
      position: Where in the file, if it is about a place there.
      help_: What to do about it, or None.
      severity: Overrides the severity of the code's rule.
      task: The task that it is about, if any.
      object_: The name that accepts this finding alone; default: the task.

    Raises:
      KeyError: The code is not registered.
    """
    rule = RULES[code]
    return Finding(code, message, position, help_, severity or rule.severity, task, object_ or task)
