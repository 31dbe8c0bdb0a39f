"""The commands that show a pool and act on it, and how they fail."""

import json
import signal
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import accelpool
from accelpool.broker import Broker
from accelpool.cli import extras
from accelpool.rest import RestClient

from ..sockets import lasting_port
from .cli_rig import Cli


def test_devices_and_nodes_are_those_of_the_pool(cli: Cli, null_pool) -> None:
    devices = cli.json("devices", pool=null_pool)["devices"]
    assert {device["name"] for device in devices} == {f"null/null-{i}" for i in range(4)}
    assert [node["name"] for node in cli.json("nodes", pool=null_pool)["nodes"]] == ["node-1"]
    text = cli.call("devices", pool=null_pool).stdout
    assert text.splitlines()[0].split()[:3] == ["DEVICE", "NODE", "KIND"]
    assert "1.0 GiB" in text


def test_what_devices_measure_is_shown_where_it_is_asked_for(cli: Cli, null_pool) -> None:
    assert "TEMPERATURE" not in cli.call("devices", pool=null_pool).stdout
    heading, first, *_ = cli.call("devices", "--wide", pool=null_pool).stdout.splitlines()
    assert heading.split()[-6:] == ["LOAD", "MEMORY", "USED", "TEMPERATURE", "POWER", "CLOCK"]
    assert first.split()[-5:] == ["-"] * 5  # null devices have no sensors
    assert cli.json("devices", pool=null_pool)["devices"][0]["readings"] is None


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
        text = cli.call("leases", "--all", pool=null_pool).stdout
        assert f"{context.lease.id}  released" in text


def test_a_sandbox_that_is_not_whole_is_shown_with_where_the_reason_is(cli: Cli, null_pool) -> None:
    done = cli.call("nodes", pool=null_pool)
    told = "partial: `accelpool nodes --json` says why, `accelpool doctor` on the node what mends it."
    assert (told in done.stderr.splitlines()) == ("partial" in done.stdout)


def test_a_lease_over_two_nodes_is_one_line_with_the_node_of_each_device(cli: Cli, two_node_pool) -> None:
    rest = RestClient(two_node_pool.url, two_node_pool.token)
    lease = rest.request(
        "POST", "/leases", json={"count": 3, "ttl_s": 3600}, params={"wait_s": 20}, wait_s=20
    ).body
    (line,) = [
        line
        for line in cli.call("leases", pool=two_node_pool).stdout.splitlines()
        if line.startswith(lease["id"])
    ]
    assert "node-1: null/null-0, node-1: null/null-1, node-2: null/null-0" in line
    devices = cli.json("devices", pool=two_node_pool)["devices"]
    held = [device for device in devices if lease["id"] in device["leases"]]
    assert {device["node"] for device in held} == {"node-1", "node-2"}
    assert all("loaded_image" in device for device in devices)
    rest.request("DELETE", f"/leases/{lease['id']}")
    rest.close()


def test_a_reservation_is_shown_and_explained_and_can_be_withdrawn(cli: Cli, null_pool) -> None:
    with accelpool.connect(null_pool.url, null_pool.token) as broker:
        made = broker.reserve(starts_at=time.time() + 600, ends_at=time.time() + 900)
    begins = made.starts_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    [line] = [one for one in cli.call("leases", pool=null_pool).stdout.splitlines() if made.id in one]
    assert "reserved" in line.split()
    told = cli.call("explain", made.id, pool=null_pool).stdout
    assert f"Lease {made.id} is queued: reserved from " in told
    assert f"It begins at {begins}; nobody has to wait for it until then." in told
    assert "reserved for it" in told
    assert cli.call("release", made.id, pool=null_pool).stdout == f"Lease {made.id} is withdrawn.\n"


def test_the_kernel_library_needs_no_pool(cli: Cli) -> None:
    kernels = cli.json("kernels")["kernels"]
    assert "saxpy" in {kernel["name"] for kernel in kernels}
    assert "kernel void saxpy(" in cli.json("kernels", "saxpy")["kernel"]["code"]
    assert "__global__ void saxpy(" in cli.json("kernels", "saxpy", "--api", "cuda")["kernel"]["code"]


