"""Any text at all as a pattern, and any text as a task's name: an error says what is wrong, and nothing else happens.

ROUTECTL_TEST_FUZZ is the number of patterns; `pytest -s` shows what became of them.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from random import Random

import pytest

from routectl.routing.rules.index import Index
from routectl.topology.matching.equivalents import problem
from routectl.topology.matching.pattern import Pattern, parse

PATTERNS = int(os.environ.get("ROUTECTL_TEST_FUZZ", "4000"))
SEED = int(os.environ.get("ROUTECTL_TEST_FUZZ_SEED", "1"))

#: Names on which catastrophic backtracking would never end.
LONG = ("a" * 60 + "!", "a0." * 20 + "!", "aaaa." * 12 + "_:")

#: The number of patterns in one index.
TOGETHER = 20

# Pieces of patterns, parted by white space.
PLAIN = "a b aa . : - _ 0 task svc é \u4e00 \U0001f407"
WILD = "* ** ? [ab] [!a] [ ] [] [!] [z-a] [a-] ! {q} {ab} {é} {a}-{b}"
BRACES = "{ } {} {{ }} {1} {q}{r} {class} {ª} {\ud800}"
ODD = [*"/\\ \t\n\r\0\a\x1b\x7f\x85\u2028\ud800\ufeff"]
EXPRESSION = r"""
    .* .+ + | ^ $ ( ) (?: (?P<t>a) (?P=t) (?P<t (?=a) (?!a) (?<=a) (?<=a*) (?i) (?x) (?L) (?u) (?a) (?i: (?-i:a) (?>a)
    (?(1)a|b) (?# \1 \d \b \Z \x \N{DASH} \u12 {2} {2,1} {,3} {99999999999} a*+ [[a] [a&&b] [\] #
"""


def text(random: Random) -> str:
    """A pattern, more or less."""
    if random.random() < 0.1:
        return "".join(chr(random.randrange(0x110000)) for _ in range(random.randrange(6)))
    ingredients = PLAIN.split() * 2 + (ODD if random.random() < 0.4 else [])
    for more in (WILD, WILD, BRACES, EXPRESSION):
        if random.random() < 0.4:
            ingredients += more.split()
    made = "".join(random.choices(ingredients, k=random.randrange(8)))
    return f"/{made}/" if random.random() < 0.2 else made


def names(random: Random, pattern: str) -> list[str]:
    """Names, some of which a pattern may match."""
    filled = re.sub(r"\{\w+\}", "a", pattern).strip("/")
    return [
        "",
        pattern,
        filled,
        filled.replace("*", random.choice(["", "a", "a.b", "\n"])).replace("?", "b").replace("\\", ""),
        "".join(random.choices([*PLAIN.split(), *ODD], k=random.randrange(6))),
    ]


def accepted(text: str) -> Pattern | None:
    """A pattern as a file may contain it; None if it is invalid."""
    try:
        pattern = parse(text)
    except ValueError:
        return None
    return None if pattern.kind == "regex" and problem(text[1:-1]) else pattern


def check(pattern: Pattern, name: str) -> bool:
    """Whether a pattern matches a name; its captures must be texts by its own names."""
    captures = pattern.match(name)
    assert captures is None or set(captures) == set(pattern.captures)
    assert captures is None or all(isinstance(value, str) for value in captures.values())
    return captures is not None


@pytest.mark.filterwarnings("ignore")  # `re` warns of expressions that it may read otherwise some day
def test_any_text_is_a_pattern_or_an_error_and_matches_or_not() -> None:
    random = Random(SEED)
    counts: Counter[str] = Counter()
    for _ in range(PATTERNS // TOGETHER):
        patterns: list[Pattern] = []
        asked: list[str] = []
        for one in (text(random) for _ in range(TOGETHER)):
            asked += names(random, one)
            pattern = accepted(one)
            if pattern is None:
                counts["refused"] += 1
            else:
                patterns.append(pattern)
        asked += LONG
        index = Index((pattern, number) for number, pattern in enumerate(patterns))
        counts.update(pattern.kind for pattern in patterns)
        for name in asked:
            found = [number for number, pattern in enumerate(patterns) if check(pattern, name)]
            assert [number for number, _ in index.matching(name)] == found, (name, patterns)
            counts["names"] += 1
            counts["matches"] += len(found)
    print(dict(counts))
    assert min(counts[kind] for kind in ("exact", "glob", "capture", "regex", "refused", "matches")) > 0
