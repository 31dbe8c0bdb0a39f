"""The page while its broker is away, and after."""

from __future__ import annotations

import re
from collections.abc import Callable

from ..conftest import Pool
from .conftest import Rest, Tab
from .rest_nodes import RestNode, device


def test_the_page_says_since_when_it_is_cut_off_and_goes_on_by_itself(
    bare_pool: Pool, rest_node: Callable[..., RestNode], open_tab: Callable[..., Tab]
) -> None:
    rest_node("n1", [device("GPU 0")])
    tab = open_tab(bare_pool, may_fail=True)
    tab.open()
    tab.page.locator("#connection", has_text="Live").wait_for()
    tab.row("GPU 0").wait_for()
    bare_pool.broker.kill()
    lost = tab.page.locator("#connection", has_text=re.compile(r"Not connected, as of \d\d:\d\d:\d\d"))
    lost.wait_for()
    assert "Not connected" in tab.page.locator("#announcements").inner_text()
    assert tab.row("GPU 0").is_visible()  # what was known is still shown
    bare_pool.restart_broker()
    tab.page.locator("#connection", has_text="Live").wait_for()
    Rest(bare_pool).lease(tenant="vision", kind="gpu")
    tab.page.locator(".holder", has_text="vision").wait_for()


def test_where_there_is_no_stream_of_events_the_lists_are_asked_for_now_and_then(
    bare_pool: Pool, rest_node: Callable[..., RestNode], open_tab: Callable[..., Tab]
) -> None:
    rest_node("n1", [device("GPU 0")])
    tab = open_tab(bare_pool, may_fail=True)
    tab.page.route("**/events", lambda route: route.fulfill(status=503, headers={"Retry-After": "600"}))
    tab.page.clock.install()
    tab.open()
    tab.page.locator("#connection", has_text="Every 10 s").wait_for()
    tab.row("GPU 0").wait_for()
    Rest(bare_pool).lease(tenant="vision", kind="gpu")
    tab.page.clock.fast_forward(11_000)
    tab.page.locator(".holder", has_text="vision").wait_for()
