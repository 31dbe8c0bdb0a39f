"""One device from several sides: as this machine has it, and as a pool's, for programs that nobody changed.

side     how a program finds the device
local    by the driver that the pool's node has, as on any machine
driver   by the native driver, under `accelpool run`
sdk      by the SDK, which asks the pool for a lease by itself
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import accelpool
from accelpool_icd.build import build, zig

from .conftest import Pool, clean_environment
from .hiding import hiding, obstacle
from .integration.worker_rig import EXTRA_ENVIRONMENTS, Target, opencl_targets

ACCELPOOL = str(Path(sys.executable).parent / "accelpool")
PREFERRED = "intel"


@dataclass(frozen=True, kw_only=True)
class Side:
    """How programs are run that are to find the device.

    Attributes:
        name: What reports call it.
        variables: Their environment.
        platform: The name of the device's platform, as programs see it.
        prefix: What comes before their own command.
    """

    name: str
    variables: Mapping[str, str]
    platform: str = ""
    prefix: tuple[str, ...] = ()

    def run(
        self, command: Sequence[str], folder: Path, log: Path, *, limit_s: float, **variables: str
    ) -> int:
        """Run a program within a time, and return its status; what it prints is in the log.

        Its whole process group ends with it, and with this process's own end.
        """
        with log.open("w") as output:
            process = subprocess.Popen(
                [*self.prefix, *command],
                cwd=folder,
                env={**self.variables, **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                return process.wait(limit_s)
            except subprocess.TimeoutExpired:
                return -signal.SIGKILL
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@dataclass(frozen=True, kw_only=True)
class Sides:
    """A device's sides, while its pool runs.

    Attributes:
        unhidden: Why the pool's node sees the folders that it is not to see; "" if it does not.
    """

    local: Side
    driver: Side
    sdk: Side
    unhidden: str = ""


def chosen(device: str | None) -> Target:
    """Return the device whose name begins so, by default Intel's CPU device, else the first that works.

    Raises:
        SystemExit: There is none.
    """
    targets = {f"{target.environment.name}/{target.device}": target for target in opencl_targets()}
    working = {name: target for name, target in targets.items() if not target.fault}
    for wanted in [PREFERRED, ""] if device is None else [device]:
        for name, target in working.items():
            if name.startswith(wanted):
                return target
    faults = "".join(f"\n  {name}: {target.fault}" for name, target in targets.items() if target.fault)
    sys.exit(f"no device {device or ''} works here; there are {', '.join(working) or 'none'}{faults}")


@contextlib.contextmanager
def opened(folder: Path, target: Target, hidden: Sequence[str] = ()) -> Iterator[Sides]:
    """Build the driver and start a pool of this machine's devices; yield a device's sides.

    Args:
        folder: Where their files are.
        target: The device.
        hidden: Folders that the pool's node sees empty, where this process can do so.
    """
    unhidden = obstacle(hidden) if hidden else ""
    home = folder / "home"
    home.mkdir()
    library = build(zig(), folder / "libaccelpool.so", ["-Werror"])
    with _pool(folder, () if unhidden or not hidden else hiding(hidden)) as pool:
        points = {"ACCELPOOL_URL": pool.url, "ACCELPOOL_TOKEN": pool.token}
        programs = {**clean_environment(home), **points, "ACCELPOOL_DRIVER_PATH": str(library)}
        run = (ACCELPOOL, "run", "--only-pool", "--device", _id(pool, target), "--")
        yield Sides(
            local=Side(
                name="local",
                variables={**clean_environment(home), **target.environment.variables, "HOME": str(home)},
                platform=target.platform,
            ),
            driver=Side(name="driver", variables=programs, platform="accelpool", prefix=run),
            sdk=Side(name="sdk", variables=programs, platform=target.platform),
            unhidden=unhidden,
        )


@contextlib.contextmanager
def _pool(folder: Path, before: tuple[str, ...]) -> Iterator[Pool]:
    """Run a pool of this machine's devices, those of `make devices` included.

    Args:
        folder: Where its files are.
        before: What comes before its agent's command.
    """
    extra = EXTRA_ENVIRONMENTS if EXTRA_ENVIRONMENTS.exists() else None
    pool = Pool(folder=folder, environments=extra, before=before)
    with contextlib.ExitStack() as started:
        pool.start_broker()
        started.callback(pool.broker.stop)
        pool.start_agent()
        started.callback(pool.agent.stop)
        yield pool


def _id(pool: Pool, target: Target) -> str:
    with accelpool.connect(pool.url, pool.token) as broker:
        name = f"{target.environment.name}/{target.device}"
        return next(str(device["id"]) for device in broker.devices() if device["name"] == name)


def end_in_order_on_sigterm() -> None:
    """Make SIGTERM end this process as an exception does: programs and pools end with it."""
    signal.signal(signal.SIGTERM, _stop)


def _stop(number: int, _frame: object) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)
    sys.exit(128 + number)
