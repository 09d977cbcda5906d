"""Carries out a plan, object by object or in bulk, and says of each how it went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from ..base.progress import Progress
from ..base.resources import Key, Kind, Resource
from ..broker.amqp.pipeline import Failure
from ..broker.session import AMQP_KINDS
from ..errors import BrokerError, Refused, RoutectlError, Unreachable
from .diff import diff
from .plan import Change
from .planner import Planned
from .refusals import refusals

_THREADS = 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one change went.

    Parameters:
      change: The change.
      status: `done`, `failed`, or `skipped` because something that it needs failed.
      error: Why not, in the broker's own words; None if it is done.
      hint: What to do about it.
    """

    change: Change
    status: Literal["done", "failed", "skipped"]
    error: str | None = None
    hint: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The outcome as plain data for JSON."""
        key = self.change.key
        return {
            "action": self.change.action,
            "kind": str(key.kind),
            "vhost": key.vhost,
            "name": list(key.name),
            "status": self.status,
            "error": self.error,
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """How an apply went.

    Parameters:
      outcomes: One for each change, in the plan's order.
    """

    outcomes: tuple[Outcome, ...]

    def having(self, status: str) -> list[Outcome]:
        """The outcomes with one status."""
        return [outcome for outcome in self.outcomes if outcome.status == status]

    @property
    def exit_code(self) -> int:
        """0 all is done; 3 some is done; 2 nothing is."""
        if not self.having("failed") and not self.having("skipped"):
            return 0
        return 3 if self.having("done") else 2


def apply(planned: Planned, progress: Progress, *, allow: Iterable[str] = ()) -> ApplyReport:
    """Brings the broker to what the plan shows, reads it back, and compares.

    What failed does not stop what does not depend on it. Interrupted at any point, a new plan shows the rest.

    Parameters:
      planned: The plan.
      progress: Called as things get done.
      allow: The risks that the user takes.

    Raises:
      Refused: the plan holds a change that is not allowed; nothing was done.
      Unreachable: the broker went away half-way.
    """
    refused = refusals(planned, allow)
    if refused:
        raise refused[0]
    run = _Run(planned, progress, "data-loss" in set(allow))
    run.carry_out()
    if planned.session.complete:
        run.verify()
    return ApplyReport(tuple(run.outcome(change) for change in planned.plan.changes))


class _Run:
    """One apply as it goes."""

    def __init__(self, planned: Planned, progress: Progress, lose_messages: bool) -> None:
        self._planned = planned
        self._session = planned.session
        self._progress = progress
        self._lose_messages = lose_messages
        self._errors: dict[Key, RoutectlError] = {}
        self._skipped: dict[Key, str] = {}
        self._missing_vhosts: set[str] = set()

    def carry_out(self) -> None:
        changes = self._planned.plan.changes
        for kind in Kind:
            if kind is Kind.EXCHANGE:
                self._create_in_bulk(
                    [
                        change
                        for change in changes
                        if change.action == "create" and change.key.kind in AMQP_KINDS
                    ]
                )
            if kind not in AMQP_KINDS:
                self._put(
                    [
                        change
                        for change in changes
                        if change.key.kind is kind and change.action in ("create", "update")
                    ]
                )
        for change in changes:
            if change.action == "replace":
                reason = change.rejection or "it exists with other properties"
                self._errors[change.key] = Refused(reason, _REPLACE_BY_HAND)
        self._delete([change for change in changes if change.action == "delete"])

    def outcome(self, change: Change) -> Outcome:
        if change.key in self._skipped:
            return Outcome(change, "skipped", self._skipped[change.key])
        error = self._errors.get(change.key)
        if error is None:
            return Outcome(change, "done")
        return Outcome(change, "failed", _reason(error, change.key), error.hint)

    def _put(self, changes: Sequence[Change]) -> None:
        todo = [change for change in changes if not self._without_vhost(change)]
        if not todo:
            return
        what = f"{todo[0].key.kind}s" if len(todo) > 1 else str(todo[0].key)
        # RabbitMQ serialises writes of policies and parameters; users and vhosts are few.
        with ThreadPoolExecutor(_THREADS) as executor:
            for done, _ in enumerate(executor.map(self._put_one, todo), 1):
                self._progress(what, done, len(todo))

    def _put_one(self, change: Change) -> None:
        try:
            self._session.put(change.resource)
        except Unreachable:
            raise
        except BrokerError as error:
            self._errors[change.key] = error
            if change.key.kind is Kind.VHOST and change.action == "create":
                self._missing_vhosts.add(change.key.name[0])

    def _create_in_bulk(self, changes: Sequence[Change]) -> None:
        by_vhost: dict[str, list[Resource]] = {}
        for change in changes:
            if not self._without_vhost(change):
                by_vhost.setdefault(change.key.vhost, []).append(change.resource)
        for vhost, resources in by_vhost.items():
            what = "exchanges, queues and bindings" + (f" of {vhost}" if len(by_vhost) > 1 else "")
            try:
                failures = self._session.create_all(vhost, resources, partial(self._progress, what))
            except Unreachable:
                raise
            except BrokerError as error:  # the vhost is closed to us; another one need not be
                failures = [Failure(resource, error) for resource in resources]
            self._errors.update({failure.resource.key: failure.error for failure in failures})

    def _without_vhost(self, change: Change) -> bool:
        """Whether the change's vhost could not be created; then there is no use in trying."""
        missing = change.key.vhost in self._missing_vhosts
        if missing:
            self._skipped[change.key] = f"its vhost `{change.key.vhost}` could not be created"
        return missing

    def _delete(self, changes: Sequence[Change]) -> None:
        for done, change in enumerate(changes, 1):
            try:
                self._session.delete(change.resource, if_empty=not self._lose_messages)
            except Unreachable:
                raise
            except (BrokerError, Refused) as error:
                self._errors[change.key] = error
            self._progress("deletions", done, len(changes))

    def verify(self) -> None:
        """Reads the state again. What is missing without an error is tried once more alone, for the reason."""
        tried = self._silently_missing()
        for left in tried:
            if left.action != "delete":
                self._put_one(left)
        if any(left.key not in self._errors for left in tried):
            for left in self._silently_missing():
                reason = "the broker reports success, and is not as the file wants it"
                self._errors[left.key] = BrokerError(reason, "run `routectl plan` to see what differs")

    def _silently_missing(self) -> list[Change]:
        told = self._errors.keys() | self._skipped.keys()
        planned = {change.key for change in self._planned.plan.changes}
        return [left for left in self._remaining() if left.key in planned and left.key not in told]

    def _remaining(self) -> tuple[Change, ...]:
        self._progress("reading back", 0, 1)
        live = self._session.read(self._planned.desired, self._planned.plan.vhosts)
        self._progress("reading back", 1, 1)
        return diff(self._planned.desired, live, delete=self._planned.delete).changes


def _reason(error: RoutectlError, key: Key) -> str:
    """What went wrong, without naming the object once more."""
    return error.message.removeprefix(f"cannot create {key}: ").removeprefix(f"cannot delete {key}: ")


_REPLACE_BY_HAND = "make the file say what the broker has, or delete the object by hand when it is not needed"
