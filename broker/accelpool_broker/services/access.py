"""Access: who may call, and the lease tokens that open sessions on nodes."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from accelpool_broker.models import Lease, Scope, Share, Token
from accelpool_broker.scheduler import WHOLE
from accelpool_broker.state_dir import sha256
from accelpool_broker.store import Store
from accelpool_wire import lease_token
from accelpool_wire.errors import Forbidden, Unauthorized

SCOPES = {"user": Scope.ADMIN, "node": Scope.NODE}
BEARER = "bearer"


class Access:
    """The pool's tokens; only their hashes are kept."""

    def __init__(self, store: Store, key: Ed25519PrivateKey) -> None:
        self._store = store
        self._key = key
        self._scopes: dict[str, str] = {}

    @property
    def public_key(self) -> bytes:
        """The raw Ed25519 public key with which nodes verify lease tokens."""
        return self._key.public_key().public_bytes_raw()

    def admit(self, tokens: Mapping[str, str], now: float) -> None:
        """Let these bearer tokens in, by role; others only if a broker that shares the store let them in."""
        wanted = {sha256(token): SCOPES[role] for role, token in tokens.items()}
        with self._store.write() as tx:
            for known in () if self._store.is_shared else tx.tokens():
                if wanted.get(known.sha256) != known.scope:
                    tx.remove(known)
            tx.flush()
            for hash, scope in wanted.items():
                if tx.token(hash) is None:
                    tx.add(Token(sha256=hash, scope=scope, created_at=now))
        self._scopes = dict(wanted)

    def check(self, authorization: str | None, needed: Scope) -> None:
        """Let a caller pass whose Authorization header has the scope.

        Raises:
            Unauthorized: There is no bearer token, or nobody knows it.
            Forbidden: Its scope is another.
        """
        method, _, token = (authorization or "").partition(" ")
        if method.lower() != BEARER or not token.strip():
            raise Unauthorized("the request needs the header 'Authorization: Bearer TOKEN'")
        scope = self._scope(sha256(token.strip())) or self._scope_by_another(sha256(token.strip()))
        if scope is None:
            raise Unauthorized("this pool does not know the token: is it another pool's?")
        if scope != needed:
            raise Forbidden(f"this needs a token of scope {needed}, the given one has {scope}")

    def lease_token(self, lease: Lease, node: str, shares: list[Share], peers: Iterable[str]) -> str:
        """Return the capability for these shares of an active lease, all on one node.

        Args:
            lease: The lease.
            node: The name of the shares' node.
            shares: What the token opens.
            peers: The addresses of the lease's other endpoints.
        """
        assert lease.expires_at is not None
        claims = lease_token.LeaseClaims(
            lease=lease.id,
            node=node,
            shares=tuple(
                lease_token.ShareClaim(
                    device=share.device.name,
                    epoch=share.epoch,
                    memory_bytes=share.memory_bytes,
                    compute=share.compute_ppm / WHOLE,
                )
                for share in shares
            ),
            expires_at=lease.expires_at,
            peers=tuple(peers),
        )
        return lease_token.encode(claims, self._key.sign)

    def _scope(self, hash: str) -> str | None:
        """Return a token's scope, if it is known here; each known hash is compared in constant time."""
        found = None
        for known, scope in self._scopes.items():
            if hmac.compare_digest(known, hash):
                found = scope
        return found

    def _scope_by_another(self, hash: str) -> str | None:
        """Return the scope of a token that a broker let in that shares the store."""
        if not self._store.is_shared:
            return None
        with self._store.read() as tx:
            self._scopes = {token.sha256: token.scope for token in tx.tokens()}
        return self._scope(hash)
