"""The state directory: private, made once, refused when it is broken."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from accelpool_broker import state_dir


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_for_its_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    state_dir.prepare(directory)
    state_dir.tokens(directory)
    state_dir.signing_key(directory)
    assert mode(directory) == 0o700
    assert {file.name: mode(file) for file in directory.iterdir()} == {
        "tokens.json": 0o600, "signing.key": 0o600
    }  # fmt: skip


def test_a_path_that_cannot_be_one_is_told() -> None:
    told = r"^/proc/x cannot be the state directory: No such file or directory$"
    with pytest.raises(state_dir.StateDirError, match=told), state_dir.locked(Path("/proc/x"), ""):
        pass


def test_tokens_and_key_stay_the_same(tmp_path: Path) -> None:
    tokens, key = state_dir.tokens(tmp_path), state_dir.signing_key(tmp_path)
    assert state_dir.tokens(tmp_path) == tokens == json.loads((tmp_path / "tokens.json").read_text())
    assert state_dir.signing_key(tmp_path).private_bytes_raw() == key.private_bytes_raw()
    assert set(tokens) == {"user"}


def test_the_tokens_of_an_earlier_version_are_read(tmp_path: Path) -> None:
    (tmp_path / "tokens.json").write_text('{"user": "u", "node": "n"}')
    assert state_dir.tokens(tmp_path) == {"user": "u", "node": "n"}


def test_without_a_directory_all_is_in_memory() -> None:
    assert state_dir.tokens(None) != state_dir.tokens(None)
    assert state_dir.signing_key(None).private_bytes_raw() != state_dir.signing_key(None).private_bytes_raw()


@pytest.mark.parametrize("content", ["", "[]", '{"node": "x"}', "null"])
def test_broken_tokens_are_refused_and_kept(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokens.json").write_text(content)
    with pytest.raises(state_dir.StateDirError, match=r"tokens\.json"):
        state_dir.tokens(tmp_path)
    assert (tmp_path / "tokens.json").read_text() == content


def test_a_broken_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "signing.key").write_text("no key")
    with pytest.raises(state_dir.StateDirError, match="PEM"):
        state_dir.signing_key(tmp_path)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = generate_private_key(SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "signing.key").write_bytes(other)
    with pytest.raises(state_dir.StateDirError, match="Ed25519"):
        state_dir.signing_key(tmp_path)
