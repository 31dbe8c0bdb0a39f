"""What the broker keeps in its state directory beside the database: the signing key and the tokens.

    DIR/             0700
    broker.sqlite    the database
    signing.key      0600, the Ed25519 private key that signs lease tokens, PEM (PKCS #8)
    tokens.json      0600, {"user": "..."}, the first admin's token, made at the first start; an earlier
                     version's has "node", too, with which all nodes are spoken for
    broker.lock      locked while a broker runs; its process id

The database holds the tokens' hashes only.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from accelpool_wire.errors import AccelpoolError
from accelpool_wire.private_file import PRIVATE_DIR, replace_file

DATABASE = "broker.sqlite"
SIGNING_KEY = "signing.key"
TOKENS = "tokens.json"
LOCK = "broker.lock"


class StateDirError(AccelpoolError):
    """The state directory holds something that cannot be used; nothing was changed."""


def prepare(path: Path) -> None:
    """Make the directory, for its owner only.

    Raises:
        StateDirError: It cannot be made.
    """
    try:
        path.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
        path.chmod(PRIVATE_DIR)
    except OSError as error:
        raise StateDirError(f"{path} cannot be the state directory: {error.strerror}") from error


@contextmanager
def locked(path: Path, otherwise: str) -> Iterator[None]:
    """Keep a directory for this process, which is made if need be.

    Args:
        path: The directory.
        otherwise: What to do if a broker runs with it.

    Raises:
        StateDirError: A broker runs with it, or it cannot be made.
    """
    prepare(path)
    with (path / LOCK).open("a+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read(32).strip() or "of an unknown number"
            raise StateDirError(f"a broker runs with {path} already, process {owner}: {otherwise}") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def signing_key(path: Path | None) -> Ed25519PrivateKey:
    """Return the signing key kept in the directory, made now if there is none.

    Raises:
        StateDirError: The file is no Ed25519 private key.
    """
    if path is None:
        return Ed25519PrivateKey.generate()
    file = path / SIGNING_KEY
    if not file.exists():
        key = Ed25519PrivateKey.generate()
        replace_file(file, pem(key))
        return key
    return read_pem(file.read_bytes(), str(file))


def pem(key: Ed25519PrivateKey) -> bytes:
    """Return a private key in PEM form (PKCS #8)."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def read_pem(content: bytes, where: str) -> Ed25519PrivateKey:
    """Return the private key in PEM form that was kept somewhere.

    Raises:
        StateDirError: It is no Ed25519 private key.
    """
    try:
        loaded = serialization.load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise StateDirError(f"{where} is not a private key in PEM form: {error}") from error
    if not isinstance(loaded, Ed25519PrivateKey):
        raise StateDirError(f"{where} holds a key of another kind than Ed25519")
    return loaded


def tokens(path: Path | None) -> dict[str, str]:
    """Return the bearer tokens by role: "user", made now if there is none, and "node" of an earlier version.

    Raises:
        StateDirError: The file is malformed.
    """
    if path is None:
        return _new_tokens()
    file = path / TOKENS
    if not file.exists():
        made = _new_tokens()
        replace_file(file, json.dumps(made, indent=2).encode() + b"\n")
        return made
    try:
        found = json.loads(file.read_text())
        return {role: str(found[role]) for role in ("user", "node") if role == "user" or role in found}
    except (ValueError, KeyError, TypeError) as error:
        raise StateDirError(f'{file} is not of the form {{"user": "..."}}') from error


def _new_tokens() -> dict[str, str]:
    return {"user": f"apu_{secrets.token_urlsafe(32)}"}
