"""What is wrong where a client or an agent and its broker do not agree about TLS, and what mends it.

    the file of authorities            cannot be read, or holds no certificate
    http:// to a broker that does TLS, https:// to one that does not
    the broker's certificate           has no known authority, another name, or its time is over

`requests` tells these as chains of exceptions of three libraries; here they become one line.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOST_LINKS = 64
ALERT = "\x15\x03"  # how a TLS record of an alert begins: RFC 8446, section 5.1
OTHER_NAME = frozenset({62, 64})  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
TOO_EARLY, TOO_LATE = 9, 10  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNEXPECTED_MESSAGE", "PACKET_LENGTH_TOO_LONG"})


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """Why broker and caller do not come together, and whether the caller has to be changed to mend it."""

    text: str
    is_callers: bool

    def __str__(self) -> str:
        return self.text


def mistake(error: Exception, *, url: str, ca: str, setting: str) -> Mistake | None:
    """Return what is wrong with TLS where a request failed; None if that is not why.

    Args:
        error: What `requests` raised.
        url: The broker's URL.
        ca: The file of the authorities that are trusted, "" for those of the system.
        setting: How that file is said: the name of an option or a variable.
    """
    links = tuple(_chain(error))
    if url.startswith("http://"):
        does_tls = any(isinstance(link, http.client.BadStatusLine) and ALERT in str(link) for link in links)
        return _callers(f"the broker at {url} does TLS: say https://{url[7:]}") if does_tls else None
    unusable = _unusable(ca) if ca else ""
    if unusable:
        return _callers(f"the file of authorities {ca} ({setting}) {unusable}")
    for link in links:
        if isinstance(link, ssl.SSLCertVerificationError):
            return _of_certificate(link, url, ca, setting)
        if isinstance(link, ssl.SSLError) and link.reason in NO_TLS:
            text = f"what answers at {url} does no TLS: a broker that does none is at http://{url[8:]}"
            return Mistake(text=text, is_callers=False)  # and one that should do it may be mended
    return None


def _of_certificate(error: ssl.SSLCertVerificationError, url: str, ca: str, setting: str) -> Mistake:
    what = f"the certificate of the broker at {url}"
    if error.verify_code in OTHER_NAME:
        remedy = (
            "say one of its names, or have it made for this one, too: `accelpool ca issue DIR --host NAME`"
        )
        return Mistake(text=f"{what} is for other names: {remedy}", is_callers=False)
    if error.verify_code in (TOO_EARLY, TOO_LATE):
        when = "is not valid yet" if error.verify_code == TOO_EARLY else "has expired"
        return Mistake(text=f"{what} {when}: it needs another one, and this clock the time", is_callers=False)
    if ca:
        text = f"{what} is from no authority in {ca} ({setting}): {error.verify_message}"
        return Mistake(text=text, is_callers=False)  # the file may get another authority while it is in use
    return _callers(
        f"{what} is from no authority that this machine knows: {error.verify_message}; "
        f"{setting} names the file of the pool's own"
    )


def _callers(text: str) -> Mistake:
    return Mistake(text=text, is_callers=True)


def _unusable(ca: str) -> str:
    """Return why a file of authorities is of no use, "" if it is of use, as a folder of such files is."""
    if Path(ca).is_dir():
        return ""
    try:
        ssl.create_default_context(cafile=ca)
    except ssl.SSLError:
        return "holds no certificate in PEM"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return ""


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Return an exception and those that it was made of."""
    found: list[BaseException] = [error]
    for _ in range(MOST_LINKS):
        if not found:
            return
        link = found.pop()
        yield link
        parts = (link.__cause__, link.__context__, getattr(link, "reason", None), *link.args)
        found += [part for part in parts if isinstance(part, BaseException)]
