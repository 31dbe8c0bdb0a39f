"""The discovery child: says what devices a driver environment has and whether they work, then exits.

    python -m accelpool_node.discover --backend KIND [--list | --probe=NAME ...] [--sandbox POLICY]

It prints JSON, one record a line: a `Listing` of all devices, then for each device to probe (all of them, if
neither option is given) a `Probing` before and a `Probed` after. Drivers crash: what was printed before a
crash holds, and the last `Probing` without its `Probed` names the culprit. What drivers print goes to the
standard error.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence

import msgspec

from accelpool_node.backends.base import Backend, BackendDevice
from accelpool_node.sandbox.confine import confine
from accelpool_node.sandbox.policy import Sandbox, decode
from accelpool_wire.errors import Unavailable
from accelpool_wire.installation import install_command
from accelpool_wire.messages import InfoValue

STDOUT, STDERR = 1, 2
NO_SANDBOX = Sandbox()


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A device as its backend describes it; fields as in `backends.base.BackendDevice`."""

    name: str
    platform: dict[int, InfoValue]
    info: dict[int, InfoValue]
    kind: str
    api: str
    fault: str = ""


class Listing(msgspec.Struct, frozen=True, tag="listing"):
    """All devices of the environment, not yet probed, and the sandbox in which they are asked."""

    devices: list[Listed]
    sandbox: Sandbox = NO_SANDBOX


class Probing(msgspec.Struct, frozen=True, tag="probing"):
    """The probe of a device begins."""

    device: str


class Probed(msgspec.Struct, frozen=True, tag="probed"):
    """The probe of a device is over; `fault` says what went wrong, or is ""."""

    device: str
    fault: str


Line = Listing | Probing | Probed

_decoder: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def parse(output: bytes) -> tuple[list[Line], str]:
    """Return the records of a child's output up to the first that is none, and what was wrong with that."""
    lines: list[Line] = []
    for text in output.splitlines():
        try:
            lines.append(_decoder.decode(text))
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            return lines, f"it printed garbage: {error}"
    return lines, ""


def discover(
    backend: Backend,
    to_probe: Sequence[str] | None,
    tell: Callable[[Line], None],
    sandbox: Sandbox = NO_SANDBOX,
) -> None:
    """List a backend's devices, then probe some.

    Args:
        backend: Whose devices.
        to_probe: The names of those to probe; None for all.
        tell: Called with each record at once.
        sandbox: What this process is confined by.
    """
    devices = backend.devices()
    tell(Listing([_listed(device) for device in devices], sandbox))
    for device in devices:
        if to_probe is None or device.name in to_probe:
            tell(Probing(device.name))
            tell(Probed(device.name, device.fault or _probe(backend, device)))
    for name in set(to_probe or ()) - {device.name for device in devices}:
        tell(Probed(name, "the driver does not show the device any more"))


def _listed(device: BackendDevice) -> Listed:
    return Listed(
        name=device.name,
        platform=device.platform,
        info=device.info,
        kind=device.kind,
        api=device.api,
        fault=device.fault,
    )


def _probe(backend: Backend, device: BackendDevice) -> str:
    """Return a device's fault; whatever the driver throws is one."""
    try:
        return backend.probe(device)
    except Exception as error:  # noqa: BLE001, RUF100 - the report is what this process is for
        return f"its probe failed: {type(error).__name__}: {error}"


def load_backend(name: str) -> Backend:
    """Return the backend of a name: "opencl", "cuda", "null:COUNT" or "null-cuda:COUNT".

    The import loads the driver.

    Raises:
        Unavailable: Its driver, or what speaks to it, is not there.
    """
    kind, _, count = name.partition(":")
    if kind == "null":
        from accelpool_node.backends.null import NullBackend

        return NullBackend(int(count or 1))
    if kind == "null-cuda":
        from accelpool_node.backends.null.cuda import NullCudaBackend

        return NullCudaBackend(int(count or 1))
    if kind == "opencl":
        from accelpool_node.backends.opencl import OpenCLBackend

        return OpenCLBackend()
    if kind == "cuda":
        return _cuda()
    raise SystemExit(f"unknown backend {name!r}: opencl, cuda, null:COUNT and null-cuda:COUNT exist")


def _cuda() -> Backend:
    try:
        from accelpool_node.backends.cuda.backend import CudaBackend
    except ModuleNotFoundError as error:
        what = f"the CUDA backend needs PyCUDA: {install_command('cuda')} ({error})"
        raise Unavailable(what) from error
    except ImportError as error:  # of a library that PyCUDA is linked with
        raise Unavailable(f"the CUDA backend needs NVIDIA's driver: {error}") from error
    return CudaBackend()


def main() -> None:
    """Print what there is."""
    parser = argparse.ArgumentParser(prog="accelpool_node.discover", description=__doc__)
    parser.add_argument("--backend", default="opencl")
    parser.add_argument("--list", action="store_true", help="probe nothing")
    parser.add_argument("--probe", action="append", metavar="NAME", help="probe this device only; repeatable")
    parser.add_argument("--sandbox", type=decode, metavar="POLICY", help="what this process may do")
    options = parser.parse_args()
    sandbox = NO_SANDBOX if options.sandbox is None else confine(options.sandbox, os.environ, keep=())
    report = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    to_probe = [] if options.list else options.probe
    discover(
        load_backend(options.backend),
        to_probe,
        lambda line: _write_all(report, msgspec.json.encode(line) + b"\n"),
        sandbox,
    )


def _write_all(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


if __name__ == "__main__":
    main()
