"""The commands that show a pool and act on it, and how they fail."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

import accelpool
from accelpool.cli import extras
from accelpool.cli.main import app

from .cli_rig import Cli


@pytest.fixture
def cli(tmp_path: Path) -> Iterator[Cli]:
    yield from Cli(tmp_path).until_the_end_of_the_test()


def test_devices_and_nodes_are_those_of_the_pool(cli: Cli, null_pool) -> None:
    devices = cli.json("devices", pool=null_pool)["devices"]
    assert {device["name"] for device in devices} == {f"null/null-{i}" for i in range(4)}
    assert [node["name"] for node in cli.json("nodes", pool=null_pool)["nodes"]] == ["node-1"]
    text = cli.run("devices", pool=null_pool).stdout
    assert text.splitlines()[0].split()[:3] == ["DEVICE", "NODE", "KIND"]
    assert "1.0 GiB" in text


def test_a_lease_is_shown_while_it_lasts_and_can_be_released(cli: Cli, null_pool) -> None:
    with accelpool.connect(null_pool.url, null_pool.token) as broker, broker.acquire() as context:
        (lease,) = (
            one for one in cli.json("leases", pool=null_pool)["leases"] if one["id"] == context.lease.id
        )
        assert lease["state"] == "active"
        assert all("token" not in endpoint for endpoint in lease["endpoints"])
        told = cli.json("release", context.lease.id, pool=null_pool)["lease"]
        assert (told["id"], told["state"]) == (context.lease.id, "released")
        shown = cli.json("leases", pool=null_pool)["leases"]
        assert context.lease.id not in {one["id"] for one in shown}
        text = cli.run("leases", "--all", pool=null_pool).stdout
        assert f"{context.lease.id}  released" in text


def test_the_kernel_library_needs_no_pool(cli: Cli) -> None:
    kernels = cli.json("kernels")["kernels"]
    assert "saxpy" in {kernel["name"] for kernel in kernels}
    assert "kernel void saxpy(" in cli.json("kernels", "saxpy")["kernel"]["code"]


def test_the_version_is_the_packages(cli: Cli) -> None:
    assert cli.json("version") == {"version": accelpool.__version__}


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "words"),
    [
        (["release", "lse_none"], {}, 1, "there is no lease lse_none"),
        (["kernels", "nosuch"], {}, 1, "no kernel 'nosuch'"),
        (["devices"], {"ACCELPOOL_URL": "http://127.0.0.1:1"}, 3, "nobody answers at http://127.0.0.1:1"),
        (["devices"], {"ACCELPOOL_TOKEN": "wrong"}, 4, "token"),
        (["devices"], {"ACCELPOOL_URL": "", "ACCELPOOL_TOKEN": ""}, 4, "accelpool up"),
    ],
)
def test_a_failure_is_one_line_and_an_exit_code(
    null_pool,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    variables: dict[str, str],
    code: int,
    words: str,
) -> None:
    for name, value in (Cli(tmp_path).variables(null_pool) | variables).items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, done.stdout) == (code, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("accelpool: ")
    assert words in line


def test_a_failure_is_a_json_document_where_json_is_wanted(cli: Cli, null_pool) -> None:
    done = cli.run("release", "lse_none", "--json", pool=null_pool)
    assert done.returncode == 1
    assert json.loads(done.stdout) == {
        "error": {"type": "lease-not-found", "detail": "there is no lease lse_none"}
    }


def test_a_wrong_option_is_wrong_usage(cli: Cli) -> None:
    assert cli.run("devices", "--nonsense").returncode == 2


def test_broker_and_node_run_by_themselves(cli: Cli) -> None:
    with cli.running("broker", "--port", "0") as broker:
        url = json.loads(broker.line())["ready"]
        tokens = json.loads((cli.home / ".local/state/accelpool/broker/tokens.json").read_text())
        arguments = ("--broker", url, "--name", "alone", "--backend", "null:1")
        with cli.running("node", *arguments, ACCELPOOL_NODE_TOKEN=tokens["node"]) as node:
            assert json.loads(node.line())["ready"]["devices"] == 1
            with accelpool.connect(url, tokens["user"]) as pool:
                assert [device["node"] for device in pool.devices()] == ["alone"]
            ends = [node.end(signal.SIGTERM), broker.end(signal.SIGTERM)]
    assert [code for code, _ in ends] == [0, 0], ends
    cli.assert_nothing_is_left()


def test_the_help_of_a_role_is_its_own(cli: Cli) -> None:
    done = cli.run("node", "--help")
    assert done.returncode == 0
    assert "--advertise" in done.stdout


@pytest.mark.opencl
def test_the_doctor_tries_every_device_and_finds_this_machine_fit(cli: Cli, null_pool) -> None:
    told = cli.json("doctor", pool=null_pool)
    assert told["ok"] is True
    by_check = {finding["check"]: finding for finding in told["findings"]}
    assert "ok" in {by_check[check]["status"] for check in by_check if check.startswith("device ")}
    assert by_check[f"broker {null_pool.url}"]["status"] == "ok"
    assert by_check["credentials"]["mend"] == "accelpool up"
    assert all(set(finding) == {"check", "status", "detail", "mend"} for finding in told["findings"])


def test_the_doctor_says_what_is_broken(cli: Cli, null_pool) -> None:
    done = cli.run("doctor", "--backend", "nonsense", pool=null_pool, ACCELPOOL_TOKEN="wrong")
    assert done.returncode == 1
    assert "FAILED   devices" in done.stdout
    assert "it does not accept the token" in done.stdout
    assert done.stdout.splitlines()[-1] == "Broken: 2."


def test_the_metadata_names_the_extras_packages() -> None:
    assert extras.missing("broker", is_there=lambda package: package != "granian") == ["granian"]
    assert extras.missing("node", is_there=lambda package: package != "pyopencl") == ["pyopencl"]
    assert extras.missing("demo", is_there=lambda package: package != "scipy") == ["scipy"]
