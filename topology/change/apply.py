"""Applies a plan, object by object or in bulk, and reports the outcome of each change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, Literal

from ..base.progress import Progress
from ..base.resources import Key, Kind, Resource, State, binding_ends
from ..broker.amqp.pipeline import Failure
from ..broker.session import AMQP_KINDS
from ..delivery.network import PREDICTABLE
from ..errors import BrokerError, Refused, RoutectlError, Unreachable, rewritten
from .diff import diff
from .history.recorder import Recorder
from .move.runner import DRAIN_TIMEOUT, Conditions, carry_out
from .ownership.keeper import Keeper
from .plan import Change
from .planner import Planned
from .refusals import refusals
from .safety.problem import refusal

_THREADS = 8


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a change.

    Parameters:
      change: The change.
      status: `done`, `failed`, or `skipped` because a dependency failed.
      error: The error message, usually the broker's; None if the change is done.
      hint: What to do about it.
    """

    change: Change
    status: Literal["done", "failed", "skipped"]
    error: str | None = None
    hint: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The outcome as plain data for JSON."""
        return {
            "action": self.change.action,
            **self.change.key.as_dict(),
            "status": self.status,
            "error": self.error,
            "hint": self.hint,
        }


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """The result of an apply.

    Parameters:
      outcomes: The outcomes of all changes, in the plan's order.
      notes: What could not be recorded of them.
    """

    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...] = ()

    def having(self, status: str) -> list[Outcome]:
        """The outcomes with the given status."""
        return [outcome for outcome in self.outcomes if outcome.status == status]

    @property
    def exit_code(self) -> int:
        """0 if all changes are done, else 3."""
        return 0 if all(outcome.status == "done" for outcome in self.outcomes) else 3


def apply(
    planned: Planned,
    progress: Progress,
    *,
    allow: Iterable[str] = (),
    drain_timeout: float = DRAIN_TIMEOUT,
    recorder: Recorder | None = None,
) -> ApplyReport:
    """Applies a plan, then reads the broker's state again and compares.

    A failed change does not stop changes that do not depend on it. After an interruption, a new plan contains the
    remaining changes.

    Parameters:
      planned: The plan.
      progress: Called after each step.
      allow: The risks that the user accepts.
      drain_timeout: Seconds for which messages that a consumer has may keep a queue from being moved.
      recorder: Records the apply in the history of the stack.

    Raises:
      Refused: the plan contains a change that is not allowed; nothing was changed.
      Unreachable: the connection to the broker was lost.
    """
    refused = refusals(planned, allow)
    if refused:
        raise refusal("plan refused, nothing was changed", refused)
    run = _Run(planned, progress, "data-loss" in set(allow), drain_timeout)
    keeper = Keeper(planned.holdings, planned.session) if planned.holdings is not None else None
    changes = planned.plan.changes
    with rewritten(planned.plan.secrets.hide):
        if keeper is not None:
            keeper.begin(changes)
        if recorder is not None:
            recorder.begin(changes)
        try:
            run.apply()
            if planned.session.complete:
                run.verify()
        except KeyboardInterrupt:
            if recorder is not None:
                recorder.interrupt()
            raise
        if keeper is not None:
            keeper.finish(run.live, run.failed, changes, planned.desired)
        report = ApplyReport(
            tuple(run.outcome(change) for change in changes),
            tuple(keeper.notes) if keeper is not None else (),
        )
        if recorder is not None:
            done = [outcome.change for outcome in report.having("done")]
            recorder.end(done, "done" if report.exit_code == 0 else "partly done")
    return report


def settle(planned: Planned) -> None:
    """Corrects what is recorded of the stack if the plan is empty, as after an apply that did not finish.

    Raises:
      Unreachable: the connection to the broker was lost.
    """
    if planned.holdings is not None and planned.holdings.stale:
        keeper = Keeper(planned.holdings, planned.session)
        keeper.begin(())
        keeper.finish(planned.holdings.live, (), (), planned.desired)


class _Run:
    """The state of an apply in progress."""

    def __init__(
        self, planned: Planned, progress: Progress, allow_data_loss: bool, drain_timeout: float
    ) -> None:
        self._planned = planned
        self._session = planned.session
        self._progress = progress
        self._allow_data_loss = allow_data_loss
        self._drain_timeout = drain_timeout
        self._errors: dict[Key, RoutectlError] = {}
        self._skipped: dict[Key, str] = {}
        self._missing_vhosts: set[str] = set()
        #: The state of the broker after the apply.
        self.live: State = {}

    @property
    def failed(self) -> set[Key]:
        """The objects whose change failed or was skipped."""
        return {*self._errors, *self._skipped}

    def apply(self) -> None:
        changes = self._planned.plan.changes
        writes = [change for change in changes if change.action in ("create", "update", "verify")]
        for kind in Kind:
            if kind is Kind.EXCHANGE:
                # First, since new bindings may fit the new exchange only.
                self._replace([change for change in changes if change.action == "replace"])
                moves = [change for change in changes if change.action == "move"]
                missing = [change for change in moves if change.before is None]
                self._create_in_bulk([*missing, *(item for item in writes if item.key.kind in AMQP_KINDS)])
                self._move([change for change in moves if change.key not in self._errors])
            elif kind not in AMQP_KINDS:
                self._put([change for change in writes if change.key.kind is kind])
        self._delete([change for change in changes if change.action == "delete"])

    def outcome(self, change: Change) -> Outcome:
        if change.key in self._skipped:
            return Outcome(change, "skipped", self._skipped[change.key])
        error = self._errors.get(change.key)
        if error is None:
            return Outcome(change, "done")
        hide = self._planned.plan.secrets.hide
        return Outcome(change, "failed", hide(_reason(error, change.key)), error.hint and hide(error.hint))

    def _put(self, changes: Sequence[Change]) -> None:
        todo = [change for change in changes if not self._skip_without_vhost(change)]
        if not todo:
            return
        what = f"{todo[0].key.kind}s" if len(todo) > 1 else str(todo[0].key)
        # Few threads suffice: RabbitMQ serialises writes of policies and parameters; users and vhosts are few.
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
            if not self._skip_without_vhost(change):
                by_vhost.setdefault(change.key.vhost, []).append(change.resource)
        for vhost, resources in by_vhost.items():
            what = "exchanges, queues and bindings" + (f" of {vhost}" if len(by_vhost) > 1 else "")
            try:
                failures = self._session.create_all(vhost, resources, partial(self._progress, what))
            except Unreachable:
                raise
            except BrokerError as error:  # e.g. no access to this vhost; continue with the others
                failures = [Failure(resource, error) for resource in resources]
            self._errors.update({failure.resource.key: failure.error for failure in failures})

    def _replace(self, changes: Sequence[Change]) -> None:
        deleted = {change.key for change in self._planned.plan.changes if change.action == "delete"}
        requested, added = set(self._planned.plan.requested), self._new_bindings()
        for done, change in enumerate(changes, 1):
            # A binding that leaves the file carries messages until others do; a new type may refuse its key.
            refuses = (
                change.key.kind is Kind.EXCHANGE and change.resource.properties["type"] not in PREDICTABLE
            )
            try:
                self._session.replace(
                    change.resource, deleted if refuses else requested, added.get(change.key, ())
                )
            except Unreachable:
                raise
            except (BrokerError, Refused) as error:
                self._errors[change.key] = error
            self._progress("replacements", done, len(changes))

    def _new_bindings(self) -> dict[Key, list[Resource]]:
        """The bindings that exchanges and queues get by the plan and whose ends exist, by both ends."""
        created = [change for change in self._planned.plan.changes if change.action == "create"]
        missing = {change.key for change in created}
        found: dict[Key, list[Resource]] = {}
        for change in created:
            if change.key.kind is Kind.BINDING and missing.isdisjoint(ends := binding_ends(change.key)):
                for end in set(ends):
                    found.setdefault(end, []).append(change.resource)
        return found

    def _move(self, changes: Sequence[Change]) -> None:
        conditions = Conditions(self._progress, self._drain_timeout)
        for change in changes:
            try:
                with self._session.moving(change.key.vhost) as broker:
                    carry_out(self._planned.moves[change.key], broker, conditions)
            except Unreachable:
                raise
            except (BrokerError, Refused) as error:
                self._errors[change.key] = error

    def _skip_without_vhost(self, change: Change) -> bool:
        """Marks a change as skipped if its vhost could not be created, and returns whether it is."""
        missing = change.key.vhost in self._missing_vhosts
        if missing:
            self._skipped[change.key] = f"its vhost `{change.key.vhost}` could not be created"
        return missing

    def _delete(self, changes: Sequence[Change]) -> None:
        incomplete = {
            key.vhost for key in self._errors.keys() | self._skipped.keys() if key.kind in AMQP_KINDS
        }
        todo = []
        for change in changes:
            if change.key.vhost in incomplete and not change.requested:
                self._skipped[change.key] = "something that the file adds to the vhost could not be created"
            else:
                todo.append(change)
        done = 0
        for (kind, vhost), group in groupby(todo, key=lambda change: (change.key.kind, change.key.vhost)):
            found = list(group)
            if kind is Kind.BINDING:
                self._unbind(vhost, found, done, len(todo))
            else:
                for position, change in enumerate(found, done + 1):
                    self._delete_one(change)
                    self._progress("deletions", position, len(todo))
            done += len(found)

    def _unbind(self, vhost: str, changes: Sequence[Change], before: int, total: int) -> None:
        """Deletes bindings, which are many and independent of each other."""
        bindings = [change.resource for change in changes]
        try:
            failures = self._session.delete_bindings(
                vhost, bindings, lambda now, _: self._progress("deletions", before + now, total)
            )
        except Unreachable:
            raise
        except (BrokerError, Refused) as error:
            failures = [Failure(binding, error) for binding in bindings]
        self._errors.update({failure.resource.key: failure.error for failure in failures})

    def _delete_one(self, change: Change) -> None:
        if change.key.kind is Kind.VHOST and not change.requested:
            inside = (key for key in {**self._errors, **self._skipped} if key.vhost == change.key.name[0])
            if (kept := next(inside, None)) is not None:
                self._skipped[change.key] = f"{kept} in it could not be deleted"
                return
        try:
            self._session.delete(change.resource, if_empty=not self._allow_data_loss)
        except Unreachable:
            raise
        except (BrokerError, Refused) as error:
            self._errors[change.key] = error

    def verify(self) -> None:
        """Reads the state again, and retries changes that are missing without an error, to get the broker's reason."""
        retried = self._missing_without_error()
        for change in retried:
            if change.action != "delete":
                self._put_one(change)
        if any(change.key not in self._errors for change in retried):
            for change in self._missing_without_error():
                reason = "the broker accepted the change, but its state still differs from the file"
                self._errors[change.key] = BrokerError(reason, "run `routectl plan` to see the difference")

    def _missing_without_error(self) -> list[Change]:
        planned = self._planned
        self._progress("reading back", 0, 1)
        deleted = {
            change.key: change.resource for change in planned.plan.changes if change.action == "delete"
        }
        live = self.live = self._session.read({**planned.desired, **deleted}, planned.plan.vhosts)
        self._progress("reading back", 1, 1)
        remaining = diff(planned.desired, live, delete=planned.delete).changes
        unreported = (
            {change.key for change in planned.plan.changes} - self._errors.keys() - self._skipped.keys()
        )
        return [change for change in remaining if change.key in unreported]


def _reason(error: RoutectlError, key: Key) -> str:
    """The error message without the name of the object, which the caller adds."""
    message = error.message
    for verb in ("create", "replace", "move", "delete"):
        message = message.removeprefix(f"cannot {verb} {key}: ")
    return message
