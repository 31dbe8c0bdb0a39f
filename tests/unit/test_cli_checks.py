"""The doctor's checks, on machines that are described and not broken."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accelpool.cli import checks
from accelpool.cli.checks import Finding, InUse, Need, Status
from accelpool.credentials import Credentials
from accelpool.errors import ConnectError, RemoteProtocolError, Unauthorized
from accelpool.rest import Answer, RestClient
from accelpool.settings import Settings
from accelpool_wire.installation import install_command

from ..sockets import lasting_port


class FakeBroker(RestClient):
    """Answers every request with one answer or error."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def request(self, *args: Any, **kwargs: Any) -> Answer:
        if isinstance(self.answer, Exception):
            raise self.answer
        return Answer(body=self.answer, retry_after_s=None)


def device(fault: str = "", environment: str = "intel") -> dict[str, Any]:
    capacity = {"memory_bytes": 2 << 30, "compute_units": 8}
    name = f"{environment}/CPU"
    return {"name": name, "environment": environment, "kind": "cpu", "capacity": capacity, "fault": fault}


def statuses(findings: list[Finding]) -> list[Status]:
    return [finding.status for finding in findings]


@pytest.mark.parametrize(
    ("version", "system", "status"),
    [
        ((3, 11, 0), "Linux", Status.OK),
        ((3, 14, 1), "Linux", Status.OK),
        ((3, 10, 9), "Linux", Status.FAILED),
        ((3, 12, 0), "Darwin", Status.WARNING),
    ],
)
def test_python_is_recent_enough(version: tuple[int, ...], system: str, status: Status) -> None:
    assert checks.check_python(version, system).status is status


def test_a_missing_extra_comes_with_the_command_that_installs_it() -> None:
    finding = checks.check_extra("broker", is_there=lambda package: package != "granian")
    assert (finding.status, finding.mend) == (Status.WARNING, install_command("broker"))
    assert finding.detail == "not installed: granian"


@pytest.mark.parametrize(
    ("ld", "has_pocl", "status"),
    [("/usr/bin/ld", True, Status.OK), (None, True, Status.FAILED), (None, False, Status.OK)],
)
def test_pocl_needs_ld(ld: str | None, has_pocl: bool, status: Status) -> None:
    finding = checks.check_linker(ld, has_pocl)
    assert finding.status is status
    assert ("binutils" in finding.mend) == (status is Status.FAILED)


def test_a_device_that_works_is_all_that_is_needed() -> None:
    assert statuses(checks.check_devices([device()], has_intel=True)) == [Status.OK]


def test_a_faulty_device_beside_one_that_works_is_a_warning() -> None:
    findings = checks.check_devices([device("no compiler", "bundled"), device()], has_intel=True)
    assert statuses(findings) == [Status.WARNING, Status.OK]


def test_where_pocl_cannot_compile_intels_runtime_is_the_remedy() -> None:
    findings = checks.check_devices([device("unknown\ntarget CPU", "bundled")], has_intel=False)
    assert statuses(findings) == [Status.FAILED, Status.FAILED]
    assert {finding.mend for finding in findings} == {install_command("intel")}
    assert findings[0].detail.startswith("unknown target CPU; ")


def test_without_ld_binutils_is_the_one_remedy() -> None:
    devices = [device("aborted", "bundled")]
    findings = checks.check_devices(devices, has_intel=False, has_ld=False)
    assert {finding.mend for finding in findings} == {checks.INSTALL_LD}
    assert "ld" in findings[0].detail
    assert "wheel" not in findings[0].detail


def test_no_device_at_all_is_broken() -> None:
    (finding,) = checks.check_devices([], has_intel=True)
    assert (finding.status, finding.detail) == (Status.FAILED, "no OpenCL device was found")


@pytest.fixture
def taken_port() -> Iterator[int]:
    port = lasting_port()  # the next one is free
    with socket.create_server(("127.0.0.1", port)):
        yield port


