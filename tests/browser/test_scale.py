"""A pool of a thousand devices: measured by what the page does, not by how long that takes."""

from __future__ import annotations

from collections.abc import Callable

from ..conftest import Pool
from .conftest import Rest, Tab
from .rest_nodes import RestNode, device

NODES, DEVICES = 4, 250
WATCH = """() => {
  window.changes = 0;
  const count = (records) => { window.changes += records.length; };
  const observer = new MutationObserver(count);
  const all = { childList: true, subtree: true, characterData: true, attributes: true };
  observer.observe(document.querySelector("main"), all);
}"""


def test_a_thousand_devices_are_read_by_pages_and_a_change_costs_what_it_changes(
    bare_pool: Pool, rest_node: Callable[..., RestNode], open_tab: Callable[..., Tab]
) -> None:
    for node in range(NODES):
        rest_node(f"n{node}", [device(f"GPU {number}") for number in range(DEVICES)])
    tab, rest = open_tab(bare_pool), Rest(bare_pool)
    tab.open()
    tab.page.locator(".count", has_text="1,000 in all, 200 shown").wait_for()
    rows = tab.page.locator("tbody tr")
    assert rows.count() == 200
    lists = [each for each in tab.requests if each.startswith("GET /devices?")]
    assert len(lists) == 2  # 500 a page, once
    tab.button("Show 200 more").click()
    assert rows.count() == 400

    tab.page.evaluate(WATCH)
    tab.requests.clear()
    lease = rest.lease(device=rest.call("GET", "/devices?limit=1")["items"][0]["id"], tenant="vision")
    tab.page.locator(".holder", has_text="vision").wait_for()
    assert rows.count() == 400
    assert tab.page.evaluate("window.changes") < 40
    assert len(tab.requests) < 10, tab.requests

    tab.page.get_by_label("Filter Devices").fill("n3 249")
    tab.page.locator(".count", has_text="1 of 1,000 fit").wait_for()
    assert rows.all_inner_texts()[0].startswith("GPU 249")
    rest.call("DELETE", f"/leases/{lease['id']}")


def test_a_busy_pool_has_each_list_read_at_most_once_a_second(
    bare_pool: Pool, rest_node: Callable[..., RestNode], open_tab: Callable[..., Tab]
) -> None:
    rest_node("n1", [device(f"GPU {number}") for number in range(20)])
    tab, rest = open_tab(bare_pool), Rest(bare_pool)
    tab.open()
    tab.page.locator("#connection", has_text="Live").wait_for()
    tab.page.locator("tbody tr").nth(19).wait_for()
    began = tab.page.evaluate("performance.now()")
    tab.requests.clear()
    for _ in range(60):
        rest.call("DELETE", f"/leases/{rest.lease(tenant='vision')['id']}")
    lasting = rest.lease(tenant="speech")
    tab.page.locator(".holder", has_text="speech").wait_for()
    seconds = (tab.page.evaluate("performance.now()") - began) / 1000
    for path in ("/devices?", "/leases?limit=500&state=active", "/leases?limit=500&state=queued"):
        asked = [each for each in tab.requests if each.startswith(f"GET {path}")]
        assert len(asked) <= seconds + 2, (path, seconds, asked)
    assert len(tab.requests) < 15 * (seconds + 2)  # 122 leases began or ended, each on some device
    rest.call("DELETE", f"/leases/{lasting['id']}")
