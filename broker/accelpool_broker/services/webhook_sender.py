"""One message to a webhook: signed, to an address that was looked at, within a time.

    name ─▶ addresses ─▶ none that is refused ─▶ connect to one of these ─▶ TLS, checked against the name
         ─▶ POST ─▶ status; no redirect is followed, and no body is read

The signature is that of https://www.standardwebhooks.com (`v1`): HMAC-SHA256 of `ID.TIMESTAMP.BODY`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import SplitResult, urlsplit

from accelpool_wire.errors import Invalid
from accelpool_wire.version import __version__

PREFIX = "whsec_"
SECRET_BYTES = 32
TIMEOUT_S = 5.0
NAT64 = ipaddress.ip_network("64:ff9b::/96")
OF_INTERNET6 = ipaddress.ip_network("2000::/3")  # nothing else of IPv6 is given to anybody in public
IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, kw_only=True)
class Rules:
    """Where webhooks may be.

    Attributes:
        allow_http: Whether without TLS, too.
        allow_private: Whether at addresses that are not of the public internet, too.
        ca: The file of those who vouch for them; None for the system's.
    """

    allow_http: bool = False
    allow_private: bool = False
    ca: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a message.

    Attributes:
        status: The HTTP status; None if there was no answer.
        problem: What went wrong; "" if it was taken.
    """

    status: int | None
    problem: str = ""


def new_secret() -> str:
    """Return a secret to sign with."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sign(secret: str, id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a message."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    told = hmac.new(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(told).decode()}"


def check_url(url: str, rules: Rules) -> SplitResult:
    """Return the parts of a webhook's URL.

    Raises:
        Invalid: Nothing is sent to such a one.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Invalid(f"{url!r} is no URL: {error}") from error
    if not (url.isascii() and url.isprintable() and " " not in url) or not parts.hostname or port == 0:
        raise Invalid(f"{url!r} is no URL of a webhook: it is https://HOST/PATH")
    if parts.scheme != "https" and not (parts.scheme == "http" and rules.allow_http):
        raise Invalid(f"a webhook's URL begins with https://, not {parts.scheme}://")
    if "@" in parts.netloc or parts.fragment:
        raise Invalid("a webhook's URL has no user, password or fragment: messages are signed instead")
    with suppress(ValueError):
        _check_address(ipaddress.ip_address(parts.hostname), rules)
    return parts


def send(
    url: str, headers: dict[str, str], body: bytes, rules: Rules, timeout_s: float = TIMEOUT_S
) -> Outcome:
    """Send a message and return what came of it; from the look at its name on it took `timeout_s` at most."""
    deadline = time.monotonic() + timeout_s
    try:
        parts = check_url(url, rules)
        with _connected(parts, rules, deadline) as connection:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            named = {"Content-Type": "application/json", "User-Agent": f"accelpool/{__version__}"}
            connection.request("POST", path, body, named | headers)
            status = connection.getresponse().status  # its body is not read
    except Invalid as error:
        return Outcome(status=None, problem=error.detail)
    except (OSError, HTTPException, UnicodeError) as error:
        if time.monotonic() >= deadline:
            return Outcome(status=None, problem=f"no answer within {timeout_s:g} s")
        return Outcome(status=None, problem=f"no answer: {str(error) or type(error).__name__}"[:200])
    return Outcome(status=status, problem="" if 200 <= status < 300 else f"it answered {status}")


@contextmanager
def _connected(parts: SplitResult, rules: Rules, deadline: float) -> Iterator[HTTPConnection]:
    """Connect to one of the addresses that were looked at; whatever is slow is cut off."""
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    address = _address(host, port, rules, _left(deadline))
    with socket.create_connection((address, port), _left(deadline)) as raw:
        cut = threading.Timer(_left(deadline), _cut, (raw,))  # a peer that drips keeps each wait short
        cut.daemon = True
        cut.start()
        try:
            kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
            with closing(kind(host, port)) as connection:
                connection.auto_open = 0
                connection.sock = _secured(raw, host, rules) if parts.scheme == "https" else raw
                yield connection
        finally:
            cut.cancel()


def _secured(raw: socket.socket, host: str, rules: Rules) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=rules.ca)
    # The raw socket stays ours, so that the timer can cut it off in the middle of a handshake.
    return context.wrap_socket(raw.dup(), server_hostname=host)


def _cut(raw: socket.socket) -> None:
    with suppress(OSError):
        raw.shutdown(socket.SHUT_RDWR)


def _left(deadline: float) -> float:
    """Return how long there is still; a little always, as 0 would not be a time but another mode."""
    return max(0.001, deadline - time.monotonic())


def _address(host: str, port: int, rules: Rules, timeout_s: float) -> str:
    """Return an address of a name, none of which may be refused."""
    found = _addresses(host, port, timeout_s)
    for address in found:
        _check_address(ipaddress.ip_address(address), rules)
    return found[0]


def _addresses(host: str, port: int, timeout_s: float) -> list[str]:
    """Return a name's addresses; the system's own look-up knows no limit, so nobody waits for a late one.

    Raises:
        OSError: There are none, or they did not come in time.
    """
    told: Future[list[str]] = Future()

    def look_up() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            told.set_result([str(entry[4][0]) for entry in entries])
        except Exception as error:
            told.set_exception(error)

    threading.Thread(target=look_up, name="webhook name", daemon=True).start()
    return told.result(timeout_s)


def _check_address(address: IPAddress, rules: Rules) -> None:
    meant = _meant(address)
    is_given = isinstance(meant, ipaddress.IPv4Address) or meant in OF_INTERNET6
    is_public = address.is_global and meant.is_global and not meant.is_multicast and is_given
    if not rules.allow_private and not is_public:
        raise Invalid("a webhook is on the public internet: the broker sends to no private address")


def _meant(address: IPAddress) -> IPAddress:
    """Return the address of IPv4 that one of IPv6 leads to, or itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address in NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        return address.ipv4_mapped or address.sixtofour or address
    return address
