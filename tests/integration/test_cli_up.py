"""`accelpool up`: starts, supervises, ends, and leaves nothing behind."""

import fcntl
import json
import os
import signal
import stat
from pathlib import Path

from ..conftest import wait_until
from .cli_rig import Cli, checked, pid_of

NULL = ("up", "--json", "--port", "0", "--backend", "null:2")


def test_up_makes_a_pool_that_the_other_commands_find(cli: Cli) -> None:
    with cli.running(*NULL) as up:
        told = checked(up.document(), "up")
        path = Path(told["credentials"])
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert json.loads(path.read_text())["url"] == told["url"]
        assert [device["state"] for device in cli.json("devices")["devices"]] == ["free", "free"]
        assert set(told) == {"url", "node", "devices", "faulty_devices", "state_dir", "credentials"}
        code, errors = up.end(signal.SIGINT)
    assert code == 0
    assert errors.splitlines()[-1] == "accelpool is down."
    cli.assert_nothing_is_left()


def test_a_pool_whose_up_is_killed_leaves_no_process(cli: Cli) -> None:
    with cli.running(*NULL) as up:
        up.document()
        assert len(cli.processes()) >= 3
        os.kill(up.process.pid, signal.SIGKILL)
        up.process.wait(5)
        cli.assert_nothing_is_left()


def test_a_part_that_dies_is_started_again_where_it_was(cli: Cli) -> None:
    with cli.running(*NULL) as up:
        told = up.document()
        for module in ("accelpool_broker", "accelpool_node"):
            before = pid_of(module, cli)
            os.kill(before, signal.SIGKILL)
            wait_until(lambda module=module, before=before: pid_of(module, cli) not in (0, before))
        wait_until(lambda: cli.call("devices").exit_code == 0)
        wait_until(lambda: {d["state"] for d in cli.json("devices")["devices"]} == {"free"})
        assert cli.json("nodes")["nodes"][0]["name"] == told["node"]
        code, errors = up.end(signal.SIGTERM)
    assert code == 0
    assert "the broker was killed by signal 9; starting it again in 0.5 s" in errors
    assert "the node was killed by signal 9; starting it again in 0.5 s" in errors
    cli.assert_nothing_is_left()


def test_a_second_node_of_the_machine_joins_by_its_name_alone(cli: Cli) -> None:
    with cli.running(*NULL) as up:
        told = up.document()
        path = cli.home / "join.token"
        assert cli.call("node", "join-token", "create", "--file", str(path)).exit_code == 0
        arguments = ("node", "--broker", told["url"], "--backend", "null:1", "--join-token-file", str(path))
        with cli.running(*arguments, "--name", "second") as second:
            assert json.loads(second.line())["ready"]["devices"] == 1
            assert {node["name"] for node in cli.json("nodes")["nodes"]} == {told["node"], "second"}
            twin = cli.run(*arguments, "--name", told["node"])
            assert twin.returncode == 1
            assert "another agent" in twin.stderr
            assert second.end(signal.SIGTERM)[0] == 0
        assert up.end(signal.SIGINT)[0] == 0
    with cli.running(*NULL) as again:
        told = again.document()
        assert (told["devices"], told["faulty_devices"]) == (2, 0)  # those of this node
        assert again.end(signal.SIGINT)[0] == 0


def test_a_taken_port_is_told_in_one_line(cli: Cli, null_pool) -> None:
    port = null_pool.url.rpartition(":")[2]
    done = cli.run("up", "--port", port, "--backend", "null:1")
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last == (
        "accelpool: the broker did not start: "
        f"cannot listen on 127.0.0.1, port {port}: Address already in use"
    )
    cli.assert_nothing_is_left()


def test_one_state_directory_is_for_one_pool(cli: Cli) -> None:
    (cli.home / "state").mkdir()
    with (cli.home / "state" / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = cli.run(*NULL, "--state-dir", "state")
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["type"] == "cannot-start"
    assert f"another pool runs with {cli.home}/state" in done.stderr


def test_an_unknown_backend_is_refused_before_anything_starts(cli: Cli) -> None:
    done = cli.run("up", "--port", "0", "--backend", "nonsense")
    assert done.returncode == 2
    assert "Starting" not in done.stderr
    assert not (cli.home / ".local").exists()


def test_up_that_is_interrupted_before_it_is_up_says_so_in_one_line(cli: Cli) -> None:
    with cli.running(*NULL) as up:
        assert up.process.stderr is not None
        assert up.process.stderr.readline() == b"Starting the broker ...\n"
        code, errors = up.end(signal.SIGINT)
    assert (code, errors.splitlines()[-1]) == (130, "accelpool: interrupted")
    assert "Traceback" not in errors
    cli.assert_nothing_is_left()


def test_a_second_interrupt_does_not_break_off_the_orderly_end(cli: Cli) -> None:
    with cli.running(*NULL) as up:
        up.document()
        up.process.send_signal(signal.SIGINT)
        code, errors = up.end(signal.SIGINT)
    assert (code, errors.splitlines()[-1]) == (0, "accelpool is down.")
    assert "Traceback" not in errors
    cli.assert_nothing_is_left()
