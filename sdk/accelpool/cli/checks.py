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
from accelpool.errors import AccelpoolError, Forbidden, RemoteProtocolError, Unauthorized
from accelpool.rest import RestClient
from accelpool.settings import Settings
from accelpool_wire.installation import install_command

OLDEST_PYTHON = (3, 11)
POCL = "pocl-binary-distribution"
INTEL = "intel-opencl-rt"
BUNDLED = "bundled"
POCL_ENVIRONMENTS = frozenset({BUNDLED, "pocl"})
INSTALL_LD = "install binutils: apt-get install binutils, or dnf install binutils"
MEND_SANDBOX = "run the node as an ordinary user, or give it a Python and drivers that every user can read"
URL_VARIABLE, TOKEN_VARIABLE = "ACCELPOOL_URL", "ACCELPOOL_TOKEN"
LIMIT_S = 5.0


class Status(StrEnum):
    """What a check came to."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Need(StrEnum):
    """What something is needed for."""

    COMPUTE = "compute"
    POOL = "pool"


@dataclass(frozen=True, kw_only=True)
class InUse:
    """The pool that the SDK uses from here, and where its URL and token come from."""

    credentials: Credentials
    url_from: str
    token_from: str

    @property
    def whence(self) -> str:
        """Where both come from, for people."""
        if self.url_from == self.token_from:
            return f"URL and token from {self.url_from}"
        return f"URL from {self.url_from}, token from {self.token_from}"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check found.

    Attributes:
        check: What was looked at.
        status: Whether it works; a warning is no obstacle by itself.
        detail: What was found.
        mend: The command that mends it, or "".
        need: What it is needed for.
    """

    check: str
    status: Status
    detail: str
    mend: str = ""
    need: Need = Need.COMPUTE

    def document(self) -> dict[str, str]:
        """Return the finding as a JSON object."""
        return {
            "check": self.check,
            "status": self.status.value,
            "detail": self.detail,
            "mend": self.mend,
            "need": self.need.value,
        }


def _ok(check: str, detail: str, need: Need = Need.COMPUTE) -> Finding:
    return Finding(check=check, status=Status.OK, detail=detail, need=need)


def _warning(check: str, detail: str, mend: str, need: Need = Need.COMPUTE) -> Finding:
    return Finding(check=check, status=Status.WARNING, detail=detail, mend=mend, need=need)


def _failed(check: str, detail: str, mend: str, need: Need = Need.COMPUTE) -> Finding:
    return Finding(check=check, status=Status.FAILED, detail=detail, mend=mend, need=need)


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
        return _warning(check, f"not installed: {', '.join(lacking)}", install_command(extra))
    return _ok(check, "installed")


def check_linker(ld: str | None, has_pocl: bool) -> Finding:
    """Look for `ld`: PoCL calls it whenever it builds a program, and ends its process where there is none."""
    if ld:
        return _ok("ld", ld)
    if has_pocl:
        return _failed("ld", "not found in PATH, and PoCL cannot build programs without it", INSTALL_LD)
    return _ok("ld", "not found in PATH; only PoCL needs it")


def check_devices(devices: Sequence[dict[str, Any]], has_intel: bool, has_ld: bool = True) -> list[Finding]:
    """Judge the devices that an agent has reported: one finding each, and one for all."""
    healthy = [device for device in devices if not device.get("fault")]
    findings = [_device(device, bool(healthy), has_intel, has_ld) for device in devices]
    if not healthy:
        what = "none of them works" if devices else "no OpenCL device was found"
        has_pocl = any(device.get("environment") in POCL_ENVIRONMENTS for device in devices)
        mend = INSTALL_LD if has_pocl and not has_ld else _mend_devices(has_intel)
        findings.append(_failed("devices", what, mend))
    return findings


def _device(device: dict[str, Any], others_work: bool, has_intel: bool, has_ld: bool) -> Finding:
    check = f"device {device.get('name')}"
    fault = str(device.get("fault") or "")
    if not fault:
        capacity = device.get("capacity", {})
        memory = human_bytes(int(capacity.get("memory_bytes", 0)))
        return _ok(check, f"{device.get('kind')}, {memory}, {capacity.get('compute_units')} compute units")
    judge = _warning if others_work else _failed
    if device.get("environment") in POCL_ENVIRONMENTS and not has_ld:
        return judge(check, "PoCL finds no ld, and ends as soon as it builds a program", INSTALL_LD)
    if device.get("environment") == BUNDLED and not has_intel:
        fault += "; PoCL's wheel does not know processors newer than its compiler"
    mend = "" if others_work and has_intel else _mend_devices(has_intel)
    return judge(check, " ".join(fault.split()), mend)


def _mend_devices(has_intel: bool) -> str:
    return "install the vendor's OpenCL driver" if has_intel else install_command("intel")


