"""A kernel of the library, run from the page on a real device."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..conftest import Pool
from .conftest import Rest, Tab

Open = Callable[..., Tab]
pytestmark = pytest.mark.opencl
KERNELS = ("matmul", "histogram256", "nbody_step")


def states(pool: Pool) -> list[str]:
    """Return the states of the leases that the page asked for, newest first."""
    return [
        each["state"] for each in Rest(pool).call("GET", "/leases")["items"] if each["client"] == "web page"
    ]


def test_a_kernel_runs_on_a_device_and_gives_it_back(opencl_pool: Pool, open_tab: Open) -> None:
    tab = open_tab(opencl_pool)
    tab.open("kernels")
    tab.page.get_by_role("link", name="mandelbrot").click()
    tab.button("Run it").click()
    tab.page.get_by_text("the device is given back").wait_for()
    assert " ms" in tab.page.locator(".progress").inner_text()
    assert "smallest 1, largest 200" in tab.page.locator(".output").inner_text()
    shades = tab.page.evaluate(
        """() => {
            const canvas = document.querySelector("canvas");
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            return new Set(new Uint32Array(data.buffer)).size;
        }"""
    )
    assert shades > 20
    assert states(opencl_pool)[0] == "released"


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_samples_of_the_library_run(opencl_pool: Pool, open_tab: Open, kernel: str) -> None:
    tab = open_tab(opencl_pool)
    tab.open(f"kernels/{kernel}")
    tab.button("Run it").click()
    tab.page.get_by_text("the device is given back").wait_for()
    assert "NaN" not in tab.page.locator(".outputs").inner_text()


def test_a_device_is_given_back_also_if_the_page_is_left_in_the_middle(
    opencl_pool: Pool, open_tab: Open, wait_until: Callable[..., None]
) -> None:
    tab = open_tab(opencl_pool, may_fail=True)
    tab.open("kernels/saxpy")
    begun = len(states(opencl_pool))
    with tab.page.expect_request(lambda asked: asked.url.endswith("/programs")):
        tab.button("Run it").click()
    tab.page.goto("about:blank")
    wait_until(lambda: len(states(opencl_pool)) > begun and states(opencl_pool)[0] == "released")


def test_why_a_kernel_does_not_run_is_told_and_the_device_is_given_back(
    opencl_pool: Pool, open_tab: Open, wait_until: Callable[..., None]
) -> None:
    tab = open_tab(opencl_pool, may_fail=True)
    tab.page.route("**/launches", lambda route: route.fulfill(status=507, json={"detail": "no room"}))
    tab.open("kernels/saxpy")
    tab.button("Run it").click()
    tab.page.get_by_role("alert").filter(has_text="no room").wait_for()
    wait_until(lambda: states(opencl_pool)[0] == "released")
