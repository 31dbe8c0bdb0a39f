"""A lease that processes are run under: asked for here, kept by a process of its own (`keeper`)."""

from __future__ import annotations

import contextlib
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from accelpool.acquisition import Acquisition
from accelpool.cli import keeper, lease_file
from accelpool.cli.failures import ExitCode, StartFailed
from accelpool.cli.process_reference import ProcessReference
from accelpool.cli.token_exchange import token_again
from accelpool.credentials import Credentials
from accelpool.lease_request import LeaseRequest
from accelpool.progress_reports import progress
from accelpool.records import LeaseRecord
from accelpool.rest import RestClient

SAY_AFTER_S = 1.0
END_LIMIT_S = 15.0  # it may be in the midst of a renewal, and gives the lease back then

Say = Callable[[str], object]


class KeptLease:
    """A lease that is granted and kept.

    Attributes:
        record: The lease as it was granted.
        is_lost: Whether it was lost, as far as was looked.

    Args:
        acquisition: The request, granted.
        process: Its keeper.
        folder: Where its file is.
        say: Told if the keeper is gone.
    """

    def __init__(
        self, acquisition: Acquisition, process: subprocess.Popen[bytes], folder: Path, say: Say
    ) -> None:
        assert acquisition.record is not None
        self.record: LeaseRecord = acquisition.record
        self.is_lost: bool = False
        self._acquisition = acquisition
        self._process = process
        self._folder = folder
        self._say = say

    def variables(self) -> dict[str, str]:
        """Return the variables that tell a process of the lease."""
        return {
            "ACCELPOOL_LEASE": self.record.id,
            "ACCELPOOL_LEASE_FILE": str(self._folder / lease_file.NAME),
            "ACCELPOOL_WAITED_S": f"{self._acquisition.waited_s:.1f}",
        }

    def look(self) -> None:
        """Look after the keeper; one that was killed does not say itself what that means."""
        code = self._process.poll()
        if code in (None, ExitCode.DONE) or self.is_lost:
            return
        self.is_lost = True
        if code != ExitCode.LEASE_LOST:
            self._say(f"the process that renews lease {self.record.id} was killed: the lease ends soon")

    def end(self) -> None:
        """Give the lease back; ending twice is ending once."""
        self._process.terminate()
        try:
            self._process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.look()
        if self._process.returncode not in (ExitCode.DONE, ExitCode.LEASE_LOST):
            self._acquisition.withdraw()
            lease_file.remove(self._folder)


def take(
    request: LeaseRequest,
    credentials: Credentials,
    holder: ProcessReference,
    runtime_dir: Path,
    say: Say,
    *,
    is_heard: bool = True,
) -> KeptLease:
    """Return a lease once it is granted, kept from then on for as long as a process lives.

    Args:
        request: What to ask for.
        credentials: Of which pool.
        holder: The process.
        runtime_dir: Where the folder of the lease file is made.
        say: Told why it waits.
        is_heard: Whether the keeper has our stderr: whoever reads that to its end waits for the keeper's.

    Raises:
        StartFailed: The keeper did not start.
        AccelpoolError: No lease was granted: as `acquire` does.
    """
    acquisition = Acquisition(
        rest=RestClient(
            credentials.url, credentials.token, credentials.ca, reread=partial(token_again, credentials)
        ),
        request=request,
        is_insecure=credentials.is_insecure,
        say=say,
        say_after_s=SAY_AFTER_S,
    )
    with contextlib.ExitStack() as undo:
        folder = lease_file.new_folder(runtime_dir)
        undo.callback(lease_file.remove, folder)
        process = _start_keeper(is_heard)  # while the lease is asked for: it takes half a second
        undo.callback(_discard, process)
        with progress():
            record = acquisition.run()
        undo.callback(acquisition.withdraw)
        _hand_over(process, keeper.Orders(pool=credentials, lease=record, folder=str(folder), holder=holder))
        undo.pop_all()
    return KeptLease(acquisition, process, folder, say)


def end_by_file(path: Path) -> tuple[str, bool]:
    """End the lease of a lease file, by its keeper if that lives; return its id, and whether that has ended.

    Raises:
        CommandFailed: There is no such file any more.
    """
    found, has_ended = lease_file.read(path), False
    with contextlib.suppress(ProcessLookupError):
        process = found.keeper.open()
        signal.pidfd_send_signal(process, signal.SIGTERM)
        poller = select.poll()
        poller.register(process, select.POLLIN)
        has_ended = bool(poller.poll(END_LIMIT_S * 1000))
    lease_file.remove(path.parent)
    return found.lease, has_ended


def _start_keeper(is_heard: bool) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", keeper.__name__],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if is_heard else subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise StartFailed(f"the process that renews the lease did not start: {error}") from error


def _discard(process: subprocess.Popen[bytes]) -> None:
    """End a keeper that keeps nothing."""
    process.kill()
    process.communicate()


def _hand_over(process: subprocess.Popen[bytes], orders: keeper.Orders) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(msgspec.json.encode(orders) + b"\n")
        process.stdin.close()
    answer = process.stdout.readline()
    process.stdout.close()
    if answer != keeper.READY:
        raise StartFailed("the process that renews the lease ended at once")
