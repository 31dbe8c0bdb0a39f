"""What a node or a worker does TLS with.

How one comes about is own_certificate.py: who does without TLS does not load what that takes.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from accelpool_wire.tls import Door


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate, and what does TLS with it.

    Attributes:
        context: For the side that accepts; has the key.
        sha256: The certificate's SHA-256 in hexadecimal.
    """

    context: ssl.SSLContext
    sha256: str


def door(certificate: Certificate, secret: bytes) -> Door:
    """Return what lets in whoever expects the certificate, and knows the secret."""
    return Door(context=certificate.context, secret=secret)
