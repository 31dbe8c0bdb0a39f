"""What the agent has its children's sandboxes know of its settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelpool_node.agent.arrangement import arrange
from accelpool_node.agent.enclosure import NOTHING
from accelpool_node.agent.options import read_options, read_settings

ENVIRON = {"ACCELPOOL_NODE_TOKEN": "t0ken", "ACCELPOOL_JOIN_TOKEN": "j0in", "HOME": "/home/u"}


def secrets(state: Path, *arguments: str) -> set[str]:
    given = ["--backend", "null:1", "--worker-user", "none", "--state-dir", str(state), *arguments]
    settings = read_settings(read_options(given), ENVIRON)
    confinement, environments = arrange(settings, state, NOTHING)
    (environment,) = environments.values()
    return set(confinement.begin(environment).policy.secrets)


def test_the_agents_directory_is_secret(tmp_path: Path) -> None:
    assert secrets(tmp_path) == {str(tmp_path)}


def test_so_are_the_files_of_its_key_and_its_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("node.pem", "node.key", "token", "join"):
        Path(name).write_text("of some sort")
    files = ["--tls-cert", "node.pem", "--tls-key", "node.key", "--token-file", "token"]
    found = secrets(tmp_path / "state", *files, "--join-token-file", "join")
    assert found == {str(tmp_path / name) for name in ("state", "node.key", "token", "join")}


def test_what_is_no_file_lies_nowhere(tmp_path: Path) -> None:
    assert secrets(tmp_path, "--tls-cert", "/dev/null", "--tls-key", "/dev/null") == {str(tmp_path)}
