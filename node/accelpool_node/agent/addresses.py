"""Addresses as options give them, and whether others could read what passes there."""

from __future__ import annotations

import argparse
from urllib.parse import urlsplit

from accelpool_wire.errors import Invalid
from accelpool_wire.tls import is_loopback


def check_way(url: str, *, is_insecure: bool) -> None:
    """Make sure that nobody can read the node's token on its way to the broker, unless told not to care.

    Raises:
        Invalid: Somebody can, or the URL is none.
    """
    try:
        split = urlsplit(url)
    except ValueError as error:
        raise Invalid(f"--broker is a URL, not {url}: {error}") from error
    if split.scheme == "http" and not is_insecure and not is_loopback(split.hostname or ""):
        raise Invalid(f"the node's token would pass in the clear to {url}: say https, or --insecure")


def is_secure(options: argparse.Namespace, *hosts: str) -> bool:
    """Return whether the data plane does TLS: where anything is not on loopback, unless told otherwise.

    Raises:
        Invalid: The options contradict each other.
    """
    wants = options.tls or options.tls_cert is not None
    if (options.tls_cert is None) is not (options.tls_key is None):
        raise Invalid("--tls-cert and --tls-key belong together")
    if wants and options.insecure:
        raise Invalid("--insecure does without TLS, --tls and --tls-cert do not")
    return wants or not (options.insecure or all(map(is_loopback, hosts)))


def read_address(text: str, default_port: int | None = None) -> tuple[str, int]:
    """Return host and port of "HOST:PORT", or of "HOST" if there is a default port; IPv6 in brackets.

    Raises:
        Invalid: It is not of that form.
    """
    host, colon, port = text.rpartition(":")
    if default_port is not None and (not colon or text.endswith("]")):
        host, port = text, str(default_port)
    if not host or not port.isdecimal() or int(port) > 65535:
        raise Invalid(f"an address is HOST:PORT, not {text!r}")
    return host.removeprefix("[").removesuffix("]"), int(port)
