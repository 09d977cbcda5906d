"""The reference of finding codes, from their registry."""

from __future__ import annotations

from routectl.cli.text import printable
from routectl.topology.lint.catalog.rule import LintRule
from routectl.topology.lint.registry import FAMILIES

#: What the Python examples are checked with.
FILE = """\
version: 1
queues: {high: {}, low: {max_wait: 1m}}
routes:
  - {tasks: billing.*, queue: high}
  - {tasks: reports.*, queue: low}
workers: {all: {queues: [high, low], order: strict}}
"""

#: The module that the Python examples are added to.
APP = """\
from celery import Celery
from routectl.routing.celery import configure

app = Celery("shop", broker="amqp://")
configure(app, "queues.yaml")


@app.task(name="billing.charge")
def charge(): ...


@app.task(name="reports.daily")
def daily(): ...


"""

_HEAD = """\
# Findings

<!-- Generated from topology/lint/catalog by docs/generate.py: edit that, then run `make docs`. -->

Every finding has a code. This page explains what each code means, why it matters and what to do, as
`routectl lint --explain CODE` does. `routectl lint` reports errors in the file and some of the warnings,
`routectl check` all findings about the file, and `routectl check --app` also those about an app.

An error makes both commands fail, a warning only `routectl check`. `--allow CODE` accepts the findings with a code.
The examples leave out `version: 1`.
"""

_APP = f"""\
The YAML examples are checked with this app, the Python examples extend it:

```python
{APP.rstrip()}
```

The Python examples are checked with this file:

```yaml
{FILE}```
"""


def page() -> str:
    """The page as Markdown."""
    parts = [_HEAD]
    for family, rules in FAMILIES.items():
        parts += [f"## {family}\n", *([_APP] if family == "App" else []), *map(_section, rules)]
    return "\n".join(parts)


def _section(rule: LintRule) -> str:
    example = printable(rule.example, keep="\n")
    return f"""\
### {rule.code}

{rule.summary} ({rule.severity}).

{rule.why}

```{rule.language} finding
{example}
```

{rule.fix}
"""
