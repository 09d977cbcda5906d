"""No value from a variable is in any output, wherever in the file it is, also after it has changed or left the file."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.brokers import Management

from .conftest import Command

#: Random sets of values; more with `make proof`.
CASES = int(os.environ.get("ROUTECTL_TEST_CASES", "2"))

_TEXTS = st.text(
    st.one_of(
        st.sampled_from("#/?%@:\"\\ '<&ü🐇=+"), st.characters(codec="ascii", categories=["L", "N", "P"])
    ),
    min_size=6,
    max_size=24,
).filter(lambda text: text.strip() == text)
_TEXTS = _TEXTS.map(lambda text: f"s3{text}")  # no word of the output, which a value may be
_DIGITS = st.integers(min_value=100_000, max_value=2**53).map(str)

#: Where a value, and not a name, can come from a variable; each place has its own. The broker accepts all of it.
ACCEPTED = """
description: "${{A0}}"
users: {{"app-{vhost}": {{password: "${{A1}}"}}}}
global_parameters:
  note-{vhost}:
    plain: "${{A2}}"
    listed: ["${{A3}}"]
    number: ${{N0}}
exchanges:
  e: {{type: headers, arguments: {{x-note: "${{A4}}"}}}}
queues:
  q:
    arguments:
      x-note: "${{A5}}"
      x-map: {{inner: "in ${{A6}}"}}
      x-list: ["${{A7}}"]
      x-number: ${{N1}}
    bindings:
      - exchange: e
        match: any
        headers:
          label: "${{A8}}"
          number: ${{N2}}
        arguments: {{x-label: "${{A9}}"}}
  t: {{bindings: [{{exchange: amq.topic, key: t}}]}}
federation:
  upstreams: {{u: {{uri: "amqp://app:${{U0}}@localhost:1"}}}}
routes:
  - tasks: a
    queue: t
    headers:
      label: "${{A13}}"
      number: ${{N3}}
    options: {{argsrepr: "${{A14}}"}}
  - {{tasks: b, queue: t, when: {{kwargs.label: "${{A15}}"}}}}
unmatched: t
workers: {{all: {{queues: [t]}}}}
tests:
  - task: b
    queue: t
    args: ["${{A16}}"]
    kwargs: {{label: "${{A17}}"}}
    headers: {{label: "${{A18}}"}}
    key: "${{A19}}"
shovels:
  s:
    src_uri: "amqp://app:${{U1}}@localhost:1"
    src_queue: q
    dest_uri: "amqp://localhost:1?password=${{U2}}"
    dest_queue: t
    dest_publish_properties: {{message_id: "${{A12}}"}}
"""

#: What is refused beforehand.
FORESEEN = """
policies: {{p: {{pattern: q, apply_to: queues, definition: {{arguments: {{note: "${{A20}}"}}}}}}}}
operator_policies: {{o: {{pattern: q, apply_to: queues, definition: {{arguments: {{note: "${{A21}}"}}}}}}}}
"""

#: What the broker refuses.
REFUSED = """\
  refused:
    src_uri: "amqp://app:${{U1}}@/none"
    src_queue: q
    dest_uri: "amqp://localhost:1?password=${{U2}}"
    dest_publish_properties: {{correlation_id: "${{A11}}"}}
"""
_TEXT_PLACES, _DIGIT_PLACES, _URL_PLACES = 22, 4, 3
_VALUES = st.lists(
    _TEXTS, min_size=_TEXT_PLACES + _URL_PLACES, max_size=_TEXT_PLACES + _URL_PLACES, unique=True
)
_NUMBERS = st.lists(_DIGITS, min_size=_DIGIT_PLACES, max_size=_DIGIT_PLACES, unique=True)


class _Recorder:
    """Runs commands, keeps what they show, and sets the values of the variables.

    Parameters:
      routectl: Runs a command.
      set_variable: Sets an environment variable.
    """

    def __init__(self, routectl: Command, set_variable: Callable[[str, str], None]) -> None:
        self._routectl, self._set = routectl, set_variable
        self.values: set[str] = set()
        self.shown: list[str] = []

    def use(self, texts: list[str], numbers: list[str]) -> None:
        """Sets all variables."""
        for place, text in enumerate(texts[:_TEXT_PLACES]):
            self._set(f"A{place}", text)
        for place, text in enumerate(texts[_TEXT_PLACES:]):
            self._set(f"U{place}", quote(text, safe=""))
        for place, number in enumerate(numbers):
            self._set(f"N{place}", number)
        self.values.update(texts, numbers)

    def run(self, *words: str) -> str:
        """Runs a command, and returns its output."""
        result = self._routectl(*words)
        self.shown += [result.out, result.err]
        return result.out

    def run_local(self, *words: str) -> None:
        """Runs a command that does not contact a broker."""
        result = self._routectl.local(*words)
        self.shown += [result.out, result.err]


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(first=st.tuples(_VALUES, _NUMBERS), second=st.tuples(_VALUES, _NUMBERS))
def test_no_value_of_a_variable_is_shown_at_any_time(
    routectl: Command,
    management: Management,
    vhost: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    first: tuple[list[str], list[str]],
    second: tuple[list[str], list[str]],
) -> None:
    used = _Recorder(routectl, monkeypatch.setenv)
    whole = (ACCEPTED + REFUSED).format(vhost=vhost)
    try:
        with caplog.at_level(logging.DEBUG, "routectl"):
            used.use(*first)
            routectl.write(whole + FORESEEN.format(vhost=vhost))
            _show_everything(used)
            assert "1 problem" in used.run("plan")
            used.run("apply", "--yes", "-v")
            routectl.write(whole)
            assert "1 failed" in used.run("apply", "--yes", "-v")
            used.run("apply", "--yes", "--format", "json", "--debug")
            routectl.write(ACCEPTED.format(vhost=vhost))
            assert "No changes" in used.run("plan")
            used.use(*second)
            _show_everything(used)
            used.run("plan", "--out", str(routectl.folder / "plan.json"))
            used.shown.append((routectl.folder / "plan.json").read_text())
            used.run("apply", "--yes", "--allow", "destructive")
            routectl.write("exchanges: {other: {type: direct}}\n")
            used.run("plan", "-v")
            plan = json.loads(used.run("plan", "--format", "json"))
            for leftover in plan["leftovers"]:
                if vhost in (leftover["vhost"], *leftover["name"][0].split("-", 1)):
                    used.run("plan", "--format", "json", "--delete", leftover["delete"])
                    used.run("plan", "-v", "--delete", leftover["delete"])
    finally:
        _clean_up(management, vhost)
    everything = "\n".join([*used.shown, caplog.text])
    for value in used.values:
        for notation in (value, json.dumps(value)[1:-1]):
            before, found, after = everything.partition(notation)
            assert not found, f"…{before[-300:]}[[{found}]]{after[:100]}…"


def _show_everything(used: _Recorder) -> None:
    for words in (["lint"], ["check", "-v"], ["route", "a", "b"]):
        used.run_local(*words)
        used.run_local(*words, "--format", "json")
    for options in ([], ["-v"], ["--format", "json"], ["--via", "amqp"], ["--debug"]):
        used.run("plan", *options)


def _clean_up(management: Management, vhost: str) -> None:
    path = quote(vhost, safe="")
    for target in (
        f"users/{quote(f'app-{vhost}', safe='')}",
        f"global-parameters/{quote(f'note-{vhost}', safe='')}",
        f"parameters/shovel/{path}/s",
        f"parameters/federation-upstream/{path}/u",
        f"queues/{path}/q",
        f"exchanges/{path}/e",
    ):
        management.remove(target)
