"""What images and the compose file are made of. No image is built here: that needs a daemon."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from accelpool_broker import __main__ as broker
from accelpool_node.agent.options import read_options

from ..conftest import Pool

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "deploy" / "docker"
COMPOSE = ROOT / "deploy" / "compose" / "compose.yaml"
LOCKS = ("broker", "node", "build")
BIN = Path(sys.executable).parent


def pins(file: Path) -> dict[str, set[str]]:
    """Return the hashes of each pinned package, by its line."""
    blocks = re.split(r"\n(?=\S)", file.read_text())
    return {
        found[0]: set(re.findall(r"sha256:\w+", block))
        for block in blocks
        if (found := re.match(r"[\w.\[\]-]+==[^\s;]+", block))
    }


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    checked = run(BIN / "hadolint", DOCKER / "Dockerfile")
    assert (checked.returncode, checked.stdout) == (0, "")


def test_the_compose_file_is_one() -> None:
    checked = run(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("name", LOCKS)
def test_an_image_has_the_versions_that_the_tests_have(name: str) -> None:
    tested, image = pins(ROOT / "requirements.lock"), pins(DOCKER / f"{name}.lock")
    assert image
    assert {pin: hashes for pin, hashes in image.items() if tested.get(pin) != hashes} == {}


def test_the_wheel_is_built_from_what_dockerignore_lets_in(tmp_path: Path) -> None:
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for name in let_in:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "lib"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    built = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path / "wheels"],
        cwd=tmp_path, capture_output=True, text=True, timeout=250,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    assert len(list((tmp_path / "wheels").glob("accelpool-*.whl"))) == 1


def test_broker_and_agent_take_the_options_that_compose_gives_them() -> None:
    services: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())["services"]
    given = broker._parse(["--state-dir", "/d", *services["broker"]["command"]])
    assert given.tls_cert == Path("/run/secrets/broker_certificate")
    options = read_options(services["agent"]["command"])
    assert options.listen == "0.0.0.0:8760"


def test_a_health_check_tells_a_broker_from_nobody(null_pool: Pool, secure_null_pool: Pool) -> None:
    check = (sys.executable, "-P", DOCKER / "health.py")
    nobody = "http://127.0.0.1:1/readyz"
    assert run(*check, nobody, f"{null_pool.url}/readyz").returncode == 0
    assert run(*check, f"{secure_null_pool.url}/readyz", nobody).returncode == 0
    refused = run(*check, nobody)
    assert (refused.returncode, refused.stderr[:11]) == (1, "not healthy")
