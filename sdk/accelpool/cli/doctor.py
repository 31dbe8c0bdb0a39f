"""`accelpool doctor`: what works on this machine, what does not, and the command that mends it."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from typing import Annotated

import typer

from accelpool.cli import checks, extras, node_report
from accelpool.cli.checks import Finding, Need, Status
from accelpool.cli.failures import ExitCode, StartFailed, one_line
from accelpool.cli.options import Backend, Json
from accelpool.cli.output import Output
from accelpool.cli.pool import DEFAULT_PORT
from accelpool.cli.settings import CliSettings
from accelpool.credentials import Credentials
from accelpool.errors import Unauthorized
from accelpool.rest import RestClient

EXTRAS = ("broker", "node", "arrays", "demo")
NEEDED_EXTRAS = ("accelpool[broker]", "accelpool[node]")
MARKS = {Status.OK: "ok     ", Status.WARNING: "warning", Status.FAILED: "FAILED "}
DEVICES_LIMIT_S = 180.0
UP = "accelpool up"


def doctor(
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="The broker's port to look at.")
    ] = DEFAULT_PORT,
    backend: Backend = None,
    cgroup: Annotated[
        str | None, typer.Option("--cgroup", metavar="DIR", help="Try the agent's option of that name.")
    ] = None,
    bubblewrap: Annotated[
        str | None, typer.Option("--bubblewrap", metavar="PROGRAM", help="Likewise: bwrap, or its path.")
    ] = None,
    json: Json = False,
) -> None:
    """Say what works here, what does not, and the command that mends it.

    Ends with exit code 1 if something is broken; a warning is no obstacle by itself.
    """
    output = Output(json)
    settings = CliSettings.from_environment()
    options = {"--backend": backend, "--cgroup": cgroup, "--bubblewrap": bubblewrap}
    findings = []
    with output.progress("Looking; each driver is tried in a process of its own"):
        findings = list(_examine(settings, port, options))
    is_ok = all(finding.status is not Status.FAILED for finding in findings)
    output.document(
        {
            "ok": is_ok,
            "can_compute": can_compute(findings),
            "reaches_pool": reaches_pool(findings),
            "findings": [finding.document() for finding in findings],
        }
    )
    output.text(*_lines(findings))
    if not is_ok:
        raise typer.Exit(ExitCode.FAILED)


def _examine(settings: CliSettings, port: int, options: Mapping[str, str | None]) -> Iterator[Finding]:
    yield checks.check_python(sys.version_info[:3], platform.system())
    for extra in EXTRAS:
        yield checks.check_extra(extra)
    ld = shutil.which("ld", path=settings.path)
    yield checks.check_linker(ld, has_pocl=extras.is_installed(checks.POCL))
    yield from _devices(settings, options, has_ld=ld is not None)
    yield checks.check_port(port, checks.broker_version)
    finding, saved = checks.check_credentials(settings.sdk.credentials_path)
    if not (settings.sdk.url and settings.sdk.token and finding.status is Status.WARNING):
        yield finding  # who names a pool in the environment needs no file
    yield from _broker(settings, saved, port)


def _devices(settings: CliSettings, options: Mapping[str, str | None], has_ld: bool) -> list[Finding]:
    if extras.missing("node"):
        return []
    try:
        devices = node_report.ask(settings.variables, DEVICES_LIMIT_S, options)
    except StartFailed as error:
        return [Finding(check="devices", status=Status.FAILED, detail=str(error), mend="")]
    found = checks.check_devices(devices, has_intel=extras.is_installed(checks.INTEL), has_ld=has_ld)
    return [*found, *checks.check_sandbox(devices)]


def _broker(settings: CliSettings, saved: Credentials | None, port: int) -> Iterator[Finding]:
    try:
        in_use = checks.pool_in_use(settings.sdk, saved)
    except Unauthorized as error:
        mend = "set ACCELPOOL_TOKEN to this pool's token, or unset ACCELPOOL_URL"
        yield Finding(check="token", status=Status.FAILED, detail=one_line(error), mend=mend, need=Need.POOL)
        return
    if in_use is not None:
        rest = RestClient(in_use.credentials.url, in_use.credentials.token, in_use.credentials.ca)
        yield checks.check_broker(in_use, rest, port)


def _lines(findings: list[Finding]) -> Iterator[str]:
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        yield f"{MARKS[finding.status]}  {finding.check:<{width}}  {finding.detail}"
        if finding.mend:
            yield f"{'':<9}{'':<{width}}  -> {finding.mend}"
    yield ""
    yield f"To compute here: {_sum_up(findings, Need.COMPUTE)}"
    yield f"To use a pool:   {_sum_up(findings, Need.POOL)}"


def _sum_up(findings: list[Finding], need: Need) -> str:
    broken = [one.check for one in findings if one.need is need and one.status is Status.FAILED]
    if broken:
        return f"broken: {', '.join(broken)}."
    if need is Need.COMPUTE:
        return "everything that is needed works." if can_compute(findings) else "packages are missing."
    if reaches_pool(findings):
        return "there is one, and it answers."
    return f"none is reached yet; to get one: {_way_to_pool(findings)}."


def _way_to_pool(findings: list[Finding]) -> str:
    """Return what mends that no pool is reached, with another port where the usual one is taken."""
    another_port = next((one.mend for one in findings if one.check.startswith("port ") and one.mend), "")
    advice = [one.mend for one in findings if one.need is Need.POOL and one.mend]
    if another_port and advice[-1:] in ([], [UP]):
        return another_port
    return advice[-1] if advice else UP


def can_compute(findings: list[Finding]) -> bool:
    """Whether this machine can run a pool with a device that works."""
    is_broken = any(one.status is Status.FAILED and one.need is Need.COMPUTE for one in findings)
    has_device = any(one.check.startswith("device ") and one.status is Status.OK for one in findings)
    lacks_extra = any(one.check in NEEDED_EXTRAS and one.status is not Status.OK for one in findings)
    return has_device and not is_broken and not lacks_extra


def reaches_pool(findings: list[Finding]) -> bool:
    """Whether a pool's broker answers from here, and accepts the token."""
    return any(one.check.startswith("broker ") and one.status is Status.OK for one in findings)