def test_a_port_taken_by_a_broker_is_fine(taken_port: int) -> None:
    finding = checks.check_port(taken_port, health=lambda url: "1.2.3")
    assert (finding.status, finding.mend) == (Status.OK, "")
    assert "version 1.2.3" in finding.detail


def test_a_port_taken_by_another_program_has_an_alternative(taken_port: int) -> None:
    finding = checks.check_port(taken_port, health=lambda url: None)
    assert (finding.status, finding.mend) == (Status.WARNING, f"accelpool up --port {taken_port + 1}")


def test_a_free_port_is_fine() -> None:
    assert checks.check_port(lasting_port(), health=lambda url: None).status is Status.OK


def write(path: Path, content: str, mode: int = 0o600) -> Path:
    path.write_text(content)
    os.chmod(path, mode)
    return path


def test_credentials_of_ones_own_are_found(tmp_path: Path) -> None:
    path = write(tmp_path / "credentials.json", json.dumps({"url": "http://a", "token": "t"}))
    finding, found = checks.check_credentials(path)
    assert (finding.status, found) == (Status.OK, Credentials(url="http://a", token="t"))


def test_credentials_that_others_can_read_are_broken(tmp_path: Path) -> None:
    path = write(tmp_path / "credentials.json", json.dumps({"url": "http://a", "token": "t"}), 0o644)
    finding, _ = checks.check_credentials(path)
    assert (finding.status, finding.mend) == (Status.FAILED, f"chmod 600 {path}")


def test_malformed_credentials_are_broken(tmp_path: Path) -> None:
    finding, found = checks.check_credentials(write(tmp_path / "credentials.json", "{"))
    assert (finding.status, found) == (Status.FAILED, None)


def test_no_credentials_are_a_warning(tmp_path: Path) -> None:
    finding, found = checks.check_credentials(tmp_path / "credentials.json")
    assert (finding.status, found, finding.mend) == (Status.WARNING, None, "accelpool up")


def settings(**given: str) -> Settings:
    return Settings(credentials_path=Path("/c/credentials.json"), **given)  # type: ignore[arg-type]  # as they are


SAVED = Credentials(url="http://a:8750", token="t")


@pytest.mark.parametrize(
    ("given", "url_from", "token_from"),
    [
        ({"url": "http://a", "token": "x"}, "ACCELPOOL_URL", "ACCELPOOL_TOKEN"),
        ({}, "/c/credentials.json", "/c/credentials.json"),
    ],
)
def test_the_pool_in_use_says_where_it_comes_from(
    given: dict[str, str], url_from: str, token_from: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks.credentials, "load", lambda _: SAVED)
    found = checks.pool_in_use(settings(**given), SAVED)
    assert found is not None
    assert (found.url_from, found.token_from) == (url_from, token_from)


def test_without_a_url_and_a_file_there_is_no_pool_in_use() -> None:
    assert checks.pool_in_use(settings(token="t"), None) is None


@pytest.mark.parametrize(
    ("answer", "status", "mend"),
    [
        ({"items": []}, Status.OK, ""),
        (Unauthorized("this pool does not know the token"), Status.FAILED, "or unset it"),
        (ConnectError("nobody answers"), Status.WARNING, "accelpool up, or set ACCELPOOL_URL"),
        (RemoteProtocolError("no JSON"), Status.WARNING, "accelpool up --port 8751, or set ACCELPOOL_URL"),
    ],
)
def test_the_broker_is_asked_with_the_token(answer: Any, status: Status, mend: str) -> None:
    in_use = InUse(credentials=SAVED, url_from="/c", token_from="ACCELPOOL_TOKEN")
    finding = checks.check_broker(in_use, FakeBroker(answer), 8750)
    assert (finding.status, finding.need) == (status, Need.POOL)
    assert mend in finding.mend
    assert "(URL from /c, token from ACCELPOOL_TOKEN)" in finding.detail
