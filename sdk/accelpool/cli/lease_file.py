"""The lease file: what the native driver reads of a lease, and who keeps it.

    {"lease": "lse_…", "expires_at": "2027-…Z", "keeper": {"pid": 4711, "started": 12345},
     "endpoints": [{"node": "n1", "environment": "default", "host": "127.0.0.1", "port": 4711, "token": "…"}]}

An endpoint with a `certificate_sha256` does TLS, which the driver does not: `tunnel_port` is the port on
loopback by which the keeper leads there.

Its tokens open the devices: it is readable by its owner alone, in a folder of its own. It is replaced in
one step when the lease is renewed, and gone with its folder when the lease has ended.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from accelpool.cli.failures import CommandFailed
from accelpool.cli.process_reference import ProcessReference
from accelpool.records import EndpointRecord, LeaseRecord
from accelpool_wire.private_file import replace_file

NAME = "lease.json"


class DriverEndpoint(EndpointRecord, frozen=True, kw_only=True, omit_defaults=True):
    """An endpoint, and the port of the tunnel to it; 0 for none."""

    tunnel_port: int = 0


class LeaseFile(msgspec.Struct, frozen=True, kw_only=True):
    """What is in it.

    Attributes:
        lease: The lease's id.
        expires_at: When it ends unless it is renewed.
        keeper: The process that renews it.
        endpoints: Where its devices are reached.
    """

    lease: str
    keeper: ProcessReference
    expires_at: str | None = None
    endpoints: list[DriverEndpoint] = []


def new_folder(parent: Path) -> Path:
    """Return a new folder that its owner alone may enter.

    Raises:
        CommandFailed: There is no room for one.
    """
    try:
        return Path(tempfile.mkdtemp(prefix="accelpool-", dir=parent))
    except OSError as error:
        raise CommandFailed(f"no folder can be made in {parent}: {error.strerror}") from error


def write(
    folder: Path,
    record: LeaseRecord,
    keeper: ProcessReference,
    tunnel_to: Callable[[EndpointRecord], int] = lambda _: 0,
) -> None:
    """Write the file of a lease, all or nothing.

    Args:
        folder: Where.
        record: The lease.
        keeper: The process that renews it.
        tunnel_to: Returns the port of the tunnel to an endpoint; 0 for none.
    """
    endpoints = [
        DriverEndpoint(**msgspec.structs.asdict(each), tunnel_port=tunnel_to(each))
        for each in record.endpoints
    ]
    content = LeaseFile(lease=record.id, expires_at=record.expires_at, keeper=keeper, endpoints=endpoints)
    replace_file(folder / NAME, msgspec.json.encode(content) + b"\n")


def read(path: Path) -> LeaseFile:
    """Return what is in a lease file.

    Raises:
        CommandFailed: There is none, or it is malformed.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=LeaseFile)
    except FileNotFoundError as error:
        raise CommandFailed(f"there is no lease any more: {path} is gone") from error
    except (OSError, msgspec.MsgspecError) as error:
        raise CommandFailed(f"{path} is no lease file: {error}") from error


def remove(folder: Path) -> None:
    """Remove the file with its folder."""
    shutil.rmtree(folder, ignore_errors=True)
