"""The examples and the documentation's blocks of code, each as a process against a real pool."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

import accelpool
from accelpool_kernels import twins

from ..conftest import Pool, clean_environment, running, wait_until
from ..doc_blocks import PAGES, Block, blocks

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PHOTOGRAPH = EXAMPLES / "photographs" / "eileen_collins.pgm"
LIMIT_S = 120.0
RUN = [block for page in PAGES for block in blocks(page) if block.is_run]


def run(pool: Pool, folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command with a pool's URL and token, in an empty folder and home."""
    env = clean_environment(folder) | {"ACCELPOOL_URL": pool.url, "ACCELPOOL_TOKEN": pool.token} | variables
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    return subprocess.run(
        command, env=env, cwd=folder, capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


def leases_of(pool: Pool, client: str) -> list[str]:
    """The ids of the leases that a program still has."""
    with accelpool.connect(pool.url, pool.token) as broker:
        found = [lease for lease in broker.leases() if lease["client"].startswith(client)]
    return [lease["id"] for lease in found if lease["state"] in ("queued", "active")]


def read_pgm(path: Path) -> np.ndarray:
    magic, size, most, pixels = path.read_bytes().split(b"\n", 3)
    assert (magic, most) == (b"P5", b"255")
    width, height = map(int, size.split())
    return np.frombuffer(pixels, np.uint8).reshape(height, width)


def expected_edges(image: np.ndarray) -> np.ndarray:
    height, width = image.shape
    weights = np.array([1, 4, 6, 4, 1], np.float32) / 16
    rows = twins.convolve_rows(height, width, 5, image.astype(np.float32), weights)
    blurred = twins.convolve_columns(height, width, 5, rows, weights)
    return twins.sobel(height, width, np.rint(blurred).astype(np.uint8))


@pytest.mark.opencl
def test_curl_alone_filters_a_photograph(opencl_pool: Pool, tmp_path: Path) -> None:
    done = run(opencl_pool, tmp_path, "sh", str(EXAMPLES / "curl.sh"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "wrote edges.pgm, 512 x 512"
    edges = read_pgm(tmp_path / "edges.pgm")
    assert np.array_equal(edges, expected_edges(read_pgm(PHOTOGRAPH)))
    assert leases_of(opencl_pool, "curl.sh") == []


@pytest.mark.opencl
def test_the_example_of_traces_prints_a_kernels_time(opencl_pool: Pool, tmp_path: Path) -> None:
    done = run(opencl_pool, tmp_path, sys.executable, str(EXAMPLES / "traces.py"))
    assert done.returncode == 0, done.stderr
    names = [line.partition(" ms  ")[2] for line in done.stdout.splitlines()]
    assert {"accelpool.acquire", "accelpool.launch twice", "accelpool.device twice"} <= set(names)


@pytest.mark.opencl
def test_curl_trusts_a_pools_own_authority(secure_pool: Pool, tmp_path: Path) -> None:
    ca = {"ACCELPOOL_CA": secure_pool.ca}
    done = run(secure_pool, tmp_path, "sh", str(EXAMPLES / "curl.sh"), **ca)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["wrote edges.pgm, 512 x 512"]), (
        done.stderr
    )
    (block,) = blocks(ROOT / "docs/howto/curl.md")
    done = run(secure_pool, tmp_path, "sh", "-euc", block.commands, **ca)
    assert done.returncode == 0, done.stderr


def test_a_curl_script_that_fails_tells_the_problem_and_keeps_no_lease(
    null_pool: Pool, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.pgm"
    broken.write_bytes(b"P5\n0 0\n255\n")
    done = run(null_pool, tmp_path, "sh", str(EXAMPLES / "curl.sh"), str(broken))
    assert done.returncode != 0
    assert "size_bytes" in done.stderr
    assert leases_of(null_pool, "curl.sh") == []


@pytest.mark.opencl
def test_a_pyopencl_program_runs_with_another_import(opencl_pool: Pool, tmp_path: Path) -> None:
    done = run(opencl_pool, tmp_path, sys.executable, str(EXAMPLES / "pyopencl_port.py"))
    assert done.returncode == 0, done.stderr
    assert "largest error" in done.stdout
    wait_until(
        lambda: leases_of(opencl_pool, "pyopencl_port.py") == []
    )  # the process is gone, and its lease with it


def test_only_the_import_of_the_pyopencl_program_is_ours() -> None:
    code = (EXAMPLES / "pyopencl_port.py").read_text().split('"""', 2)[2]
    assert [line for line in code.splitlines() if "accelpool" in line] == ["import accelpool as cl"]


@pytest.mark.opencl
@pytest.mark.parametrize(("tolerance", "code"), [("1e-5", 0), ("-1", 1)], ids=["passes", "fails"])
def test_a_ci_job_gives_its_device_back(opencl_pool: Pool, tmp_path: Path, tolerance: str, code: int) -> None:
    script = str(EXAMPLES / "ci_job.py")
    done = run(opencl_pool, tmp_path, sys.executable, script, f"--tolerance={tolerance}", "--wait=30")
    assert done.returncode == code, done.stderr
    assert leases_of(opencl_pool, "ci_job.py") == []


@pytest.mark.opencl
def test_the_chunks_of_a_map_are_computed_on_one_device_and_on_two(
    two_node_opencl_pool: Pool, tmp_path: Path
) -> None:
    script = str(EXAMPLES / "map_chunks.py")
    done = run(
        two_node_opencl_pool, tmp_path, sys.executable, script, "--kind=cpu", "--chunks=6", "--steps=50"
    )
    assert done.returncode == 0, done.stderr
    assert "times as fast" in done.stdout
    assert leases_of(two_node_opencl_pool, "map_chunks.py") == []


def test_a_ci_job_without_a_device_says_so(null_pool: Pool, tmp_path: Path) -> None:
    done = run(null_pool, tmp_path, sys.executable, str(EXAMPLES / "ci_job.py"), "--kind=gpu")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("no device: ")


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"ACCELPOOL_TOKEN": "wrong"}, "token"),
        ({"ACCELPOOL_URL": "http://127.0.0.1:1"}, "nobody answers"),
        ({"ACCELPOOL_URL": "", "ACCELPOOL_TOKEN": ""}, "no pool is known"),
    ],
    ids=["bad token", "no broker", "no pool"],
)
def test_a_ci_job_without_a_pool_says_so(
    null_pool: Pool, tmp_path: Path, variables: dict[str, str], words: str
) -> None:
    done = run(null_pool, tmp_path, sys.executable, str(EXAMPLES / "ci_job.py"), "--wait=1", **variables)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("no device: ")
    assert words in line


