"""Celery signal handlers and worker options of apps set up from a file: profiles, shares, queue checks."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn
from weakref import WeakSet

import click
from celery import signals
from celery.bin.base import CeleryOption
from celery.utils.log import get_logger
from celery.utils.nodenames import NODENAME_DEFAULT
from kombu.utils.compat import _detect_environment

from ...topology.base.listing import listed
from ...topology.errors import UsageError
from ..publishing import broker_url, transport
from ..publishing.router import router_of
from ..publishing.send_task import wrap_send_task
from ..rules.default_queues import consumed_by_default
from . import profile as profiles
from . import queue_selection
from . import share as sharing
from .consumer.follow import FollowFile
from .consumer.queue_checks import consumer_class
from .consumer.reconnect import reconnecting_class
from .consumer.start_consuming import StartConsuming

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..router import Router

_UID = "routectl"

#: The workers of this process.
_workers: WeakSet[Any] = WeakSet()

_logger = get_logger(__name__)


def connect() -> None:
    """Registers the signal handlers, which do nothing for apps that are not set up from a file."""
    signals.celeryd_init.connect(choose_queues, weak=False, dispatch_uid=_UID)
    signals.worker_init.connect(replace_consumer, weak=False, dispatch_uid=_UID)
    signals.celeryd_after_setup.connect(log_queues, weak=False, dispatch_uid=_UID)


def add_options(app: Any) -> None:
    """Adds `--profile` and `--share` to the worker command of an app."""
    options = app.user_options["worker"]
    if any(option.name == "profile" for option in options):
        return
    profile_help = "Worker profile of the app's routectl file: queues and options. Other options override it."
    share_help = "Of each queue with shards, consume every N-th shard, from the K-th.  [default: all]"
    options.add(_option("--profile", "NAME", profiles.PROFILE_VARIABLE, profile_help))
    options.add(_option("--share", "K/N", sharing.SHARE_VARIABLE, share_help))


def _option(name: str, metavar: str, variable: str, text: str) -> Any:
    return CeleryOption(
        (name,),
        metavar=metavar,
        envvar=variable,
        is_eager=True,
        callback=apply_profile,
        help_group="Worker Options",
        help=text,
    )


def apply_profile(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Once both `--profile` and `--share` are parsed, sets the defaults of the worker's other options."""
    parsed = {**ctx.params, param.name: value}
    if {"profile", "share"} <= parsed.keys() and (parsed["profile"], parsed["share"]) != (None, None):
        try:
            _set_defaults(ctx, parsed["profile"], parsed["share"])
        except UsageError as error:
            _fail(error.message, error.hint)
    return value


def _set_defaults(ctx: click.Context, name: str | None, text: str | None) -> None:
    app = ctx.obj.app
    app.conf.task_routes  # noqa: B018 loads the configuration, which sets the router
    router = router_of(app)
    if router is None:
        option = f"--share {text}" if name is None else f"--profile {name}"
        _fail(f"`{option}` needs an app that is set up by `configure`")
    share = sharing.parse_share(text)
    if name is None:
        values: dict[str, Any] = {"hostname": profiles.node_name(NODENAME_DEFAULT, share)}
    else:
        profile = profiles.find_profile(router.body, name, router.origin)
        values = {**profiles.option_values(name, profile, share), **_parse(ctx, profile.options, name)}
        app.conf.update(profiles.settings(profile))
    ctx.default_map = {**(ctx.default_map or {}), **values}


def choose_queues(instance: Any, options: dict[str, Any], **_: Any) -> None:
    """Selects the profile's queues unless the command line has some, and exits on an unknown queue."""
    router = router_of(instance.app)
    if router is None:
        return
    _require_patched(options.get("pool"), options.get("profile"))
    select = partial(queue_selection.select_queues, instance.app, router)
    try:
        broker_url.check_app(instance.app)
        excluded = select(_names(options.get("exclude_queues")))
        share = sharing.parse_share(options.get("share"))
        queues = select(_names(options.get("queues")))
        if not queues:
            instance.routectl_queues = partial(
                _queues_of_profile, router, options.get("profile"), share, excluded
            )
            queues = _profile_queues(router, options.get("profile"))
        instance.routectl_profile = options.get("profile")
        queues = sharing.queues_of_share(router.body, queues, share)
    except UsageError as error:
        _fail(error.message, error.hint)
    queues = queue_selection.quorum_first(router.body, queues)
    # This signal has a copy of the options; Celery uses those that `prepare_args` returns.
    instance.prepare_args = lambda **others: {**others, "queues": queues, "exclude_queues": excluded}


