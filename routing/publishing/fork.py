"""Gives a forked child its own connections: parent and child would read each other's confirms from one socket.

Celery and kombu do so only for children of `multiprocessing`. Web servers that load the app before they fork, such as
`gunicorn --preload` and uWSGI, use `os.fork`.
"""

from __future__ import annotations

import os
import weakref
from typing import Any

from celery import _state
from kombu import pools

#: The kombu connections that tasks were published on.
_used: weakref.WeakSet[Any] = weakref.WeakSet()


def remember(client: Any) -> None:
    """Remembers a kombu connection, which a forked child must not use."""
    _used.add(client)


def _drop_inherited() -> None:
    """Forgets the parent's connections. The parent's sockets stay open, since nothing is sent or shut down."""
    for client in list(_used):
        client._connection = client._default_channel = None
        client.declared_entities.clear()
    for group in (pools.connections, pools.producers):
        group.clear()
    for app in list(_state._get_active_apps()):
        app._pool = None
        amqp = app.__dict__.get("amqp")
        if amqp is not None:
            amqp._producer_pool = None


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_drop_inherited)
