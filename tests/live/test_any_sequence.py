"""Random files of one stack after each other, and what others do beside them: after each apply, everything is right.

The declared objects are exactly there, those of others are untouched, the plan is empty, what was announced is what
changed, and no message of a queue that stays or gets another name is gone. The number of sequences is that of
`make proof`, if it is set.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, event, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from routectl.topology.base.resources import queue_key
from routectl.topology.change.desired import desired_state
from routectl.topology.errors import FileError
from routectl.topology.file.load import load
from routectl.topology.lint.runner import check_versions
from tests.brokers import Broker, Management
from tests.conftest import delete_vhost

from .conftest import Command, Result
from .stack_broker import DEEDS, Contents, Vhosts
from .stack_files import EDITS, QUEUES, Edit, Listing, Stack, edited, former_after
from .stack_laws import Own, Transition, is_internal, key_of, messages_kept

SEQUENCES = int(os.environ.get("ROUTECTL_TEST_CASES", "3"))
ALLOWED = ("--allow", "disruptive", "--allow", "destructive", "--allow", "mass-change")
PERMISSIONS = {"configure": ".*", "write": ".*", "read": ".*"}

#: Queues to which messages are published, and what others do.
MEANWHILE = st.tuples(
    st.sets(st.sampled_from([*QUEUES, "theirs", *(f"{name}.1" for name in QUEUES)]), min_size=3),
    st.lists(st.tuples(st.sampled_from(["here", "here", "here", "there"]), DEEDS), max_size=6),
)


class Sequence(RuleBasedStateMachine):
    """Files of one stack in a vhost of its own, and what others do there.

    Parameters:
      broker: The broker.
      management: Its management API.
      command: Makes the command for a vhost.
    """

    def __init__(self, broker: Broker, management: Management, command: Callable[[str], Command]) -> None:
        super().__init__()
        self._broker, self._management = broker, management
        self._vhost = f"any-{uuid.uuid4().hex[:8]}"
        self._other = f"{self._vhost} @/%"
        management.put(f"vhosts/{self._vhost}")
        management.put(f"permissions/{self._vhost}/guest", PERMISSIONS)
        self._routectl = command(self._vhost)
        self._vhosts = Vhosts(broker, management, [self._vhost, self._other])
        self._stack, self._own = Stack(), Own()
        self._contents: Contents = {}
        self._applied: dict[int, Stack] = {}

    def teardown(self) -> None:
        for vhost in self._vhosts.existing():
            delete_vhost(self._management, vhost)

    @initialize(edits=st.lists(EDITS, min_size=15, max_size=30))
    def begin(self, edits: list[Edit]) -> None:
        self._change_file(edits)

    @rule(meanwhile=MEANWHILE, edits=st.lists(EDITS, max_size=10))
    def apply(self, meanwhile: tuple[set[str], list[Any]], edits: list[Edit]) -> None:
        """Somebody edits the file, and applies it."""
        self._let_others(*meanwhile)
        self._change_file(edits)

    @rule(meanwhile=MEANWHILE, edits=st.lists(EDITS, min_size=3, max_size=10))
    def change_much(self, meanwhile: tuple[set[str], list[Any]], edits: list[Edit]) -> None:
        """Somebody edits the file a lot, and applies it."""
        self._let_others(*meanwhile)
        self._change_file(edits)

    @rule(meanwhile=MEANWHILE, back=st.integers(0, 3))
    def roll_back(self, meanwhile: tuple[set[str], list[Any]], back: int) -> None:
        """Somebody returns to an earlier apply, and changes the file, too."""
        self._let_others(*meanwhile)
        applies = self._routectl("history", "--format", "json").json["applies"]
        if applies:
            number = applies[back % len(applies)]["number"]
            earlier, former = self._applied[number], self._stack.former(self._vhost, self._other)
            renamed = former_after(former, earlier.declared(self._vhost, self._other))
            self._carry_out(("rollback", str(number)), earlier, renamed)

    def _let_others(self, names: set[str], deeds: list[Any]) -> None:
        """Somebody changes the broker, and tasks are published to queues that nobody consumes."""
        for where, deed in deeds:
            if where == "here" or self._other in self._vhosts.existing():
                self._vhosts.do(deed, self._vhost if where == "here" else self._other)
            if deed[0] == "delete":
                existing = self._vhosts.listing()
                self._contents = {key: numbers for key, numbers in self._contents.items() if key in existing}
        existing = self._vhosts.listing()
        for queue in sorted(queue_key(self._vhost, name) for name in names):
            if numbers := self._vhosts.publish(queue, 2) if queue in existing else None:
                self._contents.setdefault(queue, set()).update(numbers)

    def _change_file(self, edits: list[Edit]) -> None:
        stack = edited(self._stack, edits)
        if self._is_accepted(stack):
            self._carry_out(("apply",), stack, stack.former(self._vhost, self._other))
        else:
            event("refused by lint")

    def _is_accepted(self, stack: Stack) -> bool:
        self._write(stack)
        version = (self._broker.version[0], self._broker.version[1])
        try:
            loaded = load(self._routectl.path)
        except FileError:
            self._write(self._stack)
            return False
        assert not check_versions(loaded.topology, loaded.position, (version,))
        return True

    def _write(self, stack: Stack) -> None:
        data = yaml.safe_dump(stack.as_yaml(self._other), allow_unicode=True, sort_keys=False)
        self._routectl.path.write_text(data, encoding="utf-8")

    def _declared(self, stack: Stack) -> Listing:
        """What the broker should have; Celery's delay queues are those that routectl names."""
        self._write(stack)
        found = stack.declared(self._vhost, self._other)
        wanted = desired_state(load(self._routectl.path).topology, self._vhost, self._broker.version[:2])
        more = {key: {} for key in wanted if key not in found}
        for key in more:
            assert is_internal(key) or key.name[3].startswith("#"), key
        return found | more

    def _carry_out(self, words: tuple[str, ...], stack: Stack, former: Any) -> None:
        """Applies, and checks the laws."""
        before, declared = self._vhosts.listing(), self._declared(stack)
        if words[0] == "rollback":
            self._write(self._stack)
        result = self._apply(words, before)
        if result is None:
            self._write(self._stack)
            return
        changes, after = result.json["changes"], self._vhosts.listing()
        transition = Transition(before, after, changes, declared, former, self._own)
        transition.check()
        contents = self._vhosts.contents(
            [key for key in after if key.kind == "queue" and not is_internal(key)]
        )
        assert list(messages_kept(self._contents, contents, changes, after)) == []
        self._stack, self._own, self._contents = stack, transition.owned_after(), contents
        self._write(stack)
        planned = self._routectl("plan", "--prune", "--exit-code")
        assert planned.code == 0, planned.out + planned.err
        self._remember(stack)

    def _apply(self, words: tuple[str, ...], before: Listing) -> Result | None:
        """The result of an apply; None if it is refused for good, which changes nothing."""
        command = (*words, "--yes", "--prune", *ALLOWED, "--format", "json")
        result = self._routectl(*command)
        if result.code == 1:
            refusals = result.json["refusals"]
            assert self._vhosts.listing() == before, "a refused apply changed something"
            for reason in (item for item in refusals if item["allow"] != ["data-loss"]):
                note(str(reason))
                event(f"refused: {reason['message'][:60]}")
                assert reason["message"].endswith("whose messages cannot be moved"), reason
                return None
            result = self._routectl(*command, "--allow", "data-loss")
        else:
            filled = {queue for queue, numbers in self._contents.items() if numbers}
            lost = {key_of(item) for item in result.json["changes"] if item["action"] == "delete"} & filled
            assert not lost, f"deleted without permission: {lost}"
        assert result.code == 0, result.out + result.err
        return result

    def _remember(self, stack: Stack) -> None:
        applies = self._routectl("history", "--format", "json").json["applies"]
        if applies:
            self._applied.setdefault(applies[0]["number"], stack)


@pytest.fixture
def command(broker: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[str], Command]:
    return lambda vhost: Command(broker, vhost, tmp_path, capsys)


def test_after_each_apply_of_any_sequence_everything_is_right(
    broker: Broker, management: Management, command: Callable[[str], Command]
) -> None:
    run_state_machine_as_test(
        lambda: Sequence(broker, management, command),
        settings=settings(
            max_examples=SEQUENCES,
            stateful_step_count=6,
            deadline=None,
            derandomize="ROUTECTL_TEST_CASES" not in os.environ,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink] if SEQUENCES > 100 else [Phase.generate],
        ),
    )