def check_sandbox(devices: Sequence[dict[str, Any]]) -> list[Finding]:
    """Judge what confines workers, as an agent has reported it of its devices."""
    found = [sandbox for device in devices if (sandbox := device.get("attributes", {}).get("sandbox"))]
    if not found:
        return []
    missing = dict.fromkeys(one for sandbox in found for one in sandbox.get("missing", ()))
    if missing:
        detail = f"workers are not wholly confined: {'; '.join(missing)}"
        has_no_user = any(one.startswith("user: ") for one in missing)
        return [_warning("sandbox", " ".join(detail.split()), MEND_SANDBOX if has_no_user else "")]
    landlock = min(sandbox.get("landlock", 0) for sandbox in found)
    users = " and ".join(dict.fromkeys(str(sandbox.get("user")) for sandbox in found))
    parts = [f"workers are confined: Landlock {landlock}", "seccomp", "no capabilities", f"user: {users}"]
    if found[0].get("cgroup"):
        parts.append(f"control groups that bound {' and '.join(found[0]['cgroup'])}")
    if found[0].get("bubblewrap"):
        parts.append("inside bubblewrap")
    return [_ok("sandbox", ", ".join(parts))]


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
                check,
                f"{error.strerror}: taken by another program, so `accelpool up` needs another port",
                f"accelpool up --port {port + 1}",
            )
    return _ok(check, "free for `accelpool up`")


def check_credentials(path: Path) -> tuple[Finding, Credentials | None]:
    """Look at the credentials file: there, private, well-formed."""
    check, need = "credentials", Need.POOL
    try:
        found = credentials.load(path)
        mode = stat.S_IMODE(path.stat().st_mode) if found else 0
    except (Unauthorized, OSError) as error:
        return _failed(check, one_line(error), f"rm {path} && accelpool up", need), None
    if found is None:
        return _warning(check, f"there is no {path}: no pool is known by it", "accelpool up", need), None
    if mode & 0o077:
        return _failed(check, f"others can read {path} (mode {mode:o})", f"chmod 600 {path}", need), found
    return _ok(check, f"{path} is for {found.url}", need), found


def pool_in_use(settings: Settings, saved: Credentials | None) -> InUse | None:
    """Return the pool that the SDK uses: the environment's say first, the credentials file's second.

    Raises:
        Unauthorized: There is a URL, and no token for it.
    """
    if not settings.url and saved is None:
        return None
    file = str(settings.credentials_path)
    return InUse(
        credentials=settings.credentials(),
        url_from=URL_VARIABLE if settings.url else file,
        token_from=TOKEN_VARIABLE if settings.token else file,
    )


def check_broker(in_use: InUse, rest: RestClient, port: int) -> Finding:
    """Look whether the broker that is used from here answers, and knows the token.

    Args:
        in_use: The pool.
        rest: A way to its broker.
        port: The port that `accelpool up` would take.
    """
    check = f"broker {in_use.credentials.url}"
    whence = f"({in_use.whence})"
    try:
        rest.request("GET", "/leases", params={"limit": 1}, timeout_s=LIMIT_S)
    except (Unauthorized, Forbidden) as error:
        told = f"it does not accept the token: {one_line(error)} {whence}"
        return _failed(check, told, _mend_token(in_use), Need.POOL)
    except RemoteProtocolError as error:
        told = f"another program answers there: {one_line(error)} {whence}"
        return _warning(check, told, _mend_url(in_use, f"accelpool up --port {port + 1}"), Need.POOL)
    except AccelpoolError as error:
        return _warning(check, f"{one_line(error)} {whence}", _mend_url(in_use, "accelpool up"), Need.POOL)
    return _ok(check, f"it answers and accepts the token {whence}", Need.POOL)


def _mend_token(in_use: InUse) -> str:
    if in_use.token_from == TOKEN_VARIABLE:
        return f"set {TOKEN_VARIABLE} to this pool's token, or unset it to use the pool of `accelpool up`"
    return (
        f"accelpool login or accelpool up, whichever wrote it, or set {TOKEN_VARIABLE} to this pool's token"
    )


def _mend_url(in_use: InUse, start: str) -> str:
    if in_use.url_from == URL_VARIABLE:
        return f"set {URL_VARIABLE} to a running pool's URL, or unset it and: {start}"
    return f"{start}, or set {URL_VARIABLE} and {TOKEN_VARIABLE} to those of a running pool"


def broker_version(url: str) -> str | None:
    """Return the version of the broker at a URL, or None if there is none."""
    try:
        body = RestClient(url, "").request("GET", "/health", timeout_s=LIMIT_S).body
    except AccelpoolError:
        return None
    return str(body.get("version")) if isinstance(body, dict) and "version" in body else None
