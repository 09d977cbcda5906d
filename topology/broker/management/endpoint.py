"""Connection pools of the management API's hosts, direct or through the proxy that the environment names."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import LocationParseError

from ...errors import UsageError
from ..address import Host


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One host of the management API.

    Parameters:
      pool: Connections to it, or to a proxy.
      base: What a proxy needs before the path of a request: `http://host:port`.
      proxy: The proxy's host and port; None without one.
    """

    pool: urllib3.HTTPConnectionPool
    base: str = ""
    proxy: str | None = None


def endpoint(
    host: Host, context: ssl.SSLContext | None, server_name: str | None, connections: int
) -> Endpoint:
    """The endpoint of a host.

    Parameters:
      host: The host.
      context: The TLS settings; None for http.
      server_name: The expected name in the server's certificate, if it is not the host name.
      connections: The maximum number of connections.

    Raises:
      UsageError: The proxy that the environment names cannot be used.
    """
    options: dict[str, Any] = {"maxsize": connections, "block": True}
    scheme = "http"
    if context is not None:
        scheme = "https"
        options |= {"ssl_context": context, "server_hostname": server_name}
    proxy = _proxy(scheme, host)
    if proxy is None:
        pool = urllib3.HTTPSConnectionPool if context is not None else urllib3.HTTPConnectionPool
        return Endpoint(pool(*host, **options))
    headers = urllib3.make_headers(proxy_basic_auth=unquote(proxy.auth)) if proxy.auth else None
    manager = urllib3.ProxyManager(proxy._replace(auth=None).url, proxy_headers=headers, **options)
    # Requests of plain http go to the proxy with the whole URL; for https, the proxy only opens a tunnel.
    base = "" if context is not None else f"http://{host}"
    return Endpoint(manager.connection_from_host(*host, scheme=scheme), base, f"{proxy.host}:{proxy.port}")


def _proxy(scheme: str, host: Host) -> urllib3.util.Url | None:
    """The proxy for a host by `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`; None for this machine."""
    proxies = getproxies()
    written = proxies.get(scheme) or proxies.get("all")
    if not written or _is_loopback(host.name) or proxy_bypass(str(host)):
        return None
    name = f"{scheme.upper()}_PROXY"
    try:
        proxy = urllib3.util.parse_url(written if "://" in written else f"http://{written}")
    except LocationParseError:
        raise UsageError(f"the proxy in {name} is not a URL", "write it as `http://host:3128`") from None
    if proxy.scheme not in ("http", "https") or not proxy.host:
        raise UsageError(
            f"the proxy in {name} is {proxy.scheme}://, and only http:// and https:// are supported",
            "add the host of the management API to NO_PROXY to connect without it",
        )
    return proxy if proxy.port else proxy._replace(port=443 if proxy.scheme == "https" else 80)


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
