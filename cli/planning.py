"""What `plan` and `apply` share: making a plan from the options, and saving it as JSON."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from click.core import ParameterSource

from ..topology.base.known_secrets import KnownSecrets
from ..topology.base.redaction import mask_urls
from ..topology.base.resources import Key, Kind, lock_key
from ..topology.base.selectors import selector
from ..topology.broker.amqp.lock import ApplyLock
from ..topology.broker.session import AmqpSession, ManagementSession
from ..topology.change.history.log import Log
from ..topology.change.history.rollback import Rollback
from ..topology.change.plan import Permit, Plan
from ..topology.change.planner import Planned, plan_by_management, vhost_of
from ..topology.change.refusals import refusals
from ..topology.change.safety.problem import refusal
from ..topology.change.stale import stale_reasons
from ..topology.change.via_amqp import plan_by_amqp
from ..topology.errors import BrokerError, Unreachable, UsageError
from .console import Console
from .files import write_file
from .options import address_of, load_files
from .text import plan_text

if TYPE_CHECKING:
    from ..topology.broker.address import Address
    from ..topology.file.load import Loaded

#: The options that a saved plan does not contain.
_REPEATED = frozenset(
    {"broker", "management", "ca_file", "cert_file", "key_file", "insecure", "timeout", "cluster"}
)


@contextmanager
def make_plan(
    console: Console,
    files: tuple[Path, ...],
    options: dict[str, Any],
    *,
    delete: Iterable[Key] = (),
    run: Iterable[Key] = (),
    rollback: Rollback | None = None,
) -> Iterator[Planned]:
    """Loads the files and compares them with the broker; the session stays open within the `with` block.

    Parameters:
      console: Where warnings go.
      files: The files.
      options: The values of `broker_options` and `planning_options`.
      delete: Objects to delete in addition to those in the options.
      run: Shovels to start in addition to those in the options.
      rollback: Plans the state of an earlier apply instead of the file.

    Raises:
      FileError: The file has mistakes; the broker was not contacted.
      BrokerError: The broker cannot be read.
    """
    with _planner(console, files, options, delete, run, rollback) as planner:
        yield planner.plan()


@dataclass(frozen=True, slots=True)
class LockedPlan:
    """A plan that was made under the lock of its stack.

    Parameters:
      planned: The plan.
      lock: The lock.
      again: Makes the plan once more.
    """

    planned: Planned
    lock: ApplyLock
    again: Callable[[], Planned]

    def begin(self) -> None:
        """Takes the lock in a vhost that the plan creates, and releases one that its queues leave no room for.

        Raises:
          Refused: another apply holds the lock, or had it in the meantime and changed what the plan would do.
        """
        plan = self.planned.plan
        if plan.vhost in self.planned.full:
            self.lock.give_up(f"`max_queues` of vhost `{plan.vhost}` leaves no room for its queue")
        elif self.lock.lacks_vhost:
            self._lock_new_vhost(plan)

    def _lock_new_vhost(self, plan: Plan) -> None:
        key = Key(Kind.VHOST, "", (plan.vhost,))
        for change in plan.changes:
            if change.key == key:
                try:
                    self.planned.session.put(change.resource)
                except Unreachable:
                    raise
                except BrokerError:
                    return  # the apply reports it
        self.lock.acquire()
        if reasons := stale_reasons(plan, self.again().plan):
            raise refusal(
                "another apply has changed the broker since this plan was made", reasons, reasons[0].hint
            )


@contextmanager
def make_locked_plan(
    console: Console,
    files: tuple[Path, ...],
    options: dict[str, Any],
    *,
    delete: Iterable[Key] = (),
    run: Iterable[Key] = (),
    timeout: float,
    rollback: Rollback | None = None,
) -> Iterator[LockedPlan]:
    """Like `make_plan`, but no other apply of the stack changes the broker within the `with` block.

    Parameters:
      timeout: Seconds to wait for another apply.
      rollback: Plans the state of an earlier apply instead of the file.

    Raises:
      Refused: another apply of the stack is running.
    """
    with _planner(console, files, options, delete, run, rollback) as planner:
        lock = ApplyLock(
            planner.address,
            lock_key(planner.vhost, planner.loaded.topology.name),
            planner.loaded.topology.name,
            find=planner.session.holder,
            timeout=timeout,
            say=console.say,
        )
        with lock:
            yield LockedPlan(planner.plan(lock.acquire), lock, planner.plan)


@dataclass(frozen=True, slots=True)
class _Planner:
    """What plans are made of."""

    loaded: Loaded
    address: Address
    vhost: str
    session: AmqpSession | ManagementSession
    plan: Callable[..., Planned]


@contextmanager
def _planner(
    console: Console,
    files: tuple[Path, ...],
    options: dict[str, Any],
    delete: Iterable[Key],
    run: Iterable[Key],
    rollback: Rollback | None = None,
) -> Iterator[_Planner]:
    if options["via"] == "amqp":
        _refuse_over_amqp(
            {
                "--delete": options["deletions"],
                "--prune": options["prune"],
                "--take-over": options["take_over"],
                "--run": options["runs"],
            }
        )
    loaded = load_files(console, files, require_secrets=options["via"] != "amqp")
    address = address_of(options)
    passwords = {address.password.reveal(), address.management.password.reveal()}
    names = {address.user, address.management.user, address.vhost or "", *loaded.texts.public}
    console.protect(KnownSecrets(passwords, public=names))
    vhost = vhost_of(loaded, address)
    if options["via"] == "amqp":
        amqp = AmqpSession(address, vhost)
        make: Callable[..., Planned] = partial(
            plan_by_amqp, loaded, address, amqp, cluster=options["cluster"]
        )
        yield _Planner(loaded, address, vhost, amqp, partial(_protected, console, make))
        return
    with ManagementSession(address, timeout=options["timeout"]) as session:
        make = partial(
            plan_by_management,
            loaded,
            address,
            session,
            cluster=options["cluster"],
            delete=tuple(delete),
            selected=options["deletions"],
            run=[*options["runs"], *(selector(key, vhost) for key in run)],
            prune=options["prune"],
            take_over=options["take_over"],
        )
        if rollback is not None:
            make = rollback.planner(make, session, Log(loaded.topology.name, vhost))
        yield _Planner(loaded, address, vhost, session, partial(_protected, console, make))


def _protected(
    console: Console, make: Callable[..., Planned], begin: Callable[[], None] = lambda: None
) -> Planned:
    """A plan whose secrets are removed from all output from now on."""
    planned = make(begin=begin)
    console.protect(planned.plan.secrets)
    return planned


def _refuse_over_amqp(given: Mapping[str, Any]) -> None:
    """Raises UsageError if one of the options is given, all of which need to know what is on the broker."""
    for option, value in given.items():
        if value:
            raise UsageError(f"`{option}` needs the management API", "remove `--via amqp`")


def show_plan(console: Console, plan: Plan) -> None:
    """Writes the plan to stdout, as text or JSON."""
    if console.json:
        console.document(plan.as_dict())
    else:
        console.result(plan_text(plan, verbose=console.verbose, quiet=console.quiet))


def save_plan(console: Console, planned: Planned, path: Path) -> None:
    """Writes a plan as JSON, readable by its owner only, and says how to apply it.

    Raises:
      UsageError: The file cannot be written.
    """
    data = console.clean(planned.plan.as_dict())
    write_file(path, json.dumps(data, indent=2, ensure_ascii=False), private=True)
    console.say(f"wrote {path}; {how_to_apply(planned, path)}")


def how_to_apply(planned: Planned, path: Path) -> str:
    """The command that applies a saved plan, with the options of this command that the plan does not contain.

    A URL with a password is not repeated: the variable that sets it is named instead.

    Parameters:
      planned: The plan.
      path: Where it was saved.
    """
    refused = refusals(planned, get_args(Permit))
    if refused:
        return f"`apply` would refuse it: {refused[0].message}"
    words, variables = ["routectl", "apply", str(path)], []
    context = click.get_current_context()
    for parameter in context.command.params:
        name = parameter.name or ""
        if name not in _REPEATED or context.get_parameter_source(name) is not ParameterSource.COMMANDLINE:
            continue
        option, value = max(parameter.opts, key=len), context.params[name]
        text = f"{value:g}" if isinstance(value, float) else str(value)
        if mask_urls(text) != text:
            variables.append(str(parameter.envvar))
        else:
            words += [option] if value is True else [option, text]
    plan = planned.plan
    risks = dict.fromkeys(risk for change in plan.changes for risk in change.risks)
    risks |= dict.fromkeys(permit for problem in plan.problems for permit in problem.allow)
    words += [word for risk in risks for word in ("--allow", risk)]
    given = (
        f"with {' and '.join(variables)} set to the same URL{'s' * (len(variables) > 1)}, "
        if variables
        else ""
    )
    return f"{given}apply it with `{shlex.join(words)}`"


def read_plan(path: Path) -> Plan:
    """The plan in a file.

    Raises:
      UsageError: It cannot be read, or is not a plan.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"`{path}` cannot be read: {(error.strerror or str(error)).lower()}") from None
    except (ValueError, RecursionError):
        raise UsageError(
            f"`{path}` is not JSON", "make a plan with `routectl plan --out plan.json`"
        ) from None
    return Plan.from_dict(data)
