"""The key that signs lease tokens: one for all brokers of a pool, so that nodes need to know one only."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from accelpool_broker import state_dir
from accelpool_broker.models import SigningKey
from accelpool_broker.store import Store

PURPOSE = "lease-tokens"


def signing_key(store: Store, directory: Path | None, now: float) -> Ed25519PrivateKey:
    """Return the pool's key, made now if there is none: in the store if brokers share it, else in a file.

    Raises:
        StateDirError: What is kept is no Ed25519 private key.
    """
    if not store.is_shared:
        return state_dir.signing_key(directory)
    with store.write() as tx:
        kept = tx.signing_key()
        if kept is None:
            pem = state_dir.pem(Ed25519PrivateKey.generate()).decode()
            kept = SigningKey(purpose=PURPOSE, pem=pem, created_at=now)
            tx.add(kept)
    return state_dir.read_pem(kept.pem.encode(), "what the database has as signing key")
