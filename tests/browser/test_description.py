"""The page that shows the description of the API, in a browser that reaches the broker alone."""

from __future__ import annotations

from collections.abc import Callable

from ..conftest import Pool
from .conftest import Tab

Open = Callable[..., Tab]


def test_the_api_is_described_where_nothing_but_the_broker_is_reached(web_pool: Pool, open_tab: Open) -> None:
    tab = open_tab(web_pool)
    elsewhere = []
    tab.page.context.route(
        lambda url: not url.startswith((f"{web_pool.url}/", "data:")),
        lambda route: (elsewhere.append(route.request.url), route.abort()),
    )
    tab.page.goto(f"{web_pool.url}/docs")
    tab.page.get_by_role("heading", name="accelpool").first.wait_for()
    tab.page.locator("#operations-Leases-post_leases, .opblock-post", has_text="/leases").first.click()
    tab.page.get_by_text("queue_timeout_s").first.wait_for()
    assert tab.page.get_by_role("button", name="Try it out").count() == 0
    assert elsewhere == []


def test_the_program_that_shows_it_cannot_read_the_token_of_the_tab(web_pool: Pool, open_tab: Open) -> None:
    tab = open_tab(web_pool)
    tab.open()
    tab.page.goto(f"{web_pool.url}/docs")
    tab.page.get_by_role("heading", name="accelpool").first.wait_for()
    read = "() => { try { return sessionStorage.length } catch (error) { return error.name } }"
    assert tab.page.evaluate(read) == "SecurityError"
