"""What the command line says: amounts, errors, exit codes, extras, names."""

import io
import json
import stat
from pathlib import Path

import pytest
from rich.console import Console

from accelpool.cli import extras, failures, output
from accelpool.cli.credentials_file import write_credentials
from accelpool.cli.demo import best_device
from accelpool.cli.failures import CannotRun, CommandFailed, ExitCode, NoCommand, NoPool, NotInstalled
from accelpool.cli.output import Output, human_bytes, plural, shortened
from accelpool.cli.pool import LocalPool, PoolOptions, node_name
from accelpool.cli.settings import CliSettings
from accelpool.cli.up import count_devices
from accelpool.credentials import Credentials
from accelpool.errors import (
    AccelpoolError,
    ConnectError,
    LeaseNotFound,
    LeaseRevoked,
    LeaseTimeout,
    LogicError,
    Unauthorized,
    Unsatisfiable,
)
from accelpool_wire.installation import install_command

REQUIREMENTS = [
    "numpy>=1.26",
    "flask<4,>=3; extra == 'broker'",
    'pyopencl[pocl]>=2025.1; extra == "node"',
    "accelpool[broker,node]; extra == 'all'",
]


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (1 << 30, "1.0 GiB"), (150 << 30, "150 GiB")],
)
def test_bytes_are_told_in_the_largest_unit_that_fits(count: int, words: str) -> None:
    assert human_bytes(count) == words


def test_one_is_singular() -> None:
    assert (plural(1, "device"), plural(2, "device")) == ("1 device", "2 devices")


def test_a_long_text_is_cut_and_shows_it() -> None:
    assert shortened("a\n b", 3) == "a b"
    assert shortened("one two three", 11) == "one two ..."


def test_ids_are_whole_in_a_narrow_table(monkeypatch: pytest.MonkeyPatch) -> None:
    paper = io.StringIO()
    monkeypatch.setattr(output, "console", lambda _: Console(file=paper, width=40))
    Output().table(["device", "name", "fault"], [["dev_vEn6FgKkmqY", "pthread-AMD EPYC", "why " * 9]], "none")
    assert "dev_vEn6FgKkmqY" in paper.getvalue()


def test_devices_that_cannot_be_used_are_told_apart() -> None:
    assert count_devices(2, 0) == "2 devices"
    told = count_devices(2, 1)
    assert told == "2 devices, and 1 that cannot be used (see `accelpool doctor`),"


def test_faces_of_the_same_hardware_are_one_piece() -> None:
    faces = [{"id": "d1", "hardware": "n1/card"}, {"id": "d2", "hardware": "n1/card"}, {"id": "d3"}]
    assert output.pieces_of(faces) == 2


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (ConnectError("away"), ExitCode.UNREACHABLE, "unreachable"),
        (Unauthorized("who?"), ExitCode.UNAUTHORIZED, "unauthorized"),
        (LeaseNotFound("no lease x"), ExitCode.FAILED, "lease-not-found"),
        (CommandFailed("no"), ExitCode.FAILED, "failed"),
        (NoPool("where?"), ExitCode.UNREACHABLE, "no-pool"),
        (NotInstalled("no"), ExitCode.NOT_INSTALLED, "not-installed"),
        (LogicError("clFinish", -36), ExitCode.FAILED, "opencl"),
        (LeaseTimeout("late"), ExitCode.LEASE_TIMEOUT, "lease-timeout"),
        (Unsatisfiable("none"), ExitCode.UNSATISFIABLE, "unsatisfiable"),
        (LeaseRevoked("gone"), ExitCode.LEASE_LOST, "lease-revoked"),
        (CannotRun("no"), ExitCode.CANNOT_RUN, "cannot-run"),
        (NoCommand("no"), ExitCode.NO_COMMAND, "no-command"),
    ],
)
def test_each_error_has_an_exit_code_and_a_name(error: AccelpoolError, code: ExitCode, kind: str) -> None:
    assert failures.exit_code(error) is code
    assert failures.describe(error)["type"] == kind


@pytest.mark.parametrize(
    ("member", "option"),
    [("ttl_s", "--ttl"), ("lifetime_s", "--minutes"), ("memory_bytes", "--memory-bytes")],
)
def test_what_is_wrong_with_a_member_is_told_of_its_option(member: str, option: str) -> None:
    assert failures.one_line(CommandFailed(f"json.{member}: too much")) == f"{option}: too much"