def test_a_ci_job_refuses_a_kind_that_there_is_not(null_pool: Pool, tmp_path: Path) -> None:
    done = run(null_pool, tmp_path, sys.executable, str(EXAMPLES / "ci_job.py"), "--kind=foo")
    assert (done.returncode, done.stdout) == (2, "")
    assert "invalid choice: 'foo'" in done.stderr


def test_the_ci_job_runs_a_copy_of_the_script_beside_it() -> None:
    text = (EXAMPLES / "ci_job.yml").read_text()
    (job,) = yaml.safe_load(text)["jobs"].values()
    scripts = [word for step in job["steps"] for word in step.get("run", "").split() if word.endswith(".py")]
    assert scripts == ["ci/ci_job.py"]
    assert "ci_job.py, with your tests in it, to ci/" in text
    assert (EXAMPLES / "ci_job.py").is_file()


@pytest.fixture(scope="module")
def documented_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool of null devices for the documentation alone, which makes accounts and the like."""
    yield from running(Pool(folder=tmp_path_factory.mktemp("documented-pool"), backend="null:4"))


def parameter(block: Block) -> object:
    """A runnable block as a test's parameter."""
    return pytest.param(block, id=str(block), marks=[pytest.mark.opencl] if block.needs_device else [])


@pytest.mark.parametrize("block", [parameter(block) for block in RUN])
def test_what_the_documentation_says_runs(
    block: Block, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    pool = request.getfixturevalue("opencl_pool" if block.needs_device else "documented_pool")
    program = (
        [sys.executable, "-c", block.text] if block.language == "python" else ["sh", "-euc", block.commands]
    )
    done = run(pool, tmp_path, *program)
    assert done.returncode == 0, done.stderr
