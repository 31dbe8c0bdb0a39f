"""A certificate to be told by: made here at the start, or given in files.

Those who connect know its SHA-256, from the broker or from the agent. So a certificate made here needs no
authority behind it, and nothing of what it says about itself is looked at.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from accelpool_node.certificate import Certificate
from accelpool_wire.errors import Invalid
from accelpool_wire.tls import pin_of, server_context

CLOCKS_DIFFER = timedelta(days=1)
LIFETIME = timedelta(days=3650)  # its holder, a process, does not live so long


def make_certificate() -> Certificate:
    """Return a new certificate, whose key (P-256) is in the memory of this process and nowhere else."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "accelpool")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER)
        .not_valid_after(now + LIFETIME)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with open(os.memfd_create("certificate", os.MFD_CLOEXEC), "wb") as file:  # OpenSSL reads files only
        file.write(pem)
        file.flush()
        context = server_context(f"/proc/self/fd/{file.fileno()}")
    return Certificate(context=context, sha256=pin_of(certificate.public_bytes(serialization.Encoding.DER)))


def read_certificate(chain: Path, key: Path) -> Certificate:
    """Return a certificate that was issued by somebody, with its key.

    Raises:
        Invalid: The files are not those of a certificate that holds now, and its key.
    """
    try:
        found = x509.load_pem_x509_certificates(chain.read_bytes())[0]
        context = server_context(str(chain), str(key))
    except (OSError, ValueError) as error:
        raise Invalid(f"{chain} and {key} are no certificate and its key: {error}") from error
    if found.not_valid_after_utc < datetime.now(UTC):
        raise Invalid(
            f"the certificate {chain} has expired at {found.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        )
    return Certificate(context=context, sha256=pin_of(found.public_bytes(serialization.Encoding.DER)))
