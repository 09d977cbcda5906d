"""Every code in the sources is registered, every registered code is used, and its entry is complete."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from routectl.topology.lint.registry import FAMILIES, RULES, make_finding

from ....markdown import ROOT

#: The functions and methods that are given a code, and which argument it is.
TAKES_CODE = {
    "make_finding": 0,
    "_found": 0,
    "_give_up": 0,
    "_finding": 0,
    "add": 1,
    "_add": 1,
    "report_error": 1,
    "_unreadable": 3,
}

#: Codes come only from these; elsewhere, `add` is that of sets, and others have `_found`.
SOURCES = ("topology/lint", "topology/file", "routing/check")


def sources() -> Iterator[ast.AST]:
    for folder in SOURCES:
        for path in (ROOT / folder).rglob("*.py"):
            if path.parent.name != "catalog":
                yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def test_every_code_in_the_sources_is_registered() -> None:
    found = set()
    for node in sources():
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", None) or getattr(node.func, "id", "")
            arguments = node.args[TAKES_CODE.get(name, len(node.args)) :][:1]
            found |= {each.value for each in arguments if isinstance(each, ast.Constant)}
    assert len(found) > len(RULES) / 2
    assert found <= RULES.keys()


def test_every_registered_code_is_used() -> None:
    assert RULES.keys() <= {node.value for node in sources() if isinstance(node, ast.Constant)}


def test_findings_are_created_by_the_registry_alone() -> None:
    created = [
        node for node in sources() if isinstance(node, ast.Call) and ast.unparse(node.func) == "Finding"
    ]
    assert len(created) == 1


def test_a_code_that_is_not_registered_is_an_error() -> None:
    with pytest.raises(KeyError, match="no-such-code"):
        make_finding("no-such-code", "something is wrong")


def test_entries_are_complete_and_codes_unique() -> None:
    assert len(RULES) == sum(map(len, FAMILIES.values()))
    for code, rule in RULES.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", code)
        assert rule.example == rule.example.rstrip(), code
        assert rule.summary[-1] not in ".!", code
        for sentence in (rule.why, rule.fix):
            assert not sentence[0].islower(), code
            assert sentence[-1] == ".", code
