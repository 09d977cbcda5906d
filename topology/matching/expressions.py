"""Whether a regular expression can take time out of all proportion: `re` backtracks, and tries path after path.

How many paths there are is how ambiguous the expression's automaton is. It is exponential if a state has two ways back
to itself on the same text, which is decided exactly. Else it is a polynomial, whose degree is the length of the longest
chain of repeats that can share out a text between them; below `DEGREE` is fast enough for the longest name, unless
optional pieces multiply it. What is not, or is suspect of that, is counted on the worst name that can be found.
"""

from __future__ import annotations

import re

from .automaton import TooLarge, of_search
from .paths import Paths

#: How many repeats may share out a text, less one.
DEGREE = 2

#: How many steps the worst name may take, in those of a repeat like `.*`. Measured with CPython 3.11, a step takes
#: 2 to 12 nanoseconds, and so a name of 255 characters about a tenth of a second at the most.
STEPS = 12_000_000

#: How often a path may split before it is worth counting, if fewer repeats share out a text.
FEW = 4

#: Characters and sets of them, alone or repeated, and groups that are not.
_PLAIN = re.compile(
    r"(?:(?:[^\\()\[\]{}*+?|]|\\[\W_dDsSwW]|\[\^?[^\\\[\]]+\])[*+]?\??|\((?:\?:|\?P<\w+>)?|[)|])*"
)

_TOO_LARGE = "it is too large to be checked; use smaller counts, or several patterns"
_EXPONENTIAL = (
    "a repeat can read the same text in several ways, so that the time for a name that does not match doubles with "
    "every few characters; let it be read in one way only, such as `a+` instead of `(a+)+`"
)
_POLYNOMIAL = (
    f"more than {DEGREE + 1} repeats can share out the same text, so that a long name that does not match takes "
    "seconds; let them read less, such as `[^.]+` instead of `.+`"
)
_STEPS = (
    "its pieces can read the same text in so many ways that a long name that does not match takes very long; "
    "let them read it in fewer ways"
)


def problem(source: str) -> str | None:
    """Why an expression could take too long on some name, in one sentence with the likely remedy; None if none could.

    Atomic groups and possessive repeats are judged as if they gave back, and back-references as any text: what uses
    them may be refused without need.

    Parameters:
      source: An expression that `re` compiles.
    """
    return None if is_plain(source) else by_paths(source)


def is_plain(source: str) -> bool:
    """Whether an expression is seen at a glance to be fast, as most are.

    With one repeat of a single character, a name of 255 characters has as many paths, for each way to choose; with two,
    some 33,000, each of which reads on behind the second. So neither takes `STEPS`.

    Parameters:
      source: An expression that `re` compiles.
    """
    if _PLAIN.fullmatch(source) is None:
        return False
    repeats = source.count("*") + source.count("+")
    ways = 1 << (source.count("|") + source.count("?") - source.count("(?"))
    if repeats < 2:
        return ways <= FEW
    behind = len(source) - max(source.rfind("*"), source.rfind("+"))
    return repeats == 2 and behind * ways <= 15


def by_paths(source: str) -> str | None:
    """What `problem` says of an expression that is not plain: its paths are counted.

    Parameters:
      source: An expression that `re` compiles.
    """
    try:
        paths = Paths(of_search(source))
        splits = paths.splits()
        if not splits:
            return None
        if paths.exponential():
            return _EXPONENTIAL
        degree = paths.degree(DEGREE + 1)
        if degree > DEGREE:
            return _POLYNOMIAL
        is_worth_counting = degree == DEGREE or splits > FEW
        return _STEPS if is_worth_counting and paths.steps(STEPS) >= STEPS else None
    except TooLarge:
        return _TOO_LARGE
