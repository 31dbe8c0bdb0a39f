"""`accelpool demo` on this machine's devices."""

import json
import signal

import numpy as np
import pytest
from PIL import Image

from accelpool.cli.demo import load_photograph

from .cli_rig import Cli, checked

PICTURES = ("before.png", "after-blur.png", "after-sobel.png")


@pytest.mark.opencl
def test_the_demo_filters_a_photograph_and_leaves_nothing_but_pictures(cli: Cli) -> None:
    done = cli.run("demo", "--json")
    assert done.returncode == 0, done.stderr
    told = checked(json.loads(done.stdout), "demo")
    assert told["is_right"] is True
    assert told["largest_error"]["blur"] < 1e-3
    assert told["largest_error"]["sobel"] == 0
    assert told["files"] == [f"demo-output/{name}" for name in PICTURES]
    before, blurred, edges = (np.asarray(Image.open(cli.home / file)) for file in told["files"])
    assert np.array_equal(before, load_photograph())
    assert blurred.shape == before.shape
    assert (
        np.abs(np.diff(blurred.astype(float), axis=0)).mean()
        < np.abs(np.diff(before.astype(float), axis=0)).mean()
    )
    assert edges.max() > 100
    cli.assert_nothing_is_left()


@pytest.mark.opencl
def test_a_demo_that_is_ended_early_ends_its_pool(cli: Cli) -> None:
    with cli.running("demo") as demo:
        stderr = demo.process.stderr
        assert stderr is not None
        while b"agent" not in stderr.readline():
            pass
        code, errors = demo.end(signal.SIGTERM)
    assert (code, errors.splitlines()[-1]) == (130, "accelpool: interrupted")
    cli.assert_nothing_is_left()
    assert not list(cli.home.glob("demo-output/*"))
