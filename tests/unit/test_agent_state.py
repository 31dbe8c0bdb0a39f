"""The agent's directory, its records of child processes, and its options."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from accelpool_node.agent import main, state_dir
from accelpool_node.agent.addresses import read_address
from accelpool_node.agent.options import read_options, read_settings
from accelpool_node.agent.processes import describe_exit
from accelpool_node.agent.state_dir import StateDir
from accelpool_wire.errors import Conflict, Invalid


@pytest.fixture
def child():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def records(path):
    return sorted(file.name for file in (path / "children").iterdir())


def test_the_directory_is_private(tmp_path):
    with StateDir(tmp_path / "deep" / "state"):
        assert (tmp_path / "deep" / "state").stat().st_mode & 0o777 == 0o700


def test_a_second_agent_is_refused_and_told_who_runs(tmp_path):
    with StateDir(tmp_path), pytest.raises(Conflict, match=f"process {os.getpid()}"), StateDir(tmp_path):
        pass
    with StateDir(tmp_path):
        pass


def test_a_file_cannot_be_the_directory(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(Invalid, match="cannot be the state directory"), StateDir(tmp_path / "file"):
        pass


def test_a_predecessors_child_is_killed(tmp_path, child):
    with StateDir(tmp_path) as state:
        state.add_child(child.pid, child.args)
    with StateDir(tmp_path) as state:
        assert state.kill_strays() == [child.pid]
    assert child.wait(5) == -9
    assert records(tmp_path) == []


@pytest.mark.parametrize("change", [{"start_ticks": 1}, {"boot": "another"}, {"command": ["sleep", "1"]}])
def test_a_process_that_only_shares_the_id_is_left_alone(tmp_path, child, change):
    with StateDir(tmp_path) as state:
        state.add_child(child.pid, child.args)
        file = tmp_path / "children" / str(child.pid)
        record = msgspec.json.decode(file.read_bytes()) | change
        file.write_bytes(msgspec.json.encode(record))
    with StateDir(tmp_path) as state:
        assert state.kill_strays() == []
    assert child.poll() is None
    assert records(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "content"), [("999999999", b"{}"), ("self", b"{}"), ("-1", b""), ("0", b"x")]
)
def test_nonsense_on_record_is_forgotten(tmp_path, name, content):
    with StateDir(tmp_path) as state:
        (tmp_path / "children" / name).write_bytes(content)
        assert state.kill_strays() == []
    assert records(tmp_path) == []


def test_a_child_that_is_gone_leaves_no_record(tmp_path, child):
    with StateDir(tmp_path) as state:
        state.add_child(child.pid, child.args)
        state.remove_child(child.pid)
        state.remove_child(child.pid)
        assert records(tmp_path) == []


def test_the_start_time_is_found_behind_any_name():
    fields = " ".join(str(number) for number in range(4, 53))
    assert state_dir.start_ticks(f"1 (a) S 2) S {fields}\n") == 22


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "exited with status 0"),
        (3, "exited with status 3"),
        (-11, "was killed by signal 11 (SIGSEGV)"),
        (-64, "was killed by signal 64 (SIGRTMAX)"),
        (-63, "was killed by signal 63 (unnamed)"),
    ],
)
def test_an_exit_is_told_in_words(status, words):
    assert describe_exit(status) == words


def options(*arguments):
    return read_options(arguments)


ENVIRON = {"ACCELPOOL_NODE_TOKEN": "t0ken\n", "PATH": "/bin", "HOME": "/home/u"}


def test_the_token_comes_from_the_environment_or_a_file(tmp_path):
    assert read_settings(options(), ENVIRON).token == "t0ken"
    (tmp_path / "token").write_text("other\n")
    assert read_settings(options("--token-file", str(tmp_path / "token")), ENVIRON).token == "other"


def test_the_join_token_comes_from_the_environment_or_a_file(tmp_path):
    environ = {"ACCELPOOL_JOIN_TOKEN": "j0in\n", "HOME": "/home/u"}
    settings = read_settings(options(), environ)
    assert (settings.token, settings.join_token) == ("", "j0in")
    (tmp_path / "token").write_text("other\n")
    given = options("--join-token-file", str(tmp_path / "token"))
    assert read_settings(given, environ).join_token == "other"


def test_a_token_that_is_kept_is_enough(tmp_path):
    (tmp_path / "token").write_text("apn_kept\n")
    settings = read_settings(options("--state-dir", str(tmp_path)), {"HOME": "/home/u"})
    assert (settings.token, settings.join_token) == ("", "")


def test_a_join_token_file_that_is_gone_is_missed_only_by_who_has_no_token(tmp_path):
    given = options("--state-dir", str(tmp_path), "--join-token-file", str(tmp_path / "gone"))
    with pytest.raises(Invalid, match=r"gone cannot be read"):
        read_settings(given, {"HOME": "/home/u"})
    assert read_settings(given, ENVIRON).token == "t0ken"
    (tmp_path / "token").write_text("apn_kept\n")
    assert read_settings(given, {"HOME": "/home/u"}).join_token == ""


def test_settings_do_not_print_the_tokens():
    environ = {**ENVIRON, "ACCELPOOL_JOIN_TOKEN": "j0in"}
    printed = repr(read_settings(options(), environ))
    assert "t0ken" not in printed
    assert "j0in" not in printed


def test_a_new_token_is_the_same_until_it_is_kept(tmp_path):
    with StateDir(tmp_path) as state:
        assert state.token() == ""
        made = state.new_token()
        assert made.startswith("apn_")
        assert (state.new_token(), state.token()) == (made, "")
        state.keep_token()
        assert state.token() == made
        assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
        assert state.new_token() != made


@pytest.mark.parametrize(
    ("arguments", "environ", "match"),
    [
        ([], {}, "a node token is needed"),
        (["--token-file", "/nowhere"], {}, "/nowhere cannot be read"),
        (["--listen", "8750"], ENVIRON, "HOST:PORT"),
        (["--listen", "127.0.0.1:99999"], ENVIRON, "HOST:PORT"),
        (["--listen", "0.0.0.0:0"], ENVIRON, "--advertise"),
        (["--warm", "-1"], ENVIRON, "--warm"),
        (["--backend", "vulkan"], ENVIRON, "--backend"),
        (["--backend", "3"], ENVIRON, "--backend"),
        (["--backend", "null:x"], ENVIRON, "--backend"),
        (["--broker", "http://10.0.0.1:8750"], ENVIRON, "token would pass in the clear to http://10"),
        (["--broker", "http://[::2]:8750"], ENVIRON, "token would pass in the clear"),
        (["--broker", "http://["], ENVIRON, "--broker is a URL"),
        (["--metrics", "9100"], ENVIRON, "HOST:PORT"),
        (
            ["--metrics", "0.0.0.0:9100"],
            ENVIRON,
            "metrics would pass in the clear to 0.0.0.0: give --tls-cert",
        ),
        (
            ["--metrics", "10.0.0.1:9100", "--tls-cert", "cert.pem", "--tls-key", "key.pem"],
            ENVIRON,
            "whoever reaches 10.0.0.1 could read the metrics: give --metrics-token-file",
        ),
    ],
)
def test_options_that_cannot_be_used_are_refused(arguments, environ, match):
    with pytest.raises(Invalid, match=match):
        read_settings(options(*arguments), environ)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("10.0.0.1:80", ("10.0.0.1", 80)),
        ("host", ("host", 0)),
        ("[::1]:7", ("::1", 7)),
        ("[::1]", ("::1", 0)),
    ],
)
def test_addresses_are_read(text, address):
    assert read_address(text, default_port=0) == address


@pytest.mark.parametrize(
    "arguments",
    [
        ["--broker", "https://10.0.0.1:8750"],
        ["--broker", "http://127.0.0.1:8750"],
        ["--broker", "http://[::1]:8750"],
        ["--broker", "http://10.0.0.1:8750", "--insecure"],
    ],
)
def test_a_token_passes_in_the_clear_within_this_machine_or_where_told(arguments):
    assert read_settings(options(*arguments), ENVIRON).broker_url == arguments[1]


def test_metrics_are_told_nowhere_unless_asked_for():
    assert read_settings(options(), ENVIRON).metrics is None


def test_metrics_for_others_take_a_certificate_and_a_token(tmp_path):
    (tmp_path / "token").write_text("s3cret")
    given = ["--metrics", "10.0.0.1:9100", "--metrics-token-file", str(tmp_path / "token")]
    settings = read_settings(options(*given, "--tls-cert", "c.pem", "--tls-key", "k.pem"), ENVIRON)
    assert (settings.metrics.token, settings.metrics.is_secure) == ("s3cret", True)
    assert settings.token_files == (tmp_path / "token",)
    assert "s3cret" not in repr(settings)


def test_a_token_for_metrics_that_are_told_nowhere_is_refused(tmp_path):
    (tmp_path / "token").write_text("s3cret")
    with pytest.raises(Invalid, match="--metrics HOST:PORT, which is not given"):
        read_settings(options("--metrics-token-file", str(tmp_path / "token")), ENVIRON)


def test_the_advertised_address_may_differ():
    settings = read_settings(options("--listen", "0.0.0.0:5", "--advertise", "node.example"), ENVIRON)
    assert (settings.listen, settings.advertise) == (("0.0.0.0", 5), ("node.example", 0))


def test_each_node_has_a_state_directory_of_its_own():
    settings = read_settings(options("--name", "a/b"), {**ENVIRON, "XDG_STATE_HOME": "/state"})
    assert settings.state_dir == Path("/state/accelpool/node-a-b")


def test_an_agent_that_cannot_start_says_why(capsys, tmp_path):
    with contextlib.suppress(SystemExit):
        assert main.main(["--state-dir", str(tmp_path)], {}) == 1
    assert "a node token is needed" in capsys.readouterr().err


def test_the_environments_file_is_the_option_or_the_one_among_the_configuration(tmp_path):
    environ = {**ENVIRON, "XDG_CONFIG_HOME": str(tmp_path)}
    assert read_settings(options(), environ).environments is None
    file = tmp_path / "accelpool" / "environments.toml"
    file.parent.mkdir()
    file.touch()
    assert read_settings(options(), environ).environments == file
    assert read_settings(options("--environments", "/e.toml"), environ).environments == Path("/e.toml")
