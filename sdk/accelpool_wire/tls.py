"""TLS 1.3 over a connected stream: the other side's certificate is told by its SHA-256, and by nothing else.

Who connects has that SHA-256, the pin, from somebody it trusts: an endpoint's comes from the broker, a
worker's from its agent. So there is no authority to ask, no name to compare and no date to look at: a
certificate is the right one or not. TLS itself proves that the other side has the certificate's key.

What follows a handshake stays in the socket: of a stream that is read record by record nothing is read ahead.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
import ssl
import time
from dataclasses import dataclass, field

from accelpool_wire.channel import read_exactly
from accelpool_wire.errors import ConnectError, LocalProtocolError, ReadError, Timeout, Unauthorized

SECRET_BYTES = 32


def pin_of(certificate: bytes) -> str:
    """Return the pin of a certificate in DER: its SHA-256 in hexadecimal."""
    return hashlib.sha256(certificate).hexdigest()


def is_loopback(host: str) -> bool:
    """Whether a host, an address or a name, is this machine for itself and nobody else."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def client_context() -> ssl.SSLContext:
    """Return what a side that connects does TLS with; the pin is its own to check, as `finish` does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def server_context(chain: str, key: str | None = None) -> ssl.SSLContext:
    """Return what a side that accepts does TLS with.

    Args:
        chain: The file of its certificate, in PEM.
        key: The file of its key; by default the same.

    Raises:
        OSError: A file cannot be read, or the key is encrypted, or not the certificate's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.num_tickets = 0  # nobody resumes; and nothing may come unasked after a handshake
    context.load_cert_chain(chain, key, password=_no_password)
    return context


def _no_password() -> bytes:
    """Return what opens no key that is encrypted: OpenSSL would ask on the terminal, and wait there."""
    return b""


# ---- who connects ----------------------------------------------------------------------------------------


def join(stream: socket.socket, pin: str, timeout_s: float) -> ssl.SSLSocket:
    """Return the secured stream, once the other side has shown the pinned certificate.

    Args:
        stream: Connected; owned from now on.
        pin: The SHA-256 of the only certificate that will do.
        timeout_s: How long the handshake may take.

    Raises:
        ConnectError: The other side does not speak TLS 1.3, or shows another certificate.
        Timeout: It took too long.
    """
    return finish(begin(stream), pin, timeout_s)


def begin(stream: socket.socket) -> ssl.SSLSocket:
    """Send the first message of a handshake, without waiting for an answer; `finish` does the rest.

    Raises:
        ConnectError: The connection is broken.
    """
    tls = client_context().wrap_socket(stream, do_handshake_on_connect=False)
    try:
        go_on(tls)
    except OSError as error:
        tls.close()
        raise ConnectError(f"the TLS handshake failed: {error.strerror or error}") from error
    return tls


def go_on(tls: ssl.SSLSocket) -> bool:
    """Go on with a handshake without waiting; whether it is complete, else the other side has the next word.

    Raises:
        OSError: It failed.
    """
    tls.setblocking(False)
    try:
        tls.do_handshake()
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return False
    return True


def finish(tls: ssl.SSLSocket, pin: str, timeout_s: float) -> ssl.SSLSocket:
    """Complete what `begin` began; the stream is closed if that fails.

    Raises:
        ConnectError, Timeout: As `join`.
    """
    try:
        tls.settimeout(max(timeout_s, 0.001))
        tls.do_handshake()
        shown = pin_of(tls.getpeercert(binary_form=True) or b"")
        if not hmac.compare_digest(shown.encode(), pin.encode()):
            raise ConnectError(f"it is somebody else: its certificate is {shown}, not {pin[:64]}")
    except BaseException as error:
        tls.close()
        if isinstance(error, TimeoutError):
            raise Timeout(f"no TLS handshake within {timeout_s:.3g} s") from error
        if isinstance(error, OSError):
            raise ConnectError(f"the TLS handshake failed: {error.strerror or error}") from error
        raise
    return tls


# ---- who accepts -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Door:
    """Lets in whoever expects a certificate, and knows a secret.

    Attributes:
        context: Has the certificate.
        secret: What only the right other side knows, `SECRET_BYTES` long.
    """

    context: ssl.SSLContext
    secret: bytes = field(repr=False)

    def accept(self, stream: socket.socket) -> ssl.SSLSocket:
        """Return the stream, to be secured; the handshake is still to come."""
        if isinstance(stream, ssl.SSLSocket):
            return stream
        return self.context.wrap_socket(stream, server_side=True, do_handshake_on_connect=False)

    def admit(self, stream: socket.socket, timeout_s: float) -> ssl.SSLSocket:
        """Return the secured stream, once the other side has said the secret, before anything else.

        Args:
            stream: Connected, or from `accept`; owned from now on.
            timeout_s: How long all of it may take.

        Raises:
            ReadError: There was no handshake, or it is gone.
            Timeout: It took too long.
            Unauthorized: It said something else.
            LocalProtocolError: The secret is not as long as secrets are.
        """
        if len(self.secret) != SECRET_BYTES:
            raise LocalProtocolError(f"a secret has {SECRET_BYTES} bytes, not {len(self.secret)}")
        due_s = time.monotonic() + timeout_s
        tls = self.accept(stream)
        try:
            tls.settimeout(timeout_s)
            tls.do_handshake()
            said = read_exactly(tls, SECRET_BYTES, due_s)
            if not hmac.compare_digest(said, self.secret):
                raise Unauthorized("whoever came after the handing over does not know its secret")
        except BaseException as error:
            tls.close()
            if isinstance(error, TimeoutError):
                raise Timeout(f"no TLS handshake and secret within {timeout_s:g} s") from error
            if isinstance(error, OSError):
                raise ReadError(f"the TLS handshake failed: {error.strerror or error}") from error
            raise
        return tls