def test_the_installed_program_says_the_packages_version(cli: Cli) -> None:
    assert cli.call("--version").stdout == f"accelpool {accelpool.__version__}\n"
    done = cli.run("version", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"version": accelpool.__version__}


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "words"),
    [
        (["release", "lse_none"], {}, 1, "there is no lease lse_none"),
        (["kernels", "nosuch"], {}, 1, "no kernel 'nosuch'"),
        (["kernels", "saxpy", "--api", "vulkan"], {}, 1, "no source for 'vulkan'"),
        (["devices"], {"ACCELPOOL_URL": "http://127.0.0.1:1"}, 3, "nobody answers at http://127.0.0.1:1"),
        (["devices"], {"ACCELPOOL_TOKEN": "wrong"}, 4, "token"),
        (["devices"], {"ACCELPOOL_URL": "", "ACCELPOOL_TOKEN": ""}, 3, "accelpool up"),
        (["release", "l"], {"ACCELPOOL_URL": "", "ACCELPOOL_TOKEN": "t"}, 3, "no pool is known"),
        (["devices"], {"ACCELPOOL_TOKEN": ""}, 4, "no token for"),
        (["demo", "--output", "/dev/null"], {}, 1, "the pictures cannot be written to /dev/null"),
    ],
)
def test_a_failure_is_one_line_and_an_exit_code(
    null_pool, cli: Cli, arguments: list[str], variables: dict[str, str], code: int, words: str
) -> None:
    done = cli.call(*arguments, pool=null_pool, **variables)
    assert (done.exit_code, done.stdout) == (code, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("accelpool: ")
    assert words in line


def test_a_failure_is_a_json_document_where_json_is_wanted(cli: Cli, null_pool) -> None:
    done = cli.call("release", "lse_none", "--json", pool=null_pool)
    assert done.exit_code == 1
    told = json.loads(done.stdout)["error"]
    assert done.stderr.strip().endswith(f"(request {told.pop('request_id')})")
    assert told == {"type": "lease-not-found", "detail": "there is no lease lse_none"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["devices", "--nonsense"], "No such option: --nonsense"),
        (["devices", "--token", "x"], "set ACCELPOOL_TOKEN"),
        (["up", "--backend", "foo"], "opencl, cuda, null:COUNT"),
        (["doctor", "--backend", "null:"], "opencl, cuda, null:COUNT"),
        (["release"], "LEASE"),
    ],
)
def test_a_wrong_option_is_wrong_usage(cli: Cli, arguments: list[str], words: str) -> None:
    done = cli.call(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in " ".join(done.stderr.replace("│", " ").split())


def test_a_pools_credentials_are_told_to_a_shell_and_to_programs(cli: Cli, null_pool) -> None:
    text = cli.call("credentials", pool=null_pool).stdout
    shell = ["sh", "-euc", 'eval "$1"; echo "$ACCELPOOL_URL $ACCELPOOL_TOKEN"', "sh", text]
    told = subprocess.run(shell, capture_output=True, text=True, check=True).stdout
    assert told.split() == [null_pool.url, null_pool.token]
    assert cli.json("credentials", pool=null_pool) == {
        "url": null_pool.url,
        "token": null_pool.token,
        "ca": "",
    }
    assert "ACCELPOOL_CA" not in text
    trusting = cli.call("credentials", pool=null_pool, ACCELPOOL_CA="/etc/pool ca.pem").stdout
    assert trusting == text + "export ACCELPOOL_CA='/etc/pool ca.pem'\n"


def test_a_long_fault_does_not_widen_the_table(cli: Cli, null_pool, monkeypatch: pytest.MonkeyPatch) -> None:
    device = {"id": "d", "node": "n", "kind": "cpu", "name": "c", "state": "faulty", "fault": "long " * 99}
    monkeypatch.setattr(Broker, "devices", lambda _: [device])
    done = cli.call("devices", pool=null_pool)
    assert max(map(len, done.stdout.splitlines())) < 120
    assert done.stdout.rstrip().endswith("long l ...")
    assert "accelpool devices --json" in done.stderr
    whole = json.loads(cli.call("devices", "--json", pool=null_pool).stdout)
    assert whole["devices"] == [device]


def test_broker_and_node_run_by_themselves(cli: Cli) -> None:
    with cli.running("broker", "--port", "0") as broker:
        url = json.loads(broker.line())["ready"]
        token = json.loads((cli.home / ".local/state/accelpool/broker/tokens.json").read_text())["user"]
        made = cli.json("node", "join-token", "create", ACCELPOOL_URL=url, ACCELPOOL_TOKEN=token)[
            "join_token"
        ]
        arguments = ("--broker", url, "--name", "alone", "--backend", "null:1")
        with cli.running("node", *arguments, ACCELPOOL_JOIN_TOKEN=made["token"]) as node:
            assert json.loads(node.line())["ready"]["devices"] == 1
            with accelpool.connect(url, token) as pool:
                assert [device["node"] for device in pool.devices()] == ["alone"]
            ends = [node.end(signal.SIGTERM), broker.end(signal.SIGTERM)]
    assert [code for code, _ in ends] == [0, 0], ends
    cli.assert_nothing_is_left()


def test_the_help_of_what_is_done_with_a_node_names_the_command_as_it_is_typed(cli: Cli) -> None:
    usage = cli.call("node", "drain", "--help").stdout
    assert usage.split()[:3] == ["Usage:", "accelpool", "node"]
    assert "node node" not in usage


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
    assert "credentials" not in by_check  # the environment names the pool
    assert (told["can_compute"], told["reaches_pool"]) == (True, True)
    keys = {"check", "status", "detail", "mend", "need"}
    assert all(set(finding) == keys for finding in told["findings"])


def test_the_doctor_says_what_is_broken(cli: Cli, null_pool) -> None:
    done = cli.call("doctor", "--backend", "null:0", pool=null_pool, ACCELPOOL_TOKEN="wrong")
    assert done.exit_code == 1
    assert "FAILED   devices" in done.stdout
    assert "it does not accept the token" in done.stdout
    assert "(URL from ACCELPOOL_URL, token from ACCELPOOL_TOKEN)" in done.stdout
    assert "or unset it" in done.stdout
    assert done.stdout.splitlines()[-2:] == [
        "To compute here: broken: devices.",
        f"To use a pool:   broken: broker {null_pool.url}.",
    ]


@pytest.mark.parametrize(
    ("option", "value", "why"),
    [
        ("--cgroup", "/none", "--cgroup /none: it is no cgroup v2 directory"),
        ("--bubblewrap", "/none", "--bubblewrap: there is no program /none"),
    ],
)
def test_the_doctor_tries_what_is_to_be_around_workers(cli: Cli, option: str, value: str, why: str) -> None:
    done = cli.call("doctor", "--backend", "null:1", "--port", "1", option, value)
    assert done.exit_code == 1
    assert why in done.stdout


def test_without_a_pool_the_doctor_says_that_devices_work_and_how_to_get_one(cli: Cli) -> None:
    done = cli.call("doctor", "--backend", "null:1", "--port", "1")
    assert done.exit_code == 0
    assert all(f"accelpool[{extra}]" in done.stdout for extra in ("broker", "node", "arrays", "demo"))
    assert done.stdout.splitlines()[-2:] == [
        "To compute here: everything that is needed works.",
        "To use a pool:   none is reached yet; to get one: accelpool up.",
    ]


def test_the_doctor_advises_another_port_where_another_program_has_the_usual_one(cli: Cli) -> None:
    port = lasting_port()
    with ThreadingHTTPServer(("127.0.0.1", port), BaseHTTPRequestHandler) as foreign:
        threading.Thread(target=foreign.serve_forever).start()
        try:
            done = cli.call("doctor", "--backend", "null:1", "--port", str(port))
        finally:
            foreign.shutdown()
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1].endswith(f"to get one: accelpool up --port {port + 1}.")


def test_the_metadata_names_the_extras_packages() -> None:
    assert extras.missing("broker", is_there=lambda package: package != "granian") == ["granian"]
    assert extras.missing("node", is_there=lambda package: package != "pyopencl") == ["pyopencl"]
    assert extras.missing("demo", is_there=lambda package: package != "scipy") == ["scipy"]
    assert extras.missing("arrays", is_there=lambda package: package != "mako") == ["mako"]