def log_queues(instance: Any, **_: Any) -> None:
    """Logs which shards the worker consumes, and warns if only a profile that it does not have orders its queues."""
    router = router_of(instance.app)
    if router is None:
        return
    share, queues = instance.options.get("share"), instance.app.amqp.queues.consume_from
    for each in sharing.describe_shards(router.body, queues):
        _logger.info("%sconsumes %s", f"share {share}: " if share else "", each)
    ordered = profiles.with_order(router.body, queues)
    if ordered and not instance.options.get("profile") and _is_amqp(instance.app):
        _logger.warning(
            "the worker takes its queues in turn: without `--profile`, it has no order (%s)",
            listed((f"`--profile {name}`" for name in ordered), last=" or "),
        )


def _is_amqp(app: Any) -> bool:
    with app.connection_for_read() as connection:
        return transport.of(connection.transport.driver_type).amqp


def replace_consumer(sender: Any, **_: Any) -> None:
    """Replaces the worker's consumer by one that reconnects and, unless it declares queues, checks them."""
    _workers.add(sender)
    sender.routectl_workers = _workers
    router = router_of(sender.app)
    if router is None:
        return
    wrap_send_task(sender.app)  # before the first task runs, which may send one
    if not router.declare:
        sender.app.steps["consumer"].update((StartConsuming, FollowFile))
    adapt = reconnecting_class if router.declare else consumer_class
    sender.consumer_cls = adapt(sender.consumer_cls)
    profile = router.body.workers.get(getattr(sender, "routectl_profile", None) or "")
    if profile and profile.order != "fair":
        from .scheduling.install import obey  # imports Celery's worker, which producers do not need

        obey(sender, router, sender.routectl_profile)


def _queues_of_profile(
    router: Router, profile: str | None, share: sharing.Share | None, excluded: tuple[str, ...]
) -> tuple[str, ...]:
    """The queues that a worker consumes by its profile, as the file is now.

    Raises:
      UsageError: The share has none of the shards any more.
    """
    queues = sharing.queues_of_share(router.body, _profile_queues(router, profile), share)
    return tuple(queue for queue in queues if queue not in excluded)


def _profile_queues(router: Router, profile: str | None) -> tuple[str, ...]:
    found = router.body.workers.get(profile or "")
    return router.body.consumed(found) if found else consumed_by_default(router.body)


def _names(value: str | Sequence[str] | None) -> list[str]:
    """The names in `-Q` or `-X`."""
    if value is None:
        return []
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else list(value)


def _parse(ctx: click.Context, words: Sequence[str], name: str) -> dict[str, Any]:
    """A profile's `options`, by parameter name."""
    try:
        values, rest, _ = ctx.command.make_parser(ctx).parse_args(list(words))
    except click.UsageError as error:
        _fail(f"profile `{name}` has invalid `options`: {error.format_message()}")
    if rest:
        _fail(f"profile `{name}` has `options` that `celery worker` does not have: {' '.join(rest)}")
    for option in sorted({"profile", "share"} & values.keys()):
        _fail(f"profile `{name}` cannot have `--{option}` in `options`: it is read before the profile")
    return dict(values)


def _require_patched(pool: Any, profile: str | None) -> None:
    """Exits unless a green pool has patched the standard library, which only `-P` does before the app is imported."""
    wanted = getattr(pool, "__module__", str(pool)).rpartition(".")[2]
    if wanted in profiles.GREEN_POOLS and _detect_environment() != wanted:
        without = f", or start it by `routectl worker {profile}`" if profile else ""
        _fail(f"also pass the pool on the command line: add `-P {wanted}`{without}")


def _fail(message: str, hint: str | None = None) -> NoReturn:
    """Exits with an error message: Celery only logs what a signal handler raises."""
    click.echo(f"error: {message}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)
    sys.exit(2)
