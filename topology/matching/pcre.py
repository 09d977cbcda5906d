"""Regular expressions that RabbitMQ certainly refuses, as policies and permissions have them.

RabbitMQ compiles them bytewise with PCRE (Erlang up to 27) or PCRE2 (from 28). An expression is refused only if both
refuse it: what only one of them refuses, or what Python's `re` does not know, is let through.
"""

from __future__ import annotations

import re
import warnings

_MOST_REPEATS = 65_535
_CLASSES = frozenset(
    {
        *("alpha", "lower", "upper", "alnum", "ascii", "blank", "cntrl", "digit", "graph", "print", "punct"),
        *("space", "word", "xdigit"),
    }
)
#: Text with rules of its own: quotes, free spacing, verbs, alternatives with the same groups, a repeat that only PCRE2
#: knows, and the end of text in PCRE.
_OTHER_RULES = re.compile(r"\\[QE]|\(\?\||\(\?[a-zA-Z^-]*x|\(\*[A-Za-z:]|\{,|\x00")
#: What Python reads differently, each as one token.
_TOKENS = re.compile(
    r"(?P<escape>\\(?:[pP]\{\^?\w+\}|c[ -~]|[xo]\{\w+\}|.))"
    r"|(?P<set>\[\^?\]?(?:\[:[^\]:]*:\]|\\.|[^\]\\])*\])"
    r"|(?P<repeat>\{\d+(?:,\d*)?\})|(?P<comment>\(\?#[^)]*\))|(?P<name>\(\?<(?![=!]))"
    r"|(?P<flags>\(\?[aimsx]*[uL])|(?P<behind>\(\?<[=!][^()|\[\\]*[*+])",
    re.DOTALL,
)
#: Beginnings of Python's messages about what PCRE does not accept either.
_SHARED = (
    *("missing ), unterminated", "unbalanced parenthesis", "unterminated character set", "nothing to repeat"),
    *("multiple repeat", "min repeat greater", "bad escape (end of pattern)", "unexpected end of pattern"),
    *(
        "missing >, unterminated name",
        "missing -, : or )",
        "redefinition of group name",
        "conditional backref",
    ),
    *("the repetition number is too large",),
)
_BAD_RANGE = re.compile(r"bad character range [^\\]-[^\\]\Z", re.DOTALL)
_NO_EXTENSION = re.compile(r"unknown extension \?[BDEFGHIKLMNOQSTVWYZbcdefghjklopqtvwyz\s,;@%~\"/]")
_BAD_NAME = re.compile(r"bad character in group name '(.+)'\Z", re.DOTALL)


def refusal(expression: str) -> str | None:
    """Why RabbitMQ refuses an expression, whatever its version; None if it may accept it."""
    if _OTHER_RULES.search(expression):
        return None
    groups = expression.count("(")
    for token in _TOKENS.finditer(expression):
        reason = _refused_token(token, groups)
        if reason:
            return reason
    return _shared_error(_TOKENS.sub(_as_python, expression))


def _refused_token(token: re.Match[str], groups: int) -> str | None:
    text = token[0]
    match token.lastgroup:
        case "escape" if text[1] in "LlUu" or (text[1] in "pP" and _ends_property(token)):
            return f"`{text}` is not supported"
        case "escape" if text[1] in "1234567" and int(text[1]) > groups and not _more_digits(token):
            return f"`{text}` refers to a group that does not exist"
        case "set":
            names = [name.lstrip("^") for name in re.findall(r"\[:(\^?[a-z]*):\]", text[1:])]
            unknown = next((name for name in names if name not in _CLASSES), None)
            return None if unknown is None else f"unknown class `[:{unknown}:]`"
        case "repeat" if any(int(number) > _MOST_REPEATS for number in re.findall(r"\d+", text)):
            return f"`{text}` repeats more than {_MOST_REPEATS} times"
        case "flags":
            return f"`{text[2:]}` is not a flag"
        case "behind":
            return "a look-behind cannot have an unlimited length"
    return None


def _ends_property(token: re.Match[str]) -> bool:
    return not re.match(r"[A-Za-z{]", token.string[token.end() :]) and len(token[0]) == 2


def _more_digits(token: re.Match[str]) -> bool:
    return token.string[token.end() : token.end() + 1].isdigit()


def _as_python(token: re.Match[str]) -> str:
    """A token in a form that Python accepts in the same places."""
    match token.lastgroup:
        case "name":
            return "(?P<"
        case "comment":
            return ""
        case "set":
            return re.sub(r"\\(?:[pP]\{\^?\w+\}|[xo]\{\w+\}|[^\]\\\[^-])|\[:\^?[a-z]*:\]", r"\\d", token[0])
        case "escape" if not re.fullmatch(r"\\(?:[AbBdDsSwWZ]|\W)", token[0], re.ASCII):
            return "a"
    return token[0]


def _shared_error(expression: str) -> str | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sets that Python may read differently one day
            re.compile(expression)
    except re.error as error:
        reason = error.msg
        if reason.startswith(_SHARED) or _BAD_RANGE.match(reason) or _NO_EXTENSION.match(reason):
            return reason.split(",")[0]
        if (name := _BAD_NAME.match(reason)) and f"(?P<{name[1]}" in expression:
            return reason
    except (RecursionError, OverflowError):
        return "it is too large"
    return None
