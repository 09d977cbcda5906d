"""Parses broker and management URLs; no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from ..base.secret import Secret
from ..errors import UsageError

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<rest>.*)", re.DOTALL)
_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9A-Fa-f:.%\w]+)\]|(?P<name>[^\s:\[\]@]+))(?::(?P<port>[0-9]*))?")

_AMQP_PORTS = {"amqp": 5672, "amqps": 5671}
_HTTP_PORTS = {"http": 80, "https": 443}

#: The default AMQP ports, which URLs may omit.
USUAL_PORTS = frozenset(_AMQP_PORTS.values())
_DERIVED_PORTS = {False: 15672, True: 15671}

#: Query options of an AMQP URL that are numbers: pika's, and `connection_timeout` (milliseconds) of
#: RabbitMQ's own URI specification (https://www.rabbitmq.com/docs/uri-query-parameters).
NUMERIC_OPTIONS = frozenset(
    {
        "blocked_connection_timeout",
        "channel_max",
        "connection_attempts",
        "connection_timeout",
        "frame_max",
        "heartbeat",
        "retry_delay",
        "socket_timeout",
        "stack_timeout",
    }
)
#: SASL mechanisms of the URL option `auth_mechanism`; all but `external` use the password.
_MECHANISMS = ("plain", "amqplain", "external")
_TLS_OPTIONS = frozenset({"cacertfile", "certfile", "keyfile", "server_name_indication", "verify"})

#: Schemes of other brokers that Celery supports, on which there is nothing to provision.
_OTHER_BROKERS = frozenset({"confluentkafka", "gcpubsub", "memory", "redis", "rediss", "sentinel", "sqs"})

_ENCODE = "percent-encode special characters in user, password and vhost: `%40` for `@`, `%2F` for `/`"
_BROKER = "the broker URL"
_MANAGEMENT = "the management URL"


class Host(NamedTuple):
    """A host and its port; `str` puts an IPv6 address into brackets."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True)
