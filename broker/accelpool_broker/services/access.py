"""Access: who may call, and the lease tokens that open sessions on nodes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from accelpool_broker.clock import Clock
from accelpool_broker.models import Account, AccountKind, Lease, Role, Share, Token
from accelpool_broker.queries.transaction import Transaction
from accelpool_broker.scheduler import WHOLE
from accelpool_broker.services.caller import EVERYTHING, Caller
from accelpool_broker.services.credentials import Credential, Credentials
from accelpool_broker.services.new_tokens import add_token, hash_of
from accelpool_broker.store import Store
from accelpool_wire import lease_token
from accelpool_wire.errors import Forbidden, Invalid, Unauthorized

BEARER = "bearer"
FIRST_ADMIN = "admin"
ANY_NODE = "nodes"  # of an earlier version: one token that speaks for all nodes
NODE_PREFIX = "node:"
OF_FILE = {
    "user": (FIRST_ADMIN, AccountKind.USER, Role.ADMIN),
    "node": (ANY_NODE, AccountKind.NODE, Role.NODE),
}
FROM_FILE = "tokens.json"

log = logging.getLogger(__name__)


def check_name(name: str) -> None:
    """Refuse to call a token, or a rule whose tokens have its name, like those of the tokens file.

    Raises:
        Invalid: It is that name.
    """
    if name == FROM_FILE:
        raise Invalid(f"the name {name} is for the token of that file")


class Access:
    """The pool's tokens, bearer tokens and lease tokens; of the former only hashes are kept."""

    def __init__(self, store: Store, key: Ed25519PrivateKey, clock: Clock) -> None:
        self._store = store
        self._key = key
        self._clock = clock
        self.credentials = Credentials(store, clock)

    @property
    def public_key(self) -> bytes:
        """The raw Ed25519 public key with which nodes verify lease tokens."""
        return self._key.public_key().public_bytes_raw()

    def admit(self, tokens: Mapping[str, str]) -> None:
        """Let the tokens file's tokens in, by role; of a store that is not shared no others of a file."""
        wanted = {hash_of(token): OF_FILE[role] for role, token in tokens.items()}
        with self._store.write() as tx:
            known = {token.sha256: token for token in tx.tokens() if _is_of_file(token)}
            for hash, token in known.items():
                if not self._store.is_shared and hash not in wanted:
                    tx.remove(token)
            tx.flush()
            for hash, (account, kind, role) in wanted.items():
                if hash not in known:
                    self._add(tx, hash, account, kind, role)
        if ANY_NODE in (account for account, _, _ in wanted.values()):
            log.warning(
                "%s has the token of all nodes of an earlier version: enrol them, and take it out", FROM_FILE
            )
        self.credentials.forget()

    def _add(self, tx: Transaction, hash: str, account: str, kind: AccountKind, role: Role) -> None:
        """Add a token that is new in the file: whoever can write that has the last word on its account."""
        now = self._clock.now()
        owner = tx.account(account)
        if owner is None:
            owner = Account(name=account, kind=kind, created_at=now)
            tx.add(owner)
        owner.role, owner.tenants, owner.is_disabled = role, [], False
        tx.flush()
        add_token(tx, hash, account, name=FROM_FILE, scopes=[EVERYTHING], now=now)

    def identify(self, authorization: str | None, address: str = "", action: str = "") -> Caller:
        """Return who calls.

        Args:
            authorization: The Authorization header.
            address: Where the call comes from.
            action: What is called.

        Raises:
            Unauthorized: There is no bearer token, or it lets nobody in.
        """
        method, _, token = (authorization or "").partition(" ")
        if method.lower() != BEARER or not token.strip():
            raise Unauthorized("the request needs the header 'Authorization: Bearer TOKEN'")
        credential = self._let_in(token.strip())
        return Caller(
            account=credential.account,
            token=credential.id,
            role=credential.role,
            tenants=credential.tenants,
            scopes=credential.scopes,
            address=address,
            action=action,
        )

    def _let_in(self, token: str) -> Credential:
        credential, now = self.credentials.find(token), self._clock.now()
        if credential is None:
            raise Unauthorized("this pool does not know the token: is it another pool's, or was it revoked?")
        if credential.is_disabled:
            raise Unauthorized(f"account {credential.account} is disabled")
        if credential.expires_at is not None and credential.expires_at <= now:
            raise Unauthorized(f"token {credential.id} of account {credential.account} has expired")
        self.credentials.note_use(credential, now)
        return credential

    def check_node(self, caller: Caller, node: str) -> None:
        """Refuse to let a caller speak for a node that is not its own.

        Raises:
            Forbidden: It is another one's.
        """
        own = NODE_PREFIX + node
        if caller.account == own:
            return
        if caller.account != ANY_NODE or self.credentials.has_account(own):
            raise Forbidden(
                f"account {caller.account} does not speak for node {node}", instance=f"/nodes/{node}"
            )

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


def _is_of_file(token: Token) -> bool:
    """Whether a token is of the tokens file; a trust rule of an earlier version may be called like it."""
    return token.name == FROM_FILE and token.rule is None
