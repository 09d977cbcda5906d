"""Findings that the file accepts."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from ..base.finding import Severity, did_you_mean
from ..lint.acceptance import ANY, Acceptance
from ..lint.registry import FAMILIES, RULES
from .types import Model, Texts

#: Codes of mistakes that keep a file from being loaded, which cannot be accepted.
_FATAL = frozenset(
    rule.code
    for family in ("File", "Topology")
    for rule in FAMILIES[family]
    if rule.severity is Severity.ERROR
)


def _acceptable(code: str) -> str:
    if code not in RULES:
        near = did_you_mean(code, RULES)
        raise PydanticCustomError("code", f"must be the code of a finding{f' ({near})' if near else ''}")
    if code in _FATAL:
        raise PydanticCustomError(
            "code", "must be a finding that can be accepted: this one is an error in the file"
        )
    return code


class AllowedFinding(Model):
    """Findings of `lint` and `check` that are accepted, and why."""

    code: Annotated[str, AfterValidator(_acceptable)] = Field(description="Code of the findings.")
    object: Texts = Field(
        (ANY,),
        description="What they are about: names of queues, profiles, tasks or schedule entries, or patterns of rules, "
        "as `check --format json` shows; `*` stands for any text.",
    )
    reason: str = Field(min_length=1, description="Why they are accepted.")

    @property
    def acceptances(self) -> tuple[Acceptance, ...]:
        """One acceptance for each object."""
        return tuple(Acceptance(self.code, name) for name in self.object)
