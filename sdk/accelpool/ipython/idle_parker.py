"""Parks a notebook's lease once the notebook has idled: no cell runs, and nothing uses the device."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable

from accelpool.errors import AccelpoolError, ParkingError
from accelpool.ipython.notebook_lease import NotebookLease

log: logging.Logger = logging.getLogger("accelpool")


class IdleParker:
    """A thread that parks the lease in time, from `begin` to `end`.

    Args:
        lease: The notebook's.
        clock: Seconds from any start, never going back.
    """

    def __init__(self, lease: NotebookLease, clock: Callable[[], float] = time.monotonic) -> None:
        self._lease = lease
        self._clock = clock
        self._is_running = False
        self._has_tried = False
        self._since = clock()
        self._wake = threading.Event()
        self._is_over = False
        self._thread = threading.Thread(target=self._run, name="accelpool-parker", daemon=True)

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def end(self) -> None:
        """End the thread; a parking under way is waited for."""
        self._is_over = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def cell_begins(self, _info: object = None) -> None:
        """Note that a cell runs: until it ends nothing is parked."""
        self._is_running = True

    def cell_ends(self, _result: object = None) -> None:
        """Note that no cell runs, from now on."""
        self._is_running, self._has_tried, self._since = False, False, self._clock()
        self._wake.set()

    def left_s(self) -> float | None:
        """Return how long it is until the lease is to be parked, 0 for now; None while it is not."""
        lease = self._lease
        if self._is_running or self._has_tried or lease.idle_s is None:
            return None
        if not lease.is_held or lease.is_parked:
            return None
        return max(0.0, max(self._since, lease.used_s) + lease.idle_s - self._clock())

    def look(self) -> None:
        """Park the lease if it is time; what cannot be parked is tried again after another cell."""
        if self.left_s() != 0.0:
            return
        self._has_tried = True
        try:
            self._lease.park()
        except ParkingError as error:
            log.warning("the notebook's lease is not parked: %s", error)
        except AccelpoolError as error:
            log.warning("the notebook's lease is over: %s", error)

    def _run(self) -> None:
        while not self._is_over:
            left_s = self.left_s()
            if left_s is None or left_s > 0:
                self._wake.wait(left_s)
            self._wake.clear()
            if not self._is_over:
                with contextlib.suppress(Exception):  # the lease stays, as it would without this thread
                    self.look()
