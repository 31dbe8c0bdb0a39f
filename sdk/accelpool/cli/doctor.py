"""`accelpool doctor`: what works on this machine, what does not, and the command that mends it."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from accelpool.cli import checks, extras, node_report
from accelpool.cli.checks import Finding, Status
from accelpool.cli.failures import ExitCode, StartFailed
from accelpool.cli.options import Backend, Json
from accelpool.cli.output import Output
from accelpool.cli.pool import DEFAULT_PORT
from accelpool.cli.settings import CliSettings
from accelpool.credentials import Credentials
from accelpool.rest import RestClient

EXTRAS = ("broker", "node", "demo")
MARKS = {Status.OK: "ok     ", Status.WARNING: "warning", Status.FAILED: "FAILED "}
DEVICES_LIMIT_S = 180.0


def doctor(
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="The broker's port to look at.")
    ] = DEFAULT_PORT,
    backend: Backend = None,
    json: Json = False,
) -> None:
    """Say what works here, what does not, and the command that mends it.

    Ends with exit code 1 if something is broken; a warning is no obstacle by itself.
    """
    output = Output(json)
    settings = CliSettings.from_environment()
    findings = []
    with output.progress("Looking; each driver is tried in a process of its own"):
        findings = list(_examine(settings, port, backend))
    is_ok = all(finding.status is not Status.FAILED for finding in findings)
    output.document({"ok": is_ok, "findings": [finding.document() for finding in findings]})
    output.text(*_lines(findings))
    if not is_ok:
        raise typer.Exit(ExitCode.FAILED)


def _examine(settings: CliSettings, port: int, backend: str | None) -> Iterator[Finding]:
    yield checks.check_python(sys.version_info[:3], platform.system())
    for extra in EXTRAS:
        yield checks.check_extra(extra)
    yield checks.check_linker(
        shutil.which("ld", path=settings.path), has_pocl=extras.is_installed(checks.POCL)
    )
    yield from _devices(settings, backend)
    yield checks.check_port(port, checks.broker_version)
    finding, found = checks.check_credentials(settings.sdk.credentials_path)
    yield finding
    in_use = _in_use(settings, found)
    if in_use is not None:
        yield checks.check_broker(in_use, RestClient(in_use.url, in_use.token))


def _devices(settings: CliSettings, backend: str | None) -> list[Finding]:
    if extras.missing("node"):
        return []
    try:
        devices = node_report.ask(settings.variables, DEVICES_LIMIT_S, backend)
    except StartFailed as error:
        return [Finding(check="devices", status=Status.FAILED, detail=str(error), mend="")]
    return checks.check_devices(devices, has_intel=extras.is_installed(checks.INTEL))


def _in_use(settings: CliSettings, saved: Credentials | None) -> Credentials | None:
    """Return the pool that the SDK would use: the environment's, else that of the credentials file."""
    url, token = settings.sdk.url, settings.sdk.token
    if url and token:
        return Credentials(url=url, token=token)
    return saved


def _lines(findings: list[Finding]) -> Iterator[str]:
    width = max(len(finding.check) for finding in findings)
    for finding in findings:
        yield f"{MARKS[finding.status]}  {finding.check:<{width}}  {finding.detail}"
        if finding.mend:
            yield f"{'':<9}{'':<{width}}  -> {finding.mend}"
    broken = sum(finding.status is Status.FAILED for finding in findings)
    yield ""
    yield "Everything that is needed works." if not broken else f"Broken: {broken}."