class Tls:
    """How the server is verified, and the client's certificate.

    Parameters:
      ca_file: PEM file with the trusted CAs; None for the system's.
      cert_file: PEM file with the client's certificate, if the server requires one.
      key_file: PEM file with its key; None if `cert_file` contains it, too.
      verify: Whether the server's certificate and host name are checked.
      server_name: The expected name in the certificate, if it is not the host name.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify: bool = True
    server_name: str | None = None


@dataclass(frozen=True, slots=True)
class ManagementAddress:
    """Address of the management API; `str` shows no credentials.

    Parameters:
      secure: Whether it is https.
      hosts: Hosts, in the order in which they are tried.
      user: User name.
      password: Password.
      prefix: Path before `/api`: empty, or with a leading and without a trailing slash.
      derived: Whether it is derived from the AMQP hosts, not given.
    """

    secure: bool
    hosts: tuple[Host, ...]
    user: str
    password: Secret
    prefix: str = ""
    derived: bool = False

    def url(self, *hosts: Host) -> str:
        """The URL of some of the hosts, without credentials."""
        return f"{'https' if self.secure else 'http'}://{','.join(map(str, hosts))}{self.prefix}"

    def __str__(self) -> str:
        return self.url(*self.hosts)


@dataclass(frozen=True, slots=True)
class Address:
    """Hosts of a broker, and the credentials; `str` and `repr` show no credentials.

    Parameters:
      secure: Whether it is amqps.
      hosts: Hosts, in the order in which they are tried.
      user: User name.
      password: Password.
      vhost: The vhost in the URL, or None.
      tls: TLS settings for amqps and https.
      management: Address of the management API.
      options: The numeric query options of the URL: pika's names and units (seconds), and
        `connection_timeout` (milliseconds).
      external: Whether the client's certificate is the login over AMQP (the SASL mechanism EXTERNAL).
    """

    secure: bool
    hosts: tuple[Host, ...]
    user: str
    password: Secret
    vhost: str | None
    tls: Tls
    management: ManagementAddress
    options: Mapping[str, float] = field(default_factory=dict)
    external: bool = False

    def url(self, *hosts: Host) -> str:
        """The URL of some of the hosts, without credentials."""
        return f"{'amqps' if self.secure else 'amqp'}://{','.join(map(str, hosts))}"

    def __str__(self) -> str:
        return self.url(*self.hosts)

    @classmethod
    def parse(cls, url: str, *, management: str | None = None, tls: Tls | None = None) -> Address:
        """Parses an AMQP URL and its management URL.

        Parameters:
          url: `amqp://user:password@host1:5672,host2/vhost?heartbeat=30`, or amqps. User, password and vhost
            are percent-encoded; an empty path or `/` is no vhost, `/%2F` and `//` are the vhost `/`. With
            `auth_mechanism=external`, user and password are those of the management API only.
          management: `http://host:15672`, or https; optionally with several hosts, a path prefix or its own
            credentials. None for the AMQP hosts with port 15672 (http), or 15671 (https) for amqps.
          tls: Overrides the TLS options of the URL.

        Raises:
          UsageError: A URL is invalid. The message does not contain the credentials.
        """
        external = _is_external(url)
        guest = "" if external else "guest"
        parts = _split(url, _AMQP_PORTS, _BROKER, guest, Secret(guest))
        options, query_tls = _options(parts.query)
        tls, secure = tls or query_tls, parts.scheme == "amqps"
        if external and not (secure and tls.cert_file):
            raise UsageError(
                f"{_BROKER}: `auth_mechanism=external` needs amqps:// and a client certificate",
                "pass it with `certfile` and `keyfile` in the URL, or with `--cert-file` and `--key-file`",
            )
        hosts = tuple(Host(host.name, _DERIVED_PORTS[secure]) for host in parts.hosts)
        derived = ManagementAddress(secure, hosts, parts.user, parts.password, derived=True)
        return cls(
            secure=secure,
            hosts=parts.hosts,
            user=parts.user,
            password=parts.password,
            vhost=_decode(parts.path[1:], _BROKER) or None,
            tls=tls,
            management=derived if management is None else _management(management, derived),
            options=options,
            external=external,
        )


class _Parts(NamedTuple):
    scheme: str
    user: str
    password: Secret
    hosts: tuple[Host, ...]
    path: str
    query: str


def _split(url: str, ports: Mapping[str, int], what: str, user: str, password: Secret) -> _Parts:
    """Splits a URL with several hosts; user and password are those given unless the URL contains its own.

    Errors quote only its scheme, since the rest may contain a password.
    """
    schemes = " or ".join(f"{scheme}://" for scheme in ports)
    example = next(iter(ports))
    match = _URL.fullmatch(url.strip())
    if match and ports is _AMQP_PORTS and match["scheme"].lower() in _OTHER_BROKERS:
        scheme = match["scheme"].lower()
        raise UsageError(
            f"{what} is {scheme}://, and only RabbitMQ has exchanges, queues and bindings to provision",
            "routing by the file works with this broker, too: start apps and workers without `apply`",
        )
    if match is None or match["scheme"].lower() not in ports:
        raise UsageError(
            f"{what} does not start with {schemes}", f"write it as `{example}://user:password@host:port`"
        )
    scheme, rest = match["scheme"].lower(), match["rest"]
    if "@" in rest:
        raise UsageError(f"{what} has an `@` after the host", _ENCODE)
    path, _, query = rest.partition("?")
    if "#" in rest:
        raise UsageError(f"{what} contains a `#`", _ENCODE)
    credentials, at, names = match["authority"].rpartition("@")
    encoded_user, colon, encoded_password = credentials.partition(":")
    hosts = tuple(_host(name, ports[scheme], what) for name in names.split(","))
    return _Parts(
        scheme,
        _decode(encoded_user, what) if at else user,
        Secret(_decode(encoded_password, what)) if colon else password,
        hosts,
        path,
        query,
    )


def _host(text: str, default_port: int, what: str) -> Host:
    match = _HOST.fullmatch(text.strip())
    if match is None:
        if not text.strip():
            raise UsageError(f"{what} has no host", "write the host after `://` or `@`, before the path")
        raise UsageError(f"{what} has an invalid host or port", _ENCODE)
    port = int(match["port"]) if match["port"] else default_port
    if not 0 < port < 65536:
        raise UsageError(f"{what} has a port outside 1..65535")
    return Host(match["ipv6"] or match["name"], port)


def _decode(text: str, what: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise UsageError(f"{what} has a percent-encoding that is not UTF-8", _ENCODE) from None


def _is_external(url: str) -> bool:
    """Whether the URL names the mechanism EXTERNAL, perhaps beside others, which are then not needed."""
    options = parse_qsl(url.partition("?")[2], keep_blank_values=True)
    return any(name == "auth_mechanism" and value.lower() == "external" for name, value in options)


def _options(query: str) -> tuple[dict[str, float], Tls]:
    numbers: dict[str, float] = {}
    texts: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name in NUMERIC_OPTIONS:
            numbers[name] = _number(name, value)
        elif name in _TLS_OPTIONS:
            texts[name] = value
        elif name == "auth_mechanism":
            if value.lower() not in _MECHANISMS:
                raise UsageError(f"{_BROKER}: `{name}` must be one of {', '.join(_MECHANISMS)}")
        else:
            known = ", ".join(sorted(NUMERIC_OPTIONS | _TLS_OPTIONS | {"auth_mechanism"}))
            raise UsageError(f"{_BROKER} has an unknown option `{name}`", f"the options are {known}")
    verify = texts.get("verify", "verify_peer")
    if verify not in ("verify_peer", "verify_none"):
        raise UsageError(f"{_BROKER}: `verify` must be `verify_peer` or `verify_none`")
    tls = Tls(
        ca_file=texts.get("cacertfile"),
        cert_file=texts.get("certfile"),
        key_file=texts.get("keyfile"),
        verify=verify == "verify_peer",
        server_name=texts.get("server_name_indication"),
    )
    return numbers, tls


def _number(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e9:
        raise UsageError(f"{_BROKER}: `{name}` must be a number of at least 0")
    return int(number) if number.is_integer() else number


def _management(url: str, derived: ManagementAddress) -> ManagementAddress:
    parts = _split(url, _HTTP_PORTS, _MANAGEMENT, derived.user, derived.password)
    if parts.query:
        raise UsageError(f"{_MANAGEMENT} has a query", "remove the `?` and everything after it")
    return ManagementAddress(
        secure=parts.scheme == "https",
        hosts=parts.hosts,
        user=parts.user,
        password=parts.password,
        prefix=parts.path.rstrip("/").removesuffix("/api").rstrip("/"),
    )
