"""Why a plan is refused: one reason, and all of them as an error."""

from __future__ import annotations

from routectl.topology.base.resources import queue_key
from routectl.topology.change.safety.problem import Problem, refusal

LOW = Problem("queue low would be deleted", "allow it", queue_key("/", "low"), ("destructive",))
TAG = Problem("user `app` lacks the tag `policymaker`", "set it")


def test_a_reason_is_plain_data_and_back() -> None:
    for problem in (LOW, TAG):
        assert Problem.from_dict(problem.as_dict()) == problem
    assert TAG.as_dict()["kind"] is None
    assert LOW.as_dict() == {
        "kind": "queue",
        "vhost": "/",
        "name": ["low"],
        "message": "queue low would be deleted",
        "hint": "allow it",
        "allow": ["destructive"],
    }


def test_the_error_lists_the_first_reasons_and_has_all() -> None:
    error = refusal("plan refused", [LOW, *[TAG] * 24])
    lines = error.message.splitlines()
    assert lines[:3] == ["plan refused:", "  queue low would be deleted", "    allow it"]
    assert lines[-1] == "  and 5 more, which `--format json` lists"
    assert len(error.as_dict()["refusals"]) == 25


def test_a_hint_that_all_share_is_told_once() -> None:
    error = refusal("the file has changed", [LOW, TAG], "make a new plan")
    assert (error.message.count("\n"), error.hint) == (2, "make a new plan")
