"""`accelpool run`, `shell`, `acquire`: programs that nobody changed, on a lease's devices.

The native driver shows them to every OpenCL program; see `driver`, `kept_lease` and `foreground`.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from accelpool.cli import driver, foreground, kept_lease
from accelpool.cli.access import pool_credentials
from accelpool.cli.failures import CannotRun, CommandFailed, ExitCode, NoCommand
from accelpool.cli.lease_options import takes_lease_options
from accelpool.cli.options import Json, Url
from accelpool.cli.output import Output
from accelpool.cli.process_reference import ProcessReference
from accelpool.cli.settings import CliSettings
from accelpool.cli.signals import ENDING_SIGNALS, interrupt_on_ending_signals
from accelpool.lease_request import LeaseRequest

DEFAULT_SHELL = "/bin/sh"
AS_IT_IS = {"allow_interspersed_args": False}  # the command's own options are the command's

OnlyPool = Annotated[bool, typer.Option("--only-pool", help="Hide this machine's own OpenCL drivers.")]


@takes_lease_options
def run(
    command: Annotated[list[str], typer.Argument(metavar="COMMAND [ARGS]...", show_default=False)],
    request: LeaseRequest,
    only_pool: OnlyPool = False,
    url: Url = None,
) -> None:
    """Run an OpenCL program on the pool's devices: `accelpool run --kind gpu -- COMMAND ARGS`.

    It has the devices until it ends; its exit code, its signals, its input and output are passed through.
    """
    _run(command, request, only_pool, url)


@takes_lease_options
def shell(request: LeaseRequest, only_pool: OnlyPool = False, url: Url = None) -> None:
    """Run $SHELL with the pool's devices, for several programs under one lease."""
    _run([CliSettings.from_environment().shell or DEFAULT_SHELL], request, only_pool, url)


@takes_lease_options
def acquire(
    request: LeaseRequest,
    shell: Annotated[
        bool, typer.Option("--shell", help="Print the variables for a shell: eval what it prints.")
    ] = False,
    holder: Annotated[
        int | None,
        typer.Option(metavar="PID", help="Whose end is the lease's: $$; by default who called."),
    ] = None,
    only_pool: OnlyPool = False,
    url: Url = None,
    json: Json = False,
) -> None:
    """Take a lease for the calling shell: `eval "$(accelpool acquire --shell)"`, then `accelpool release`.

    A process in the background renews it until it is released, or the shell ends.
    """
    if not (shell or json):
        raise typer.BadParameter('--shell is missing: eval "$(accelpool acquire --shell)"')
    settings, output = CliSettings.from_environment(), Output(json)
    if settings.lease_file is not None and settings.lease_file.exists():
        raise CommandFailed("this shell has a lease already: `accelpool release` gives it back")
    holding = _reference(os.getppid() if holder is None else holder)
    variables = _loader_variables(settings, only_pool)
    interrupt_on_ending_signals(_not_ignored())
    kept = kept_lease.take(
        request, pool_credentials(url), holding, settings.runtime_dir, _say, is_heard=sys.stderr.isatty()
    )
    variables |= kept.variables()
    output.document({"lease": kept.record.id, "variables": variables})
    output.text(*(f"export {name}={shlex.quote(value)}" for name, value in variables.items()))


def _run(command: Sequence[str], request: LeaseRequest, only_pool: bool, url: str | None) -> None:
    settings = CliSettings.from_environment()
    _check_command(command[0], settings.path)
    loader = _loader_variables(settings, only_pool)
    credentials = pool_credentials(url)
    interrupt_on_ending_signals(_not_ignored())
    kept = kept_lease.take(request, credentials, _reference(os.getpid()), settings.runtime_dir, _say)
    try:
        variables = {**settings.inherited, **loader, **kept.variables()}
        code = foreground.run(command, variables, kept.look)
    finally:
        kept.end()
    raise typer.Exit(ExitCode.LEASE_LOST if code and kept.is_lost else code)


def _check_command(name: str, path: str | None) -> None:
    """Refuse what cannot be run before a device is waited for."""
    if shutil.which(name, path=path) is not None:
        return
    if Path(name).exists() and "/" in name:
        raise CannotRun(f"{name} is no program that may be run")
    raise NoCommand(f"{name}: there is no such program")


def _loader_variables(settings: CliSettings, only_pool: bool) -> dict[str, str]:
    library = driver.find(settings.driver)
    vendors = settings.state_dir / "vendors"
    return driver.loader_variables(library, settings.inherited, vendors, only_pool=only_pool)


def _reference(pid: int) -> ProcessReference:
    try:
        return ProcessReference.of(pid)
    except ProcessLookupError as error:
        raise CommandFailed(f"{error}, which the lease is for") from error


def _not_ignored() -> list[signal.Signals]:
    """Return the signals that end a command, but for those that are ignored, as under nohup."""
    return [number for number in ENDING_SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def _say(line: str) -> None:
    Output().note(f"accelpool: {line}")
