"""An agent that joins a pool: from a join token to a token of its own, kept for the next start."""

from __future__ import annotations

import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from ..conftest import Daemon, Pool, clean_environment, join_token, running


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory):
    yield from running(Pool(folder=tmp_path_factory.mktemp("enrolment"), nodes=0))


def command(pool: Pool, state: Path, name: str = "n1") -> list[str]:
    options = ["--broker", pool.url, "--name", name, "--state-dir", str(state), "--backend", "null:1"]
    return [sys.executable, "-m", "accelpool_node", *options]


def agent(pool: Pool, state: Path, token: str = "", name: str = "n1") -> Daemon:
    env = {**clean_environment(pool.folder), **({"ACCELPOOL_JOIN_TOKEN": token} if token else {})}
    return Daemon(command(pool, state, name), state.with_suffix(".log"), env)


def nodes(pool: Pool) -> dict[str, str]:
    header = {"Authorization": f"Bearer {pool.token}"}
    listed = requests.get(f"{pool.url}/nodes", headers=header, timeout=60).json()["items"]
    return {node["name"]: node["state"] for node in listed}


def started(pool: Pool, state: Path, *options: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Start an agent that cannot go on, and wait for its end."""
    return subprocess.run(
        [*command(pool, state), *options],
        env={**clean_environment(state.parent), **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_joins_once_and_keeps_its_token_for_the_next_start(pool: Pool, tmp_path: Path) -> None:
    state = tmp_path / "joins"
    first = agent(pool, state, join_token(pool.url, pool.token, "joins"), "joins")
    first.start()
    first.stop()
    kept = state / "token"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert not (state / "token.new").exists()
    token = kept.read_text()
    again = agent(pool, state, name="joins")
    again.start()
    assert nodes(pool)["joins"] == "ready"
    again.stop()
    assert nodes(pool)["joins"] == "lost"  # at once, as it has taken its leave
    assert kept.read_text() == token
    assert token.strip() not in state.with_suffix(".log").read_text()


def test_the_join_tokens_file_may_be_gone_at_the_next_start(pool: Pool, tmp_path: Path) -> None:
    state, file = tmp_path / "once", tmp_path / "join.token"
    file.write_text(join_token(pool.url, pool.token, "once"))
    env = clean_environment(pool.folder)
    for _ in range(2):
        line = [*command(pool, state, "once"), "--join-token-file", str(file)]
        started = Daemon(line, state.with_suffix(".log"), env)
        started.start()
        started.stop()
        file.unlink(missing_ok=True)


def test_a_used_join_token_does_not_matter_to_one_that_is_known(pool: Pool, tmp_path: Path) -> None:
    state, token = tmp_path / "known", join_token(pool.url, pool.token, "known")
    for _ in range(2):
        started = agent(pool, state, token, "known")
        started.start()
        started.stop()


def test_a_token_that_the_broker_has_forgotten_is_replaced_by_a_join_token(
    pool: Pool, tmp_path: Path
) -> None:
    state = tmp_path / "forgotten"
    state.mkdir(mode=0o700)
    (state / "token").write_text("apn_of-another-pool\n")
    started = agent(pool, state, join_token(pool.url, pool.token, "forgotten"), "forgotten")
    started.start()
    started.stop()
    assert (state / "token").read_text() != "apn_of-another-pool\n"


def test_a_file_of_authorities_that_is_not_there_ends_it(pool: Pool, tmp_path: Path) -> None:
    options = ("--broker", "https://127.0.0.1:9", "--ca", "/nowhere/ca.pem")
    done = started(pool, tmp_path / "state", *options, ACCELPOOL_JOIN_TOKEN="apj_any")
    assert done.returncode == 1
    told = "the file of authorities /nowhere/ca.pem (--ca) cannot be read: No such file or directory"
    assert done.stderr.splitlines()[-1] == f"accelpool node: {told}"


def test_a_port_that_is_taken_uses_no_join_token_up(pool: Pool, tmp_path: Path) -> None:
    token = join_token(pool.url, pool.token, "n1")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        done = started(pool, tmp_path / "state", "--listen", where, ACCELPOOL_JOIN_TOKEN=token)
    assert (done.returncode, f"cannot listen on {where}" in done.stderr) == (1, True)
    assert "enrolled" not in done.stderr
    assert not (tmp_path / "state" / "token").exists()
    assert "n1" not in nodes(pool)


def test_it_says_which_file_holds_no_good_join_token(pool: Pool, tmp_path: Path) -> None:
    file = tmp_path / "join.token"
    for content, told in (
        (None, f"the join token file {file} cannot be read: No such file or directory"),
        ("apj_nobodys", f"the join token of {file} does not let this node in: the broker answered 401: "),
    ):
        if content is not None:
            file.write_text(content)
        done = started(pool, tmp_path / "state", "--join-token-file", str(file))
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith(f"accelpool node: {told}")


def test_without_a_good_token_it_says_so_and_ends(pool: Pool, tmp_path: Path) -> None:
    used = join_token(pool.url, pool.token, "other")
    for env, told in (
        ({}, "accelpool node join-token create"),
        ({"ACCELPOOL_JOIN_TOKEN": "apj_nobodys"}, "does not know the token"),
        ({"ACCELPOOL_JOIN_TOKEN": used}, "is for node other, not n1"),
    ):
        done = started(pool, tmp_path / "state", **env)
        assert done.returncode == 1
        assert told in done.stderr.splitlines()[-1]
        assert not (tmp_path / "state" / "token").exists()