def test_an_error_is_told_on_one_line() -> None:
    assert failures.one_line(CommandFailed("first\n  second")) == "first second"


def test_an_error_that_quotes_a_name_does_nothing_to_a_terminal() -> None:
    told = failures.last_words(CommandFailed("device \x1b]0;title\x07 \u202egpj.exe is leased"))
    assert told == r"device \x1b]0;title\x07 \u202egpj.exe is leased"


def test_an_extras_packages_come_from_the_metadata() -> None:
    assert extras.needed("broker", REQUIREMENTS) == ["flask"]
    assert extras.needed("node", REQUIREMENTS) == ["pyopencl"]


def test_missing_packages_are_named_with_the_command_that_installs_them() -> None:
    with pytest.raises(NotInstalled) as caught:
        extras.require("accelpool up", "broker", "node", is_there=lambda package: package != "psutil")
    assert "(psutil)" in str(caught.value)
    assert str(caught.value).endswith(install_command("node"))


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("node.example.org", "node.example.org"),
        ("-räum 7", "r-um-7"),
        ("", "localhost"),
        ("a" * 70, "a" * 64),
    ],
)
def test_any_host_name_makes_a_node_name(host: str, name: str) -> None:
    assert node_name(host) == name


def test_settings_without_xdg_variables_are_below_the_home() -> None:
    settings = CliSettings.from_environment({"HOME": "/h", "ACCELPOOL_TOKEN": "t", "PATH": "/bin"})
    assert str(settings.state_dir) == "/h/.local/state/accelpool"
    assert str(settings.sdk.credentials_path) == "/h/.config/accelpool/credentials.json"
    assert dict(settings.variables) == {"HOME": "/h", "PATH": "/bin"}


def test_the_demo_prefers_a_gpu_that_works_and_takes_opencl() -> None:
    devices = [
        {"kind": "gpu", "state": "free", "name": "g by CUDA", "api": "cuda"},
        {"kind": "cpu", "state": "free", "name": "c"},
        {"kind": "gpu", "state": "faulty", "fault": "no", "name": "f"},
        {"kind": "gpu", "state": "free", "name": "g"},
    ]
    assert best_device(devices)["name"] == "g"
    with pytest.raises(CommandFailed, match=r"f: no.*accelpool doctor"):
        best_device(devices[2:3])
    with pytest.raises(CommandFailed, match="works here: `ld` not found: install binutils"):
        best_device(devices[2:3], "`ld` not found: install binutils")


@pytest.mark.parametrize(
    ("before", "is_put_aside"),
    [
        (None, False),
        ({"url": "http://127.0.0.1:8750", "token": "mine, of an earlier start"}, False),
        ({"url": "https://pool.example.org", "token": "of another pool"}, True),
        ({"something": "else"}, True),
    ],
)
def test_credentials_of_another_pool_are_put_aside(
    tmp_path: Path, before: dict[str, str] | None, is_put_aside: bool
) -> None:
    path, previous = tmp_path / "credentials.json", tmp_path / "credentials.json.previous"
    if before is not None:
        path.write_text(json.dumps(before))
    aside = write_credentials(Credentials(url="http://127.0.0.1:8750", token="new"), path)
    assert json.loads(path.read_text()) == {"url": "http://127.0.0.1:8750", "token": "new"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert aside == (previous if is_put_aside else None)
    assert not is_put_aside or json.loads(previous.read_text()) == before


def test_a_pool_of_this_machine_keeps_to_its_own_database(tmp_path: Path) -> None:
    variables = {"ACCELPOOL_DATABASE_URL": "postgresql://shared/pool", "PATH": "/bin"}
    pool = LocalPool(PoolOptions(state_dir=tmp_path), variables)
    assert pool.broker.variables == {"PATH": "/bin"}


def test_what_a_terminal_would_obey_is_shown_not_done(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output()
    output.text("reason \x1b]0;title\x07\n")
    output.note("\x9b2J")
    output.note("\u202eback to front")
    output.table(["client", "why"], [["\x1b[2Jme\u2066", "one\ntwo"]], "none")
    shown = capsys.readouterr()
    assert not set(shown.out + shown.err) & {"\x1b", "\x07", "\x9b", "\u202e", "\u2066"}
    assert "one two" in shown.out
