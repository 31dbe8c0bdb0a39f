"""`accelpool bench`: how a device of the pool does, within seconds; beside a local one where asked for."""

from __future__ import annotations

import importlib
import time
import warnings
from dataclasses import dataclass
from typing import Annotated, Any

import typer

import accelpool
from accelpool.cli.access import pool
from accelpool.cli.completion import device_ids
from accelpool.cli.failures import CommandFailed, NotInstalled
from accelpool.cli.measure import Figure, figures, is_right
from accelpool.cli.options import Json, Url
from accelpool.cli.output import Output
from accelpool.cli.signals import interrupt_on_ending_signals
from accelpool.progress_reports import progress

LOCAL = "pyopencl"
NULL = "null"  # the environment of devices that compute nothing

Record = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Side:
    """What was measured on one side, and whether its device computes rightly; None if it computes nothing."""

    figures: tuple[Figure, ...]
    is_right: bool | None


def bench(
    kind: Annotated[str, typer.Option(help="gpu, cpu, accelerator, custom, or any that is free.")] = "any",
    device: Annotated[
        str | None, typer.Option(metavar="ID", help="That device.", autocompletion=device_ids)
    ] = None,
    local: Annotated[bool, typer.Option("--local", help="Beside it this machine's, by PyOpenCL.")] = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Measure a device of the pool: round trips, launches, transfers, a small kernel."""
    interrupt_on_ending_signals()
    output = Output(json)
    beside = _import_local() if local else None
    with pool(url) as broker, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # compilers chat
        begun = time.perf_counter()
        with progress():
            context = broker.acquire(kind, device=device)
        acquired = Figure(name="acquire", unit="ms", value=(time.perf_counter() - begun) * 1e3)
        with context:
            share = context.lease.shares[0]
            with output.progress(f"Measuring {share.name} on {share.node}"):
                ours = _measure(accelpool, context, computes=share.environment != NULL)
    theirs = None
    if beside is not None:
        with output.progress("Measuring this machine's device"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = _measure(beside, beside.Context([_local_device(beside, share.attributes)]))
    _show(output, share, (acquired, *ours.figures), ours, theirs)


def _measure(cl: Any, context: Any, *, computes: bool = True) -> Side:
    return Side(figures=tuple(figures(cl, context)), is_right=is_right(cl, context) if computes else None)


def _import_local() -> Any:
    """Return PyOpenCL, which this package does not need otherwise, and so does not import by its name."""
    try:
        return importlib.import_module(LOCAL)
    except ImportError as error:
        raise NotInstalled(
            f"--local needs PyOpenCL ({error}): pip install 'pyopencl[pocl]', or leave it out"
        ) from error


def _local_device(cl: Any, attributes: Record) -> Any:
    """Return this machine's device of the same name, else its first."""
    found = [device for platform in cl.get_platforms() for device in platform.get_devices()]
    if not found:
        raise CommandFailed("--local: PyOpenCL finds no device on this machine")
    return next((device for device in found if device.name == attributes.get("name")), found[0])


def _show(output: Output, share: Any, measured: tuple[Figure, ...], ours: Side, theirs: Side | None) -> None:
    beside = {} if theirs is None else {figure.name: figure.value for figure in theirs.figures}
    device = {"id": share.device, "name": share.name, "node": share.node, "kind": share.kind}
    lines = [
        {"name": one.name, "unit": one.unit, "pool": one.value, "local": beside.get(one.name)}
        for one in measured
    ]
    output.document({"device": device, "figures": lines, "is_right": ours.is_right})
    output.text(f"{share.name} on {share.node} ({share.device})", "")
    columns = ("what", "unit", "pool", *(("local",) if theirs else ()))
    rows = [(one["name"], one["unit"], *map(_amount, (one["pool"], one["local"]))) for one in lines]
    output.table(columns, [row[: len(columns)] for row in rows], "Nothing was measured.")
    if ours.is_right is None:
        output.note("It is a device that computes nothing: its results stay as they were.")
    if ours.is_right is False:
        raise CommandFailed("the device's product of two matrices is not NumPy's: do not trust this device")


def _amount(value: object) -> str:
    """Return a figure with three digits that count."""
    if not isinstance(value, float):
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
