"""Upstreams and shovels that RabbitMQ refuses, or that can never move a message."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...base.amqp_uri import AmqpUri, BadUri, parse_amqp_uri
from ...base.finding import ValuePath
from ...base.secret import Secret
from ...model import Federation, Shovel, Upstream, UpstreamOfSet
from ...model.links import link_support_of
from ...model.support import Version
from .arguments import AddFinding, VersionCheck
from .link_arguments import LinkArgumentCheck

#: Fields that have no effect without another one.
_NEEDED = {
    "src_exchange_key": "src_exchange",
    "src_queue_args": "src_queue",
    "dest_queue_args": "dest_queue",
}


class LinkCheck(VersionCheck):
    """Checks upstreams, upstream sets and shovels, each on its own; the parameters are those of `VersionCheck`."""

    def __init__(self, add: AddFinding, versions: Sequence[Version], origin: str) -> None:
        super().__init__(add, versions, origin)
        self._arguments = LinkArgumentCheck(add, versions, origin)

    def federation(self, path: ValuePath, federation: Federation) -> None:
        """Upstreams and upstream sets."""
        for name, upstream in federation.upstreams.items():
            place = (*path, "upstreams", name)
            self._since(place, upstream)
            self._arguments.parameters(place, upstream)
            for uri_path, uri in _uris(place, "uri", upstream.uri):
                self._amqp091(uri_path, uri)
        for name, members in federation.upstream_sets.items():
            self._upstream_set((*path, "upstream_sets", name), name, members)

    def _upstream_set(self, path: ValuePath, name: str, members: tuple[UpstreamOfSet, ...]) -> None:
        if name == "all":
            message = "no policy can use the upstream set `all`: to RabbitMQ, that name means every upstream"
            self._add(path, "reserved-name", message, "rename it", of_key=True)
        for index, member in enumerate(members):
            self._since((*path, index), member)
            if member in members[:index]:
                message = f"`{member.upstream}` is listed twice: every message would arrive twice"
                self._add((*path, index, "upstream"), "conflict", message, "remove one of the two")

    def shovel(self, path: ValuePath, shovel: Shovel) -> None:
        """Source, destination and options of a shovel."""
        source, destination = shovel.src_protocol or "amqp091", shovel.dest_protocol or "amqp091"
        self._arguments.parameters(path, shovel)
        self._arguments.shovel(path, shovel)
        for side, protocol, uris in (
            ("src", source, shovel.src_uri),
            ("dest", destination, shovel.dest_uri),
        ):
            if protocol == "local":
                self._check_versions((*path, f"{side}_protocol"), "the protocol `local`", "4.2..")
            self._fields_of_protocol(path, shovel, side, protocol)
            for uri_path, uri in _uris(path, f"{side}_uri", uris):
                (self._amqp10 if protocol == "amqp10" else self._amqp091)(uri_path, uri)
        self._ends(path, shovel, source, destination)
        self._ignored(path, shovel)
        if shovel.ack_mode == "no-ack" and shovel.src_delete_after not in (None, "never"):
            message = "a shovel with `ack_mode: no-ack` cannot count messages for `src_delete_after`"
            self._add((*path, "src_delete_after"), "conflict", message, "use another `ack_mode`")
        if source == "amqp10" and shovel.src_delete_after == "queue-length":
            message = "an AMQP 1.0 source has no length for `src_delete_after: queue-length`"
            self._wrong((*path, "src_delete_after"), message, "use a number of messages")

    def _ends(self, path: ValuePath, shovel: Shovel, source: str, destination: str) -> None:
        for side, protocol in (("src", source), ("dest", destination)):
            if protocol == "amqp10":
                if getattr(shovel, f"{side}_address") is None:
                    message = f"a shovel with `{side}_protocol: amqp10` needs `{side}_address`"
                    self._add(
                        path, "missing-key", message, f"add `{side}_address: /queues/NAME`", of_key=True
                    )
                continue
            queue, exchange = f"{side}_queue", f"{side}_exchange"
            given = [name for name in (queue, exchange) if getattr(shovel, name) is not None]
            if len(given) == 2:
                what = "source" if side == "src" else "destination"
                message = f"the {what} of a shovel is a queue or an exchange, not both"
                self._add(
                    (*path, exchange), "conflict", message, f"keep `{queue}` or `{exchange}`", of_key=True
                )
            elif not given and side == "src":
                message = "a shovel needs a source: `src_queue` or `src_exchange`"
                self._add(path, "missing-key", message, "add `src_queue: …`", of_key=True)

    def _fields_of_protocol(self, path: ValuePath, shovel: Shovel, side: str, protocol: str) -> None:
        for field, support in link_support_of(Shovel).items():
            if getattr(shovel, field) is None or not field.startswith(f"{side}_"):
                continue
            spec = support.on(protocol)
            if spec is None:
                message = f"`{field}` cannot be used with the protocol `{protocol}`; RabbitMQ would refuse it"
                self._wrong((*path, field), message)
            elif spec != "..":
                self._check_versions((*path, field), f"`{field}` of a shovel with `{protocol}`", spec)

    def _ignored(self, path: ValuePath, shovel: Shovel) -> None:
        for field, needed in _NEEDED.items():
            if getattr(shovel, field) is not None and getattr(shovel, needed) is None:
                self._wrong((*path, field), f"`{field}` has no effect without `{needed}`")
        if shovel.dest_exchange_key is not None and shovel.dest_queue is not None:
            message = "`dest_exchange_key` has no effect with `dest_queue`"
            self._wrong((*path, "dest_exchange_key"), message, "use `dest_exchange`, or remove the key")

    def _since(self, path: ValuePath, link: Upstream | UpstreamOfSet) -> None:
        for field, support in link_support_of(type(link)).items():
            if getattr(link, field) is not None and support.amqp091 not in (None, ".."):
                self._check_versions((*path, field), f"`{field}` of an upstream", support.amqp091)

    def _amqp091(self, path: ValuePath, uri: AmqpUri) -> None:
        if uri.path == "/":
            message = "the `/` at the end of the URI names a vhost without a name"
            self._add(path, "bad-uri", message, "remove it, or write the vhost: `/%2F` for the vhost `/`")

    def _amqp10(self, path: ValuePath, uri: AmqpUri) -> None:
        if not uri.host:
            message = "a URI with the protocol `amqp10` needs a host"
            self._add(path, "bad-uri", message, "write `amqp://localhost` for the broker itself")
        if uri.path not in ("", "/"):
            message = "a URI with the protocol `amqp10` cannot have a path"
            self._add(path, "bad-uri", message, "name the vhost as `?hostname=vhost:NAME`")
        if not uri.strict:
            message = (
                "a URI with the protocol `amqp10` must have special and non-ASCII characters percent-encoded"
            )
            self._add(path, "bad-uri", message)


def _uris(path: ValuePath, field: str, uris: tuple[Secret, ...]) -> Iterator[tuple[ValuePath, AmqpUri]]:
    """The URIs of a field with their paths, without those whose value is not known."""
    for index, uri in enumerate(uris):
        try:
            yield (*path, field, index), parse_amqp_uri(uri.reveal())
        except BadUri:
            continue
