"""The credentials file: where `accelpool up` and `accelpool login` leave a pool's URL and token.

    {"url": "http://127.0.0.1:8750", "token": "..."}

A third member, `ca`, is the file of the authorities that vouch for the broker's certificate. A fourth,
`audience`, is there where a CI job has logged in: whom its ID token was meant for.

Only its owner may read it (mode 0600).
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from accelpool.errors import Unauthorized
from accelpool_wire.private_file import PRIVATE_DIR, replace_file


class Credentials(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A pool's URL, the token to use it with, and the file of authorities; "" for those of the system.

    With an `audience` the token was given to a CI job, for an ID token that was meant for that.
    With `is_insecure` nodes need no TLS, though the broker has it; that is not in the file.
    """

    url: str
    token: str
    ca: str = ""
    audience: str = ""
    is_insecure: bool = False

    def __repr__(self) -> str:
        return f"Credentials(url={self.url!r}, token=...)"


def load(path: Path) -> Credentials | None:
    """Return the credentials in a file, or None if there is no such file.

    Raises:
        Unauthorized: The file cannot be read, or is malformed.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Credentials)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unauthorized(f"the credentials file {path} cannot be read: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise Unauthorized(
            f'the credentials file {path} is not of the form {{"url": "...", "token": "..."}}: {error}'
        ) from error


def save(credentials: Credentials, path: Path) -> None:
    """Write the credentials to a file that only its owner can read, all or nothing.

    Raises:
        OSError: The file or its folder cannot be written.
    """
    path.parent.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
    replace_file(path, msgspec.json.encode(credentials) + b"\n")
