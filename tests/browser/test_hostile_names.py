"""Names, labels and reasons that would be a program, if the page made HTML of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import requests

from ..conftest import Pool
from .conftest import Rest, Tab
from .rest_nodes import RestNode, device

EVIL = '<img src=x onerror="window.pwned=1">'
VIEWS = ("", "queue", "leases", "nodes", "tenants", "tokens", "audit", "kernels")
AddNode = Callable[..., RestNode]
Open = Callable[..., Tab]


@pytest.fixture
def evil_rest(bare_pool: Pool, rest_node: AddNode) -> Rest:
    """The API of a pool where everything that may have any name has an evil one."""
    rest = Rest(bare_pool)
    gpu = device(EVIL, attributes={EVIL: EVIL, "javascript:alert(1)": [EVIL]})
    rest_node("n1", [gpu, device("broken", fault=EVIL)], version=EVIL)
    rest.call("PATCH", "/nodes/n1", {"labels": {EVIL: EVIL}, "taints": [EVIL]})
    tolerant = {"tolerates": [EVIL], "client": EVIL, "kind": "gpu"}
    rest.lease(**tolerant)
    rest.call("POST", "/leases", {**tolerant, "where": f"device.name == '{EVIL}'", "queue_timeout_s": 600})
    return rest


def test_what_others_have_named_is_text_on_every_view(
    bare_pool: Pool, evil_rest: Rest, open_tab: Open
) -> None:
    tab = open_tab(bare_pool)
    tab.open()
    shown = ""
    for view in (*VIEWS, f"devices/{evil_rest.call('GET', '/devices')['items'][0]['id']}", "nodes/n1"):
        tab.go(view)
        tab.page.locator("main :is(tbody tr, .empty) >> visible=true").first.wait_for()
        shown += tab.page.locator("main").inner_text()
    assert shown.count(EVIL) >= 6
    assert tab.page.evaluate("window.pwned") is None
    assert tab.page.locator("main img").count() == 0


def test_a_view_that_nobody_made_is_told_as_such(bare_pool: Pool, evil_rest: Rest, open_tab: Open) -> None:
    tab = open_tab(bare_pool)
    tab.open()
    for path in (f"devices/{EVIL}", f"tenants/{EVIL}", "__proto__", "constructor/x", "devices/%", "a/b/c"):
        tab.go(path)
    tab.page.get_by_role("heading", name="There is no such view").wait_for()
    assert tab.page.evaluate("window.pwned") is None


def test_the_browser_itself_refuses_html_of_text_scripts_of_others_and_frames(
    bare_pool: Pool, open_tab: Open
) -> None:
    tab = open_tab(bare_pool, may_fail=True)
    tab.open()
    for attack in (
        "document.body.innerHTML = '<b>x</b>'",
        "new DOMParser().parseFromString('x', 'text/html')",
        "document.body.setAttribute('onclick', 'window.pwned = 1')",
    ):
        with pytest.raises(Exception, match=r"Trusted(HTML|Script)"):
            tab.page.evaluate(f"() => {{ {attack} }}")
    tab.page.evaluate(
        """() => {
            const script = document.createElement("script");
            script.append("window.pwned = 1");
            try { document.body.append(script); } catch { return; }
        }"""
    )
    assert tab.page.evaluate("window.pwned") is None
    headers = requests.get(bare_pool.url, timeout=10).headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
