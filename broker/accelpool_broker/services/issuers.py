"""The keys of issuers: fetched when they are needed, and kept for a while.

    keys younger than KEPT_S, the wanted one among them      no question
    else, last asked longer ago than ASKED_S                 the issuer is asked, by one request at a time
    else                                                     what was heard then: a key, none, or no answer

So strangers who make keys up bring about one question in ten seconds after the last one's end. `MOST_AT_ONCE`
issuers are asked at once; who waits while another request asks his does so for `TURN_S`, and takes nobody's
place. Only issuers of trust rules are asked at all.
"""

from __future__ import annotations

import logging
import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey

from accelpool_wire.errors import Invalid, ProtocolError, RemoteProtocolError, TransportError, Unavailable
from accelpool_wire.issuer import check_keys_url

KEPT_S = 3600.0
ASKED_S = 10.0
MOST_AT_ONCE = 8
PATIENCE_S = 0.5
TURN_S = 2.0  # in the usual case the issuer has answered by then
MOST_ISSUERS = 256  # as many as there may be rules: none that is asked is forgotten for another
MOST_KEYS = 64
LEAST_RSA_BITS = 2048
SORTS: dict[str, type[RSAKey | ECKey | OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}

log = logging.getLogger(__name__)


class Documents(Protocol):
    """What is needed of an issuer; see `accelpool_wire.issuer.IssuerClient`."""

    def discover(self, issuer: str) -> dict[str, Any]:
        """Return what an issuer says of itself."""
        ...

    def get(self, url: str) -> dict[str, Any]:
        """Return a document."""
        ...


@dataclass(kw_only=True)
class _Known:
    """What was heard of an issuer last."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    keys: dict[str, Key] = field(default_factory=dict)
    heard_at: float | None = None
    asked_at: float | None = None
    failure: str = ""


class Issuers:
    """The keys of issuers.

    Args:
        documents: Asks them.
        clock: Seconds from any start, never going back.
    """

    def __init__(self, documents: Documents, clock: Callable[[], float] = time.monotonic) -> None:
        self._documents, self._clock = documents, clock
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(MOST_AT_ONCE)
        self._known: dict[str, _Known] = {}

    def key(self, issuer: str, kid: str) -> Key | None:
        """Return an issuer's key, None if it has none of this name.

        Raises:
            Unavailable: It does not answer, or as no issuer does.
        """
        known = self._known_of(issuer)
        found = self._kept(known, kid)
        if found is not None:
            return found
        with _held(known.turn, TURN_S, f"the issuer {issuer} is being asked for its keys"):
            found = self._kept(known, kid)
            if found is not None:
                return found
            if known.asked_at is None or self._clock() - known.asked_at >= ASKED_S:
                with _held(self._slots, PATIENCE_S, "as many issuers are being asked as may be"):
                    try:
                        self._ask(issuer, known)
                    finally:
                        known.asked_at = self._clock()
            if known.failure:
                raise Unavailable(known.failure)
            return known.keys.get(kid)

    def _known_of(self, issuer: str) -> _Known:
        with self._lock:
            known = self._known.pop(issuer, None) or _Known()
            self._known[issuer] = known  # the one asked for longest ago comes first
            if len(self._known) > MOST_ISSUERS:
                del self._known[next(iter(self._known))]
            return known

    def _kept(self, known: _Known, kid: str) -> Key | None:
        if known.heard_at is None or self._clock() - known.heard_at >= KEPT_S:
            return None
        return known.keys.get(kid)

    def _ask(self, issuer: str, known: _Known) -> None:
        began_at = self._clock()
        try:
            where = check_keys_url(self._documents.discover(issuer).get("jwks_uri"), issuer)
            keys = read_keys(self._documents.get(where))
        except (TransportError, ProtocolError, Invalid) as error:
            known.failure = f"the issuer {issuer} does not tell its keys"
            log.warning("%s: %s", known.failure, error)  # why is not for strangers
        else:
            known.keys, known.heard_at, known.failure = keys, began_at, ""


@contextmanager
def _held(lock: threading.Lock | threading.BoundedSemaphore, timeout_s: float, why: str) -> Iterator[None]:
    if not lock.acquire(timeout=timeout_s):
        raise Unavailable(why)
    try:
        yield
    finally:
        lock.release()


def read_keys(document: dict[str, Any]) -> dict[str, Key]:
    """Return the keys of a JSON Web Key Set that may verify a signature, by their names.

    Args:
        document: The set (RFC 7517, section 5); keys of other sorts, and weak ones, are left out.

    Raises:
        RemoteProtocolError: It is none, or is too long.
    """
    given = document.get("keys")
    if not isinstance(given, list) or len(given) > MOST_KEYS:
        raise RemoteProtocolError(f"its key set is no list of at most {MOST_KEYS} keys")
    keys: dict[str, Key] = {}
    for each in given:
        key = _read_key(each) if isinstance(each, dict) else None
        if key is not None:
            keys.setdefault(str(each.get("kid")), key)
    return keys


def _read_key(given: dict[str, Any]) -> Key | None:
    sort = SORTS.get(str(given.get("kty")))
    if sort is None or not isinstance(given.get("kid"), str) or given.get("use", "sig") != "sig":
        return None
    try:
        if sort is RSAKey and _bits(given["n"]) < LEAST_RSA_BITS:
            return None
        return sort.import_key(given)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        log.debug("a key is left out: %s", error)
        return None


def _bits(number: str) -> int:
    """Return how long a number of a key is (RFC 7518, section 2)."""
    return int.from_bytes(urlsafe_b64decode(number + "=" * (-len(number) % 4))).bit_length()
