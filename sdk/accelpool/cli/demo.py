"""`accelpool demo`: filter a real photograph on an accelerator, over the network, in a pool of its own."""

from __future__ import annotations

import shutil
import tempfile
import time
import warnings
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from accelpool import CompilerWarning, connect
from accelpool.broker import Broker
from accelpool.cli import checks, extras
from accelpool.cli.failures import CommandFailed
from accelpool.cli.options import Json
from accelpool.cli.output import Output, human_bytes
from accelpool.cli.pool import LocalPool, PoolOptions
from accelpool.cli.settings import CliSettings
from accelpool.cli.signals import interrupt_on_ending_signals
from accelpool.pool_devices import CUDA

if TYPE_CHECKING:
    from accelpool.cli.filters import Filtered, UInt8s

PHOTOGRAPH = "eileen_collins.jpg"
CREDIT = "NASA's portrait of astronaut Eileen Collins (public domain)"
BEFORE, BLURRED, EDGES = "before.png", "after-blur.png", "after-sobel.png"
GRANT_LIMIT_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """What the demo found.

    Attributes:
        device: The device as the broker tells of it.
        seconds: How long each step took.
        blur_error: The largest difference from SciPy, in grey levels of 255.
        sobel_error: Likewise.
        files: What was written.
        is_right: Whether both are within their tolerances.
    """

    device: dict[str, Any]
    seconds: dict[str, float]
    blur_error: float
    sobel_error: float
    files: list[Path]
    is_right: bool


def demo(
    folder: Annotated[Path, typer.Option("--output", help="Where the pictures go.")] = Path("demo-output"),
    json: Json = False,
) -> None:
    """Blur a photograph and find its edges on an accelerator, and check the result with SciPy.

    Starts a pool of its own on free ports, uses it over the network, and ends it.
    """
    interrupt_on_ending_signals()
    extras.require("accelpool demo", "broker", "node", "demo")
    check_writable(folder)
    output = Output(json)
    settings = CliSettings.from_environment()
    with tempfile.TemporaryDirectory(prefix="accelpool-demo-") as scratch:
        options = PoolOptions(state_dir=Path(scratch), port=0, node_name="demo-node")
        with LocalPool(options, settings.variables) as pool:
            with output.progress("Starting a broker"):
                pool.start_broker()
            with output.progress("Starting an agent; it tries each driver"):
                pool.start_node()
            with connect(pool.url, pool.token) as broker, output.progress("Filtering a photograph"):
                result = _run(broker, folder, _lacking(settings))
    _show(output, pool, result)
    if not result.is_right:
        raise CommandFailed("the device's result is not SciPy's: do not trust this device")


def _run(broker: Broker, folder: Path, lacking: str) -> Result:
    """Do it all on the best device of the pool."""
    from accelpool.cli import filters

    photograph = load_photograph()
    chosen = best_device(broker.devices(), lacking)
    begun = time.perf_counter()
    with warnings.catch_warnings(), broker.acquire(device=chosen["id"], wait=GRANT_LIMIT_S) as context:
        warnings.simplefilter("ignore", CompilerWarning)  # compilers chat
        acquired_s = time.perf_counter() - begun
        filtered = filters.run(context, photograph)
    blur_error = filters.blur_error(photograph, filtered.blurred)
    sobel_error = filters.sobel_error(filters.grey(filtered.blurred), filtered.edges)
    return Result(
        device=chosen,
        seconds={"acquire a lease and open a session": acquired_s, **filtered.seconds},
        blur_error=blur_error,
        sobel_error=sobel_error,
        files=_write(folder, photograph, filtered),
        is_right=blur_error <= filters.BLUR_TOLERANCE and sobel_error <= filters.SOBEL_TOLERANCE,
    )


def check_writable(folder: Path) -> None:
    """Make a folder unless it is there, and make sure that files can be written to it.

    Raises:
        CommandFailed: They cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CommandFailed(f"the pictures cannot be written to {folder}: {error.strerror}") from error


def _lacking(settings: CliSettings) -> str:
    """Return what keeps PoCL's device from working here and how to mend it, or ""."""
    ld = shutil.which("ld", path=settings.path)
    finding = checks.check_linker(ld, has_pocl=extras.is_installed(checks.POCL))
    return f"`ld` {finding.detail}: {finding.mend}" if finding.mend else ""


def best_device(devices: list[dict[str, Any]], lacking: str = "") -> dict[str, Any]:
    """Return a healthy device for OpenCL C: a GPU if there is one, else an accelerator, else a CPU.

    Args:
        devices: As the broker tells of them.
        lacking: What is known to be missing on this machine, or "".

    Raises:
        CommandFailed: There is none; the message says what to do.
    """
    for kind in ("gpu", "accelerator", "cpu"):
        for device in (one for one in devices if one.get("api") != CUDA):
            if device["kind"] == kind and device["state"] == "free" and not device.get("fault"):
                return device
    if lacking:
        raise CommandFailed(f"no OpenCL device works here: {lacking}")
    faults = "; ".join(f"{device['name']}: {device['fault']}" for device in devices if device.get("fault"))
    raise CommandFailed(
        f"no OpenCL device works here ({faults or 'none was found'}); "
        "`accelpool doctor` says what is missing and how to mend it"
    )


def load_photograph() -> UInt8s:
    """Return the photograph that comes with accelpool: (height, width, 3) uint8, C order."""
    import numpy as np
    from PIL import Image

    with (
        resources.files("accelpool.cli").joinpath("photographs", PHOTOGRAPH).open("rb") as stream,
        Image.open(stream) as image,
    ):
        return np.asarray(image.convert("RGB"), dtype=np.uint8)


def _write(folder: Path, photograph: UInt8s, filtered: Filtered) -> list[Path]:
    import numpy as np
    from PIL import Image

    blurred = np.clip(np.rint(filtered.blurred), 0, 255).astype(np.uint8)
    pictures = {BEFORE: photograph, BLURRED: blurred, EDGES: filtered.edges}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, pixels in pictures.items():
            Image.fromarray(pixels).save(folder / name)
    except OSError as error:
        raise CommandFailed(f"the pictures cannot be written to {folder}: {error}") from error
    return [folder / name for name in pictures]


def _show(output: Output, pool: LocalPool, result: Result) -> None:
    device = result.device
    output.document(
        {
            "device": {key: device[key] for key in ("id", "name", "node", "kind")},
            "broker": pool.url,
            "seconds": result.seconds,
            "largest_error": {"blur": result.blur_error, "sobel": result.sobel_error},
            "is_right": result.is_right,
            "files": [str(path) for path in result.files],
        }
    )
    memory = human_bytes(device["capacity"]["memory_bytes"])
    name = device["attributes"].get("name") or device["name"]
    before, *after = map(str, result.files)
    output.text(
        f"Photograph  {CREDIT}",
        f"Device      {name}: {device['kind']}, {memory}",
        f"Node        {device['node']}, reached over the network; its broker was {pool.url}",
        "",
        *(f"{seconds * 1e3:10.1f} ms  {step}" for step, seconds in result.seconds.items()),
        "",
        f"Largest error against SciPy, of 255 grey levels: blur {result.blur_error:.2g}, "
        f"Sobel {result.sobel_error:.2g}: {'right' if result.is_right else 'WRONG'}",
        f"Before      {before}",
        f"After       {', '.join(after)}",
    )
