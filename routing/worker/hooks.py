"""What a Celery worker does differently once its app was set up from a file: profiles, queue checks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click
from celery import signals
from celery.bin.base import CeleryOption
from kombu.utils.compat import _detect_environment

from ...topology.errors import UsageError
from ...topology.finding import did_you_mean
from ..publish import router_of
from . import profile as profiles
from .consumer import consumer_class

if TYPE_CHECKING:
    from collections.abc import Sequence

_UID = "routectl"


def connect() -> None:
    """Has this module called when a worker starts; apps that were not set up from a file pass untouched."""
    signals.celeryd_init.connect(choose_queues, weak=False, dispatch_uid=_UID)
    signals.worker_init.connect(declare_nothing, weak=False, dispatch_uid=_UID)


def add_profile_option(app: Any) -> None:
    """Adds `--profile` to the worker command of an app."""
    options = app.user_options["worker"]
    if not any(option.name == "profile" for option in options):
        options.add(
            CeleryOption(
                ("--profile",),
                metavar="NAME",
                envvar=profiles.PROFILE_VARIABLE,
                is_eager=True,
                callback=take_profile,
                help_group="Worker Options",
                help="Profile of the app's routectl file: queues and how the worker runs. Other options win.",
            )
        )


def take_profile(ctx: click.Context, _param: click.Parameter, name: str | None) -> str | None:
    """Makes a profile the defaults of the worker's other options, before these are read."""
    if name is None:
        return None
    app = ctx.obj.app
    app.conf.task_routes  # noqa: B018 reads the configuration, which sets the router
    router = router_of(app)
    if router is None:
        _fail(f"`--profile {name}` needs an app that `configure` set up")
    try:
        profile = profiles.find(router.body, name, router.origin)
    except UsageError as error:
        _fail(error.message, error.hint)
    parsed = _parse(ctx, profile.options, name)
    ctx.default_map = {**(ctx.default_map or {}), **profiles.option_values(name, profile), **parsed}
    app.conf.update(profiles.settings(profile))
    return name


def choose_queues(instance: Any, options: dict[str, Any], **_: Any) -> None:
    """Takes the profile's queues where the command line names none, and stops at a name that is no queue."""
    app = instance.app
    router = router_of(app)
    if router is None:
        return
    _stop_unpatched(options.get("pool"))
    chosen = _names(options.get("queues"))
    known = app.amqp.queues
    for name in (*chosen, *_names(options.get("exclude_queues"))):
        if name not in known and name not in known.aliases:
            _fail(f"{router.origin} has no queue `{name}`", did_you_mean(name, known))
    if not chosen:
        profile = router.body.workers.get(options.get("profile") or "")
        known.select(router.body.consumed(profile) if profile else profiles.consumed_by_default(router.body))


def declare_nothing(sender: Any, **_: Any) -> None:
    """Gives the worker a consumer that checks its queues instead of declaring them."""
    router = router_of(sender.app)
    if router is not None and not router.declare:
        sender.consumer_cls = consumer_class(sender.consumer_cls)


def _names(value: str | Sequence[str] | None) -> list[str]:
    """The words of `-Q` or `-X`."""
    if value is None:
        return []
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else list(value)


def _parse(ctx: click.Context, words: Sequence[str], name: str) -> dict[str, Any]:
    """A profile's `options` by parameter name."""
    try:
        values, rest, _ = ctx.command.make_parser(ctx).parse_args(list(words))
    except click.UsageError as error:
        _fail(f"the options of profile `{name}` are wrong: {error.format_message()}")
    if rest:
        _fail(f"profile `{name}` has options that `celery worker` does not know: {' '.join(rest)}")
    return dict(values)


def _stop_unpatched(pool: Any) -> None:
    """Green pools patch the standard library before the app is imported, which only `-P` brings about."""
    wanted = getattr(pool, "__module__", str(pool)).rpartition(".")[2]
    if wanted in profiles.GREEN_POOLS and _detect_environment() != wanted:
        _fail(f"the profile's pool has to stand on the command line as well: add `-P {wanted}`")


def _fail(message: str, hint: str | None = None) -> NoReturn:
    """Ends the command with a sentence: Celery would log what a signal's receiver raises and go on."""
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)
    sys.exit(2)
