"""The doctor's single checks: each looks at one thing and says what it found, and the command that mends it.

Each takes what it looks at as arguments, so that the tests need no broken machine.
"""

from __future__ import annotations

import socket
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from accelpool import credentials
from accelpool.cli import extras
from accelpool.cli.failures import one_line
from accelpool.cli.output import human_bytes
from accelpool.cli.pool import LOOPBACK
from accelpool.credentials import Credentials
from accelpool.errors import AccelpoolError, Forbidden, Unauthorized
from accelpool.rest import RestClient

OLDEST_PYTHON = (3, 11)
POCL = "pocl-binary-distribution"
INTEL = "intel-opencl-rt"
BUNDLED = "bundled"
INSTALL_LD = "install binutils: apt-get install binutils, or dnf install binutils"
LIMIT_S = 5.0


class Status(StrEnum):
    """What a check came to."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check found.

    Attributes:
        check: What was looked at.
        status: Whether it works; a warning is no obstacle by itself.
        detail: What was found.
        mend: The command that mends it, or "".
    """

    check: str
    status: Status
    detail: str
    mend: str = ""

    def document(self) -> dict[str, str]:
        """Return the finding as a JSON object."""
        return {"check": self.check, "status": self.status.value, "detail": self.detail, "mend": self.mend}


def _ok(check: str, detail: str) -> Finding:
    return Finding(check=check, status=Status.OK, detail=detail)


def _warning(check: str, detail: str, mend: str) -> Finding:
    return Finding(check=check, status=Status.WARNING, detail=detail, mend=mend)


def _failed(check: str, detail: str, mend: str) -> Finding:
    return Finding(check=check, status=Status.FAILED, detail=detail, mend=mend)


def check_python(version: Sequence[int], system: str) -> Finding:
    """Look at the Python and the operating system."""
    found = f"Python {'.'.join(map(str, version[:3]))} on {system}"
    if tuple(version[:2]) < OLDEST_PYTHON:
        return _failed("python", found, "use Python 3.11 or later")
    if system != "Linux":
        return _warning(
            "python", found, "broker and node run on Linux; here the SDK can use a pool elsewhere"
        )
    return _ok("python", found)


def check_extra(extra: str, is_there: Callable[[str], bool] = extras.is_installed) -> Finding:
    """Look for an extra's packages."""
    lacking = extras.missing(extra, is_there)
    check = f"accelpool[{extra}]"
    if lacking:
        return _warning(check, f"not installed: {', '.join(lacking)}", extras.install_command(extra))
    return _ok(check, "installed")


def check_linker(ld: str | None, has_pocl: bool) -> Finding:
    """Look for `ld`: PoCL calls it whenever it builds a program, and ends its process where there is none."""
    if ld:
        return _ok("ld", ld)
    if has_pocl:
        return _failed("ld", "not found in PATH, and PoCL cannot build programs without it", INSTALL_LD)
    return _ok("ld", "not found in PATH; only PoCL needs it")


def check_devices(devices: Sequence[dict[str, Any]], has_intel: bool) -> list[Finding]:
    """Judge the devices that an agent has reported: one finding each, and one for all."""
    healthy = [device for device in devices if not device.get("fault")]
    findings = [_device(device, bool(healthy), has_intel) for device in devices]
    if not healthy:
        what = "none of them works" if devices else "no OpenCL device was found"
        findings.append(_failed("devices", what, _mend_devices(has_intel)))
    return findings


def _device(device: dict[str, Any], others_work: bool, has_intel: bool) -> Finding:
    check = f"device {device.get('name')}"
    fault = str(device.get("fault") or "")
    if not fault:
        capacity = device.get("capacity", {})
        memory = human_bytes(int(capacity.get("memory_bytes", 0)))
        return _ok(check, f"{device.get('kind')}, {memory}, {capacity.get('compute_units')} compute units")
    if device.get("environment") == BUNDLED and not has_intel:
        fault += "; PoCL's wheel does not know processors newer than its compiler"
    mend = "" if others_work and has_intel else _mend_devices(has_intel)
    judge = _warning if others_work else _failed
    return judge(check, " ".join(fault.split()), mend)


def _mend_devices(has_intel: bool) -> str:
    return "install the vendor's OpenCL driver" if has_intel else extras.install_command("intel")


def check_port(port: int, health: Callable[[str], str | None]) -> Finding:
    """Look whether the broker's port is free, or a broker already listens there.

    Args:
        port: On loopback.
        health: Returns the version of the broker at a URL, or None if there is none.
    """
    url = f"http://{LOOPBACK}:{port}"
    check = f"port {port}"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            found = health(url)
            if found is not None:
                return _ok(check, f"a broker answers at {url} (version {found})")
            return _warning(
                check, f"{error.strerror}: taken by another program", f"accelpool up --port {port + 1}"
            )
    return _ok(check, "free for `accelpool up`")


def check_credentials(path: Path) -> tuple[Finding, Credentials | None]:
    """Look at the credentials file: there, private, well-formed."""
    check = "credentials"
    try:
        found = credentials.load(path)
        mode = stat.S_IMODE(path.stat().st_mode) if found else 0
    except (Unauthorized, OSError) as error:
        return _failed(check, one_line(error), f"rm {path} && accelpool up"), None
    if found is None:
        return _warning(check, f"there is no {path}: no pool is known yet", "accelpool up"), None
    if mode & 0o077:
        return _failed(check, f"others can read {path} (mode {mode:o})", f"chmod 600 {path}"), found
    return _ok(check, f"{path} is for {found.url}"), found


def check_broker(found: Credentials, rest: RestClient) -> Finding:
    """Look whether the broker that is used from here answers, and knows the token."""
    check = f"broker {found.url}"
    try:
        rest.request("GET", "/leases", params={"limit": 1}, timeout_s=LIMIT_S)
    except (Unauthorized, Forbidden) as error:
        return _failed(
            check, f"it does not accept the token: {one_line(error)}", "accelpool up, or set ACCELPOOL_TOKEN"
        )
    except AccelpoolError as error:
        return _warning(check, f"{one_line(error)}", "accelpool up, or set ACCELPOOL_URL and ACCELPOOL_TOKEN")
    return _ok(check, "it answers and accepts the token")


def broker_version(url: str) -> str | None:
    """Return the version of the broker at a URL, or None if there is none."""
    try:
        body = RestClient(url, "").request("GET", "/health", timeout_s=LIMIT_S).body
    except AccelpoolError:
        return None
    return str(body.get("version")) if isinstance(body, dict) and "version" in body else None
