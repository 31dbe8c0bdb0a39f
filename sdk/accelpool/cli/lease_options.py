"""The options that say what lease to take: the arguments of `acquire`, for several commands."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import typer

from accelpool import acquire_options
from accelpool.cli.completion import device_ids
from accelpool.errors import Invalid
from accelpool.lease_request import LeaseRequest


def _instant(text: str) -> float:
    """Return an instant in seconds since the Unix epoch; one without a zone is one of here."""
    with _expected("an instant, such as 2027-01-15T08:00, or seconds since the Unix epoch", text):
        with contextlib.suppress(ValueError):
            return float(text)
        return datetime.fromisoformat(text).timestamp()


def seconds(text: str | float) -> float:
    """Return a number of seconds.

    Raises:
        BadParameter: It is no number.
    """
    with _expected("a number of seconds", text):
        return float(text)


@contextlib.contextmanager
def _expected(what: str, text: object) -> Iterator[None]:
    """Say what was expected of an option where it was given something else."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(f"it is {what}, not {text!r}") from error


Instant = Annotated[float | None, typer.Option(parser=_instant, metavar="TIME", show_default=False)]


def lease_request(
    kind: Annotated[str, typer.Option(help="gpu, cpu, accelerator, custom, or any that is free.")] = "any",
    api: Annotated[
        str, typer.Option(metavar="API", help="opencl or cuda; without it anything but CUDA.")
    ] = "",
    count: Annotated[int, typer.Option("--count", "-n", help="How many devices, together.")] = 1,
    memory: Annotated[
        str | None, typer.Option(help="Memory on each: 2GiB, 25%; without it, and compute, whole devices.")
    ] = None,
    compute: Annotated[
        str | None, typer.Option(metavar="PART", help="The part of each device's time: 0.25, 25%.")
    ] = None,
    exclusive: Annotated[bool, typer.Option("--exclusive", help="Whole devices in any case.")] = False,
    where: Annotated[str, typer.Option(metavar="EXPR", help="CEL that holds for each device.")] = "",
    placement: Annotated[str, typer.Option(help="near, same_node, spread, pack.")] = "near",
    image: Annotated[str, typer.Option(metavar="SHA256", help="Those that have it loaded first.")] = "",
    tolerates: Annotated[
        list[str] | None, typer.Option(metavar="TAINT", help="A taint that does not matter; repeat.")
    ] = None,
    device: Annotated[
        list[str] | None,
        typer.Option(metavar="ID", help="That device; repeat for several.", autocompletion=device_ids),
    ] = None,
    tenant: Annotated[str, typer.Option(help="Who is charged.")] = "",
    priority: Annotated[int, typer.Option(help="Higher ones are served first.")] = 0,
    preemptible: Annotated[
        bool, typer.Option("--preemptible", help="It may be ended for others, after a notice.")
    ] = False,
    max_duration: Annotated[
        float | None, typer.Option(parser=seconds, metavar="SECONDS", help="How long it lasts at most.")
    ] = None,
    starts_at: Instant = None,
    ends_at: Instant = None,
    wait: Annotated[
        float | None,
        typer.Option(
            parser=seconds,
            metavar="SECONDS",
            help="How long to wait for it; without it as long as it takes.",
        ),
    ] = None,
    ttl: Annotated[
        float, typer.Option(parser=seconds, metavar="SECONDS", help="How long it outlives a crash.")
    ] = 60.0,
) -> LeaseRequest:
    """Return the request for these options: of a lease that processes share, one after the other, too.

    Raises:
        BadParameter: Which option is not possible, and what was expected.
    """
    devices = device or []
    try:
        request = acquire_options.read(
            kind,
            {
                "api": api,
                "count": count,
                "memory": memory,
                "compute": compute,
                "exclusive": exclusive,
                "where": where,
                "placement": placement,
                "image": image,
                "tolerates": tolerates or (),
                "device": devices[0] if len(devices) == 1 else None,
                "devices": devices if len(devices) > 1 else (),
                "tenant": tenant,
                "priority": priority,
                "preemptible": preemptible,
                "max_duration": max_duration,
                "starts_at": starts_at,
                "ends_at": ends_at,
                "wait": wait,
                "ttl": ttl,
            },
        )
    except Invalid as error:
        raise typer.BadParameter(error.detail) from error
    return replace(request, ends_with_session=False)


def takes_lease_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command those options beside its own; what they ask for is its argument `request`."""
    shared = inspect.signature(lease_request, eval_str=True).parameters
    own = inspect.signature(command, eval_str=True).parameters
    parameters = [one for one in (*own.values(), *shared.values()) if one.name != "request"]

    @functools.wraps(command)
    def with_options(**given: Any) -> None:
        request = lease_request(**{name: given.pop(name) for name in shared})
        command(request=request, **given)

    keywords = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in parameters]
    with_options.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]  # typer reads it
    with_options.__annotations__ = {one.name: one.annotation for one in parameters}
    return with_options
