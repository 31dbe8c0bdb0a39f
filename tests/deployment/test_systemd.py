"""The units of deploy/systemd: what systemd says of them, and that the programs take their options."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from accelpool_broker import __main__ as broker
from accelpool_node.agent.options import read_options, read_settings

from ..conftest import Pool, running

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
EXPOSURE = {"accelpool-broker.service": 15, "accelpool-node.service": 25}  # at most, in tenths of 0 to 10
VARIABLES = {
    "STATE_DIRECTORY": "/var/lib/accelpool",
    "BROKER": "https://pool.example:8750",
    "ADVERTISE": "gpu1.example",
    "ACCELPOOL_CA": "/etc/accelpool/ca.pem",
    "ACCELPOOL_JOIN_TOKEN": "apj_made-up",
}

has_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze (Debian: systemd)"
)


def command(unit: str) -> list[str]:
    text = (UNITS / unit).read_text().replace("\\\n", " ")
    (line,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    return shlex.split(re.sub(r"\$\{(\w+)\}", lambda found: VARIABLES[found[1]], line))


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60)


@has_systemd
@pytest.mark.parametrize("unit", EXPOSURE)
def test_systemd_knows_each_line(unit: str, tmp_path: Path) -> None:
    file = tmp_path / unit
    file.write_text((UNITS / unit).read_text().replace("/opt/accelpool/bin/python", sys.executable))
    checked = analyze("verify", "--man=no", str(file))
    assert (checked.returncode, [line for line in checked.stderr.splitlines() if unit in line]) == (0, [])


@has_systemd
@pytest.mark.parametrize("unit", EXPOSURE)
def test_little_is_left_open_to_it(unit: str) -> None:
    checked = analyze("security", "--offline=true", f"--threshold={EXPOSURE[unit]}", str(UNITS / unit))
    assert checked.returncode == 0, checked.stdout


def test_the_broker_takes_the_options_of_its_unit() -> None:
    _, *arguments = command("accelpool-broker.service")
    assert arguments[:3] == ["-P", "-m", "accelpool_broker"]
    given = broker._parse(arguments[3:])
    assert (given.host, given.tls_cert) == ("::", Path("/etc/accelpool/broker.pem"))


def test_the_agent_takes_the_options_of_its_unit() -> None:
    _, *arguments = command("accelpool-node.service")
    assert arguments[:3] == ["-P", "-m", "accelpool_node"]
    settings = read_settings(read_options(arguments[3:]), VARIABLES)
    assert (settings.listen, settings.is_secure, settings.cgroup) == (("::", 8760), True, "auto")
    assert settings.ca == Path("/etc/accelpool/ca.pem")


def test_each_unit_runs_as_a_user_that_sysusers_makes() -> None:
    made = re.findall(r"^u (\S+)", (UNITS / "accelpool.sysusers.conf").read_text(), re.MULTILINE)
    users = [re.findall(r"^User=(.*)$", (UNITS / unit).read_text(), re.MULTILINE) for unit in EXPOSURE]
    assert [user for (user,) in users] == made


@pytest.fixture
def bare_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A broker without nodes."""
    yield from running(Pool(folder=tmp_path_factory.mktemp("pool"), nodes=0))


def test_broker_and_agent_tell_systemd_when_they_are_ready_and_when_they_stop(
    bare_pool: Pool, tmp_path: Path
) -> None:
    made = subprocess.run(
        [Path(sys.executable).with_name("accelpool"), "node", "join-token", "create", "--json"],
        env={**os.environ, "ACCELPOOL_URL": bare_pool.url, "ACCELPOOL_TOKEN": bare_pool.token},
        capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    joining = json.loads(made.stdout)["join_token"]["token"]
    agent = ["accelpool_node", "--broker", bare_pool.url, "--name", "notified", "--backend", "null:1"]
    for arguments in (["accelpool_broker", "--port", "0"], agent):
        assert heard_of(arguments, tmp_path, joining) == ["READY=1", "STOPPING=1"]


def heard_of(arguments: list[str], folder: Path, joining: str) -> list[str]:
    """Start a program as systemd does, end it once it is ready, and return what it has said."""
    address = folder / f"{arguments[0]}.notify"
    state = ["--state-dir", str(folder / arguments[0])]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(address))
        manager.settimeout(60)
        environ = {**os.environ, "NOTIFY_SOCKET": str(address), "ACCELPOOL_JOIN_TOKEN": joining}
        with subprocess.Popen([sys.executable, "-P", "-m", *arguments, *state], env=environ,
                              stdout=subprocess.DEVNULL) as process:  # fmt: skip
            try:
                said = [manager.recv(256).decode()]
            finally:
                process.send_signal(signal.SIGTERM)
            said.append(manager.recv(256).decode())
            assert process.wait(timeout=60) == 0
    return said
