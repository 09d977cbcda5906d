"""What `plan` and `apply` share: making a plan from the options, and saving it as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..topology.base.known_secrets import KnownSecrets
from ..topology.base.resources import Key
from ..topology.base.selectors import selector
from ..topology.broker.session import AmqpSession, ManagementSession
from ..topology.change.plan import Plan
from ..topology.change.planner import Planned, plan_by_amqp, plan_by_management, vhost_of
from ..topology.errors import UsageError
from .console import Console
from .files import write_file
from .options import address_of, load_files
from .text import plan_text


@contextmanager
def make_plan(
    console: Console,
    files: tuple[Path, ...],
    options: dict[str, Any],
    *,
    delete: Iterable[Key] = (),
    run: Iterable[Key] = (),
) -> Iterator[Planned]:
    """Loads the files and compares them with the broker; the session stays open within the `with` block.

    Parameters:
      console: Where warnings go.
      files: The files.
      options: The values of `broker_options` and `planning_options`.
      delete: Objects to delete in addition to those in the options.
      run: Shovels to start in addition to those in the options.

    Raises:
      FileError: The file has mistakes; the broker was not contacted.
      BrokerError: The broker cannot be read.
    """
    loaded = load_files(console, files, require_secrets=options["via"] != "amqp")
    address = address_of(options)
    passwords = {address.password.reveal(), address.management.password.reveal()}
    names = {address.user, address.management.user, address.vhost or "", *loaded.source.literals()}
    console.protect(KnownSecrets(passwords, public=names))
    vhost = vhost_of(loaded, address)
    if options["via"] == "amqp":
        if options["deletions"]:
            raise UsageError("`--delete` needs the management API", "remove `--via amqp`")
        yield plan_by_amqp(loaded, address, AmqpSession(address, vhost))
        return
    with ManagementSession(address, timeout=options["timeout"]) as session:
        yield plan_by_management(
            loaded,
            address,
            session,
            cluster=options["cluster"],
            delete=tuple(delete),
            selected=options["deletions"],
            run=[*options["runs"], *(selector(key, vhost) for key in run)],
        )


def show_plan(console: Console, plan: Plan) -> None:
    """Writes the plan to stdout, as text or JSON."""
    if console.json:
        console.document(plan.as_dict())
    else:
        console.result(plan_text(plan, verbose=console.verbose))


def write_plan(console: Console, plan: Plan, path: Path) -> None:
    """Writes the plan as JSON, readable by its owner only.

    Raises:
      UsageError: The file cannot be written.
    """
    write_file(path, json.dumps(console.clean(plan.as_dict()), indent=2, ensure_ascii=False), private=True)


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
