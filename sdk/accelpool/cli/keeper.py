"""The process that keeps a lease for another one: renews it, writes its file, and gives it back.

    python -P -m accelpool.cli.keeper < ORDERS

It reads its orders, one line of JSON, once the lease is granted, and prints "ready" when the lease file is
there. It is in a session of its own: what a terminal sends to the command's processes does not reach it, and
the lease lives on while these are stopped.

    what happens                      then
    its holder ends, however          the lease is given back
    SIGTERM                           the same: the holder has no use for it any more
    the lease is lost                 it says so on stderr, and ends with exit code 123
    itself is killed                  the lease expires
"""

from __future__ import annotations

import contextlib
import os
import select
import sys
from functools import partial
from pathlib import Path

import msgspec

from accelpool.cli import lease_file
from accelpool.cli.failures import ExitCode, one_line
from accelpool.cli.output import Output
from accelpool.cli.process_reference import ProcessReference
from accelpool.cli.signals import ignore_ending_signals, interrupt_on_ending_signals
from accelpool.cli.token_exchange import token_again
from accelpool.cli.tunnel import Tunnels
from accelpool.credentials import Credentials
from accelpool.endpoint_security import check_endpoints
from accelpool.errors import InsecureEndpoint, ProblemError
from accelpool.lease import Lease, LeaseKeeper, OnNotice
from accelpool.records import LeaseRecord, NoticeRecord
from accelpool.rest import RestClient

READY = b"ready\n"


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What to keep, and for whom.

    Attributes:
        pool: The broker's URL, and the token for it.
        lease: The lease, active.
        folder: Where its file goes; removed at the end.
        holder: The process that has it.
    """

    pool: Credentials
    lease: LeaseRecord
    folder: str
    holder: ProcessReference


class _NoSession:
    """A lease's connection, for the keeper of leases: the sessions under this one are other processes'."""

    def close(self) -> None:
        """There is none."""

    def abandon(self, reason: ProblemError) -> None:
        """There is none."""


def main() -> None:
    """Keep the lease that is ordered on stdin."""
    orders = sys.stdin.buffer.readline()
    if orders:  # else no lease was granted
        sys.exit(keep(msgspec.json.decode(orders, type=Orders)))


def keep(orders: Orders) -> ExitCode:
    """Keep a lease until its holder ends, SIGTERM comes or it is lost."""
    folder = Path(orders.folder)
    pool = orders.pool
    reread = partial(token_again, pool)
    keeper = LeaseKeeper(RestClient(pool.url, pool.token, pool.ca, reread=reread))
    lease = keeper.adopt(orders.lease, _NoSession())
    lease.on_notice = _tell_notice(lease)
    try:
        interrupt_on_ending_signals()
        _stay(keeper, lease, folder, orders.holder.open(), pool)
    except (KeyboardInterrupt, ProcessLookupError, BrokenPipeError):
        pass  # nobody has any use for it
    finally:
        ignore_ending_signals()
        keeper.close()
        lease_file.remove(folder)
    if lease.failure is None:
        return ExitCode.DONE
    _say(
        f"lease {lease.record.id} was lost; OpenCL calls under it fail from now on: {one_line(lease.failure)}"
    )
    return ExitCode.LEASE_LOST


def _stay(keeper: LeaseKeeper, lease: Lease, folder: Path, holder: int, pool: Credentials) -> None:
    """Renew a lease, and write what it is then, until its holder ends or it is lost."""
    poller = select.poll()
    poller.register(holder, select.POLLIN)
    myself = ProcessReference.of(os.getpid())
    written, tunnels = lease.latest, Tunnels()
    lease_file.write(folder, written, myself, tunnels.port_to)
    _say_ready()
    while True:
        sleep_s = keeper.renew_due()
        if lease.is_over:
            return
        if lease.latest is not written and _is_written(folder, lease.latest, myself, tunnels, pool):
            written = lease.latest
        if poller.poll(sleep_s * 1000):
            return


def _is_written(
    folder: Path, record: LeaseRecord, myself: ProcessReference, tunnels: Tunnels, pool: Credentials
) -> bool:
    """Write the lease file and return whether that went well; else it is tried again."""
    try:
        if not pool.is_insecure:
            check_endpoints(record, pool.url)
        lease_file.write(folder, record, myself, tunnels.port_to)
    except OSError as error:
        _say(f"{folder} cannot be written: {error.strerror}")
        return False
    except InsecureEndpoint as error:
        _say(one_line(error))
        return False
    return True


def _say_ready() -> None:
    """Say so, and let go of stdout, whose end somebody may wait for."""
    os.write(sys.stdout.fileno(), READY)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _tell_notice(lease: Lease) -> OnNotice:
    def tell(notice: NoticeRecord) -> None:
        _say(f"lease {lease.record.id} ends at {notice.revoke_at}: {notice.reason}")

    return tell


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone
        Output().note(f"accelpool: {line}")


if __name__ == "__main__":
    main()
