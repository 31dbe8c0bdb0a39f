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
    tab.page.locator("#announcements", has_text="Not connected").wait_for()
    tab.row("GPU 0").wait_for()  # what was known is still shown
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


def test_a_tab_that_nobody_looks_at_lets_its_stream_go_and_goes_on_where_it_was(
    bare_pool: Pool, rest_node: Callable[..., RestNode], open_tab: Callable[..., Tab]
) -> None:
    rest_node("n1", [device("GPU 0")])
    tab = open_tab(bare_pool)
    tab.page.clock.install()
    tab.open()
    tab.page.locator("#connection", has_text="Live").wait_for()
    rest = Rest(bare_pool)
    rest.lease(tenant="speech", kind="gpu", compute=0.25)
    tab.page.locator(".holder", has_text="speech").wait_for()
    with tab.page.expect_event("requestfailed", lambda asked: asked.url.endswith("/events")):
        look(tab, is_hidden=True)
        tab.page.clock.fast_forward(31_000)
    rest.lease(tenant="vision", kind="gpu", compute=0.25)
    tab.requests.clear()
    with tab.page.expect_request("**/events") as resumed:
        look(tab, is_hidden=False)
    assert resumed.value.headers["last-event-id"].isdigit()
    tab.page.locator(".holder", has_text="vision").wait_for()


def look(tab: Tab, *, is_hidden: bool) -> None:
    """Have the browser say whether somebody looks at the tab."""
    tab.page.evaluate(
        """is => {
            Object.defineProperty(document, "hidden", { value: is, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        is_hidden,
    )
