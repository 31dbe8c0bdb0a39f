"""A private certificate authority in a folder: for brokers that no public authority knows.

    ca.pem         whom clients trust: this authority's certificate, and those before it that still hold
    ca.key         its key: to be kept by who issues certificates, and by nobody else
    HOST.pem       a broker's certificate
    HOST.key       its key

Keys (P-256) are readable by their owner alone. A file is replaced in one step.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from accelpool.cli.failures import CommandFailed
from accelpool_wire.private_file import PRIVATE_DIR, replace_file

CA_DAYS, HOST_DAYS = 730, 90
CLOCKS_DIFFER = timedelta(hours=1)
PUBLIC_FILE = 0o644
HOST_NAME = re.compile(r"(\*\.)?[a-zA-Z0-9]([a-zA-Z0-9.-]{0,251}[a-zA-Z0-9])?")
NO_USE = dict.fromkeys(
    (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    ),
    False,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Issued:
    """Where a certificate and its key are, and until when it holds."""

    cert: Path
    key: Path
    expires_at: datetime


class CertificateAuthority:
    """The authority in a folder; it need not be there yet.

    Args:
        folder: The folder.
        now: The time.
    """

    def __init__(self, folder: Path, now: datetime | None = None) -> None:
        self._folder = folder
        self._now = now or datetime.now(UTC)
        self.cert: Path = folder / "ca.pem"
        self.key: Path = folder / "ca.key"

    def create(self, days: int = CA_DAYS) -> Issued:
        """Make the authority.

        Raises:
            CommandFailed: There is one, or the folder cannot be written.
        """
        if self.key.exists() or self.cert.exists():
            raise CommandFailed(f"there is an authority in {self._folder}: `accelpool ca renew` replaces it")
        return self._make([], days)

    def renew(self, days: int = CA_DAYS) -> Issued:
        """Replace the authority by a new one, and go on trusting the old one until it expires.

        Raises:
            CommandFailed: There is none, or the folder cannot be written.
        """
        known = [cert for cert in self._known() if cert.not_valid_after_utc > self._now]
        return self._make(known, days)

    def issue(self, hosts: Sequence[str], days: int = HOST_DAYS) -> Issued:
        """Make a certificate for a broker, or make it anew.

        Args:
            hosts: The names and addresses by which clients reach it; the first names the files.
            days: How long it holds; not longer than the authority.

        Raises:
            CommandFailed: There is no authority, a name is none, the files would be the authority's own, or
                the folder cannot be written.
        """
        authority, authority_key = self._known()[0], self._authority_key()
        names = [_general_name(host) for host in hosts]
        stem = hosts[0].replace("*", "_").replace(":", "-")
        if stem.casefold() == self.cert.stem:  # some file systems do not tell letters' cases apart
            raise CommandFailed(
                f"{self.cert.name} and {self.key.name} are the authority's: name another host first"
            )
        key = ec.generate_private_key(ec.SECP256R1())
        expires_at = min(self._now + timedelta(days=days), authority.not_valid_after_utc)
        if expires_at <= self._now:
            raise CommandFailed(f"the authority in {self._folder} has expired: `accelpool ca renew`")
        builder = self._builder(hosts[0], authority.subject, key.public_key(), expires_at)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
        use = x509.KeyUsage(**{**NO_USE, "digital_signature": True})
        made = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(use, critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(issuer, critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        return self._write(self._folder / f"{stem}.pem", self._folder / f"{stem}.key", key, [made])

    def _make(self, before: list[x509.Certificate], days: int) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        name = f"accelpool CA {self._now:%Y-%m-%d %H:%M:%S}"
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        use = x509.KeyUsage(**{**NO_USE, "key_cert_sign": True, "crl_sign": True})
        made = (
            self._builder(name, subject, key.public_key(), self._now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(use, critical=True)
            .sign(key, hashes.SHA256())
        )
        return self._write(self.cert, self.key, key, [made, *before])

    def _builder(
        self, name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey, expires_at: datetime
    ) -> x509.CertificateBuilder:
        """Return the beginning of a certificate."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - CLOCKS_DIFFER)
            .not_valid_after(expires_at)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )

    def _known(self) -> list[x509.Certificate]:
        """Return the authority's certificate, and those before it."""
        try:
            return x509.load_pem_x509_certificates(self.cert.read_bytes())
        except (OSError, ValueError) as error:
            raise CommandFailed(
                f"there is no authority in {self._folder}: `accelpool ca create` makes one ({error})"
            ) from error

    def _authority_key(self) -> ec.EllipticCurvePrivateKey:
        try:
            key = serialization.load_pem_private_key(self.key.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise CommandFailed(f"{self.key} is no key: {error}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise CommandFailed(f"{self.key} is no key of `accelpool ca`")
        return key

    def _write(
        self, cert: Path, key_file: Path, key: ec.EllipticCurvePrivateKey, certs: list[x509.Certificate]
    ) -> Issued:
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        try:
            self._folder.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
            replace_file(key_file, pem)
            content = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certs)
            replace_file(cert, content, PUBLIC_FILE)
        except OSError as error:
            raise CommandFailed(f"{self._folder} cannot be written: {error.strerror}") from error
        return Issued(cert=cert, key=key_file, expires_at=certs[0].not_valid_after_utc)


def _general_name(host: str) -> x509.GeneralName:
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(host))
    if not HOST_NAME.fullmatch(host):
        raise CommandFailed(f"a host is a name or an address, not {host!r}")
    return x509.DNSName(host)
