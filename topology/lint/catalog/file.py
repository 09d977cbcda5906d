"""Findings about the file as such: it cannot be read, it is not YAML, or a key or value is wrong."""

from __future__ import annotations

from ...base.finding import Severity
from .rule import LintRule

RULES = (
    LintRule(
        "missing-file",
        summary="A file does not exist or cannot be read",
        why="The file, its includes and its password files are read before anything else is done.",
        example="include: missing.yaml",
        fix="Correct the path. `-f FILE` or `ROUTECTL_FILE` names the file; an `include` path is relative to "
        "the file that contains it.",
    ),
    LintRule(
        "too-large",
        summary="A file is larger than 64 MiB",
        why="10,000 queues need less than 2 MB, so this is probably not the intended file.",
        example="queues: {high: {}} # ... and 64 MiB more",
        fix="Check the path, or split the file with `include`.",
    ),
    LintRule(
        "not-utf8",
        summary="A file is not UTF-8 text",
        why="Names and routing keys are UTF-8 in AMQP; guessing another encoding would change them.",
        example="queues: {café: {}} # saved as Latin-1",
        fix="Save the file as UTF-8.",
    ),
    LintRule(
        "byte-order-mark",
        severity=Severity.WARNING,
        summary="A file begins with a byte-order mark",
        why="The mark is ignored here, but other YAML tools may read it as part of the first key.",
        example="\ufeffversion: 1",
        fix="Save the file as UTF-8 without BOM.",
    ),
    LintRule(
        "empty-file",
        summary="A file is empty or contains only comments",
        why="An empty file is usually a failed write or the wrong path; applying it would declare nothing.",
        example="# version: 1",
        fix="Start with `version: 1` and the queues, such as `queues: {high: {}}`.",
    ),
    LintRule(
        "syntax",
        summary="A file is not valid YAML",
        why="Nothing in the file can be checked until it parses.",
        example="queues: {high: {}",
        fix="Fix the bracket, quote or indentation at the marked place.",
    ),
    LintRule(
        "too-deep",
        summary="Values or includes are nested too deeply",
        why="A file has a handful of levels. More than 100 levels of values, or 50 of includes, could "
        "exhaust the stack.",
        example="queues: " + "[" * 101 + "]" * 101,
        fix="Flatten the value or the chain of includes.",
    ),
    LintRule(
        "alias-loop",
        summary="A YAML alias refers to the value that contains it",
        why="Such a value would have no end.",
        example="queues: &all {high: *all}",
        fix="Replace the alias with the value that is meant.",
    ),
    LintRule(
        "alias-explosion",
        summary="YAML aliases repeat more than 1,000,000 values",
        why="Aliases of aliases multiply, and a few lines could fill the memory.",
        example="""\
a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]
e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]
f: [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]""",
        fix="Use fewer aliases of aliases.",
    ),
    LintRule(
        "duplicate-key",
        summary="A map contains the same key twice",
        why="YAML parsers silently keep the last value, so one of the two settings would be lost.",
        example="queues:\n  high: {type: quorum}\n  high: {type: classic}",
        fix="Remove or rename one of the two.",
    ),
    LintRule(
        "unknown-tag",
        summary="A YAML tag is not supported",
        why="The file is plain data: it runs no code and loads nothing by tag.",
        example="queues: !include queues/high.yaml",
        fix="Use plain YAML, `${NAME}` for a value from the environment, and `include` for another file.",
    ),
    LintRule(
        "unset-variable",
        summary="An environment variable is unset, empty or malformed",
        why="The value would be incomplete, such as a URL without a password.",
        example="queues:\n  high:\n    max_length: ${HIGH_MAX_LENGTH}",
        fix="Set the variable, or give a default, except for a secret: `${NAME:-9}`. Write `$${` for a literal `${`.",
    ),
    LintRule(
        "include-loop",
        summary="A file includes itself, directly or through other files",
        why="Reading it would never end.",
        example="include: queues.yaml",
        fix="Remove the `include` that closes the loop.",
    ),
    LintRule(
        "include-conflict",
        summary="A file and a file that it includes give one setting different values",
        why="Included files add to a file and override nothing, so neither value can win.",
        example="include: base.yaml # queues: {high: {type: classic}}\nqueues: {high: {type: quorum}}",
        fix="Remove one of the two values, or pass the second file as an overlay with another `-f`.",
    ),
    LintRule(
        "unknown-key",
        summary="A key is not part of the file format",
        why="A misspelled key would be ignored, and its setting would silently have no effect.",
        example="queues: {high: {typ: quorum}}",
        fix="Correct the key; the help names the closest one. Other arguments of a queue go under "
        "`arguments`.",
    ),
    LintRule(
        "missing-key",
        summary="A required key is missing",
        why="There is no sensible default for it.",
        example="queues: {high: {}}\nroutes: [{tasks: billing.*}]",
        fix="Add the key.",
    ),
    LintRule(
        "wrong-type",
        summary="A value has the wrong type",
        why="RabbitMQ and Celery would refuse it, or read it as something else.",
        example="queues: {high: {max_length: many}}",
        fix="Use the type named in the message. Quote a number or `true` that is meant as text.",
    ),
    LintRule(
        "wrong-value",
        summary="A value is out of range or not one of the allowed values",
        why="RabbitMQ or Celery would refuse it, or the setting could never take effect.",
        example="queues: {high: {type: quorom}}",
        fix="Use a value that the message allows.",
    ),
    LintRule(
        "bare-duration",
        severity=Severity.WARNING,
        summary="A duration has no unit",
        why="A bare number counts milliseconds at a queue, as in RabbitMQ, but seconds at a rule, in Celery and in "
        "kombu: `expires: 3600` is 3.6 s at one place and an hour at another.",
        example="queues: {high: {expires: 3600}}",
        fix="Add the unit: `3600ms`, `3.6s`, or `1h`. Only 0 needs none.",
    ),
    LintRule(
        "literal-secret",
        summary="A password or another secret is written in the file, or is empty",
        why="The file belongs in version control; a password in it is readable by everyone who can read "
        "that. Headers, options and arguments are searched, too, for keys such as `password`, `api_key` and `token`, "
        "and for the passwords of URLs.",
        example="users: {app: {password: hunter2}}",
        fix="Use `password: ${NAME}`, `password_file` or `password_hash` for a user, and `${NAME}` elsewhere.",
    ),
    LintRule(
        "reserved-name",
        summary="A name begins with `amq.`, or a built-in exchange has settings of its own",
        why="RabbitMQ reserves this prefix, declares its own exchanges, and refuses to declare others.",
        example="queues: {amq.high: {}}",
        fix="Rename it. Built-in exchanges such as `amq.topic` are bound without being declared; bindings into one "
        "are written as `exchanges: {amq.topic: {bindings: […]}}`.",
    ),
    LintRule(
        "bad-uri",
        summary="The URI of a link is not an AMQP URI, or RabbitMQ would misread it",
        why="RabbitMQ refuses it, or connects with another password or to another host or vhost than meant. In a user "
        "name, a password or a vhost, each of `# / ? % @ :` must be percent-encoded.",
        example='federation: {upstreams: {berlin: {uri: "http://berlin"}}}',
        fix="Use `amqp://` or `amqps://`, and percent-encode what the message names, also in variables.",
    ),
    LintRule(
        "bad-hash",
        summary="A `password_hash` is not the hash of a password",
        why="RabbitMQ would refuse it, or no password would match it.",
        example="users: {app: {password_hash: hunter2}}",
        fix="Use the output of `rabbitmqctl hash_password`, with the `hashing_algorithm` that made it.",
    ),
    LintRule(
        "unused-allow",
        severity=Severity.WARNING,
        summary="`allow` accepts a finding that no longer occurs",
        why="It would accept the same finding if it came back for another reason.",
        example="queues: {high: {}}\nunmatched: high\nallow:\n  - {code: unreached-queue, object: low, reason: old}",
        fix="Remove the entry.",
    ),
)
