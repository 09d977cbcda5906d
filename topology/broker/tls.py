"""TLS for HTTP and AMQP: SSL contexts and readable errors of OpenSSL."""

from __future__ import annotations

import ssl

from ..errors import Unreachable
from .address import Tls


def tls_context(tls: Tls) -> ssl.SSLContext:
    """The SSL context for these settings.

    Raises:
      Unreachable: A file is missing or invalid.
    """
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        if tls.cert_file is not None:
            context.load_cert_chain(tls.cert_file, tls.key_file, password=_no_password)
    except (OSError, ValueError) as error:
        files = ", ".join(f"`{name}`" for name in (tls.ca_file, tls.cert_file, tls.key_file) if name)
        raise Unreachable(
            f"the TLS files {files} cannot be used: {_reason(error)}",
            "check the paths; the files must be PEM",
        ) from None
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")


def handshake_failure(url: str, error: BaseException) -> Unreachable:
    """The error for a failed TLS handshake with a server."""
    return Unreachable(
        f"the TLS handshake with {url} failed: {_reason(error)}",
        "check the CA file, the client certificate and the host name, and that the port speaks TLS",
    )


def _reason(error: BaseException) -> str:
    """OpenSSL's error text, without its codes and source lines."""
    cause: BaseException = error
    while cause.args and isinstance(cause.args[0], BaseException):
        cause = cause.args[0]
    for name in ("verify_message", "reason", "strerror"):
        if text := getattr(cause, name, None):
            return str(text).replace("_", " ").rstrip(".").lower()
    return str(cause)
