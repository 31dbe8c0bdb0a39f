"""A pool that looks like one, and the pictures of it in the documentation (`make screenshots`)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ..conftest import Pool
from .conftest import Rest, Tab
from .rest_nodes import RestNode, device

WHERE = "ACCELPOOL_TEST_SCREENSHOTS"  # the folder that the pictures go to; without it none is written
MOST_BYTES = 150_000
GIB = 1 << 30
Open = Callable[..., Tab]


def picture(tab: Tab, name: str) -> None:
    """Write a picture of what is shown, if pictures are wanted."""
    if (folder := os.environ.get(WHERE)) is None:
        return
    path = Path(folder) / f"web-{name}.png"
    path.parent.mkdir(exist_ok=True)
    tab.page.mouse.move(0, 0)
    tab.page.screenshot(path=path)
    assert path.stat().st_size < MOST_BYTES


def reading(use: float, used_gib: float, celsius: float, watts: float) -> dict:
    """Return what a device measures."""
    return {
        "utilization": use,
        "memory_used_bytes": int(used_gib * GIB),
        "temperature_c": celsius,
        "power_w": watts,
    }


@pytest.fixture
def lab(bare_pool: Pool, rest_node: Callable[..., RestNode]) -> Pool:
    """A pool of four nodes with GPUs, FPGAs and CPUs, and four tenants that use them."""
    rest = Rest(bare_pool)
    h100 = [f"NVIDIA H100 80GB HBM3 #{number}" for number in range(4)]
    told = [(0.92, 61, 68, 612), (0.78, 40, 63, 505), (0.35, 22, 51, 240), (0.0, 1, 34, 71)]
    more = {name: reading(*each) for name, each in zip(h100, told, strict=True)}
    rest_node("helios", [device(name) for name in h100], readings=more)
    mi300 = [f"AMD Instinct MI300X #{number}" for number in range(2)]
    readings = {mi300[0]: reading(0.97, 150, 74, 702), mi300[1]: reading(0.02, 2, 38, 140)}
    rest_node("iris", [device(name, memory_gib=192) for name in mi300], readings=readings)
    agilex = device("Intel Agilex 7 FPGA card", "accelerator", 32)
    broken = device("Intel Stratix 10 card", "accelerator", 32, fault="the probe did not end within 30 s")
    rest_node("loom", [agilex, broken])
    rest_node(
        "atlas", [device("AMD EPYC 9654", "cpu", 384)], readings={"AMD EPYC 9654": reading(0.41, 96, 55, 210)}
    )
    rest.call("PATCH", "/nodes/helios", {"labels": {"rack": "b2", "net": "100g"}})
    rest.call("PATCH", "/nodes/iris", {"labels": {"rack": "b3"}})
    rest.call("PUT", "/tenants/vision", {"weight": 2, "quota_devices": 6})
    for tenant, node, wanted in (
        ("vision", "helios", {"compute": 1.0}),
        ("vision", "helios", {"compute": 0.5}),
        ("speech", "helios", {"compute": 0.25}),
        ("chemistry", "helios", {"compute": 0.5}),
        ("robotics", "loom", {}),
        ("chemistry", "iris", {}),
        ("speech", "atlas", {"compute": 0.5}),
    ):
        rest.lease(tenant=tenant, where=f"device.node == '{node}'", ttl_s=86400, **wanted)
    rest.call("PATCH", "/nodes/loom", {"drain_within_s": 86400 * 7})
    for tenant, wanted in (
        ("vision", {"kind": "gpu", "count": 4}),
        ("robotics", {"kind": "gpu", "count": 2, "where": "device.labels.rack == 'b3'"}),
        ("speech", {"kind": "cpu", "exclusive": True}),
    ):
        rest.call("POST", "/leases", {"tenant": tenant, "queue_timeout_s": 86400, **wanted})
    return bare_pool


def test_a_pool_at_work_is_told_by_its_overview_its_queue_and_its_nodes(lab: Pool, open_tab: Open) -> None:
    tab = open_tab(lab)
    tab.open()
    tab.page.locator("#connection", has_text="Live").wait_for()
    tab.row("helios").nth(3).wait_for()
    tab.row("MI300X #0").get_by_text("chemistry").wait_for()
    tab.row("MI300X #0").get_by_text("97 %").wait_for()
    tab.row("Stratix").get_by_text("the probe did not end within 30 s").wait_for()
    tab.page.locator(".tiles").get_by_text("1 not working").wait_for()
    picture(tab, "overview")
    tab.go("queue")
    tab.row("robotics").wait_for()
    tab.page.locator("tbody tr").nth(2).wait_for()
    picture(tab, "queue")
    tab.go("nodes")
    tab.row("loom").get_by_text("draining").wait_for()
    tab.row("helios").get_by_text("rack=b2").wait_for()
    tab.page.emulate_media(color_scheme="dark")
    tab.go("")
    tab.row("helios").nth(3).wait_for()
    picture(tab, "dark")


@pytest.mark.opencl
def test_a_picture_is_computed_and_shown(opencl_pool: Pool, open_tab: Open) -> None:
    tab = open_tab(opencl_pool)
    tab.open("kernels/mandelbrot")
    tab.button("Run it").click()
    tab.page.get_by_text("the device is given back").wait_for()
    tab.page.locator("canvas").wait_for()
    picture(tab, "kernel")
