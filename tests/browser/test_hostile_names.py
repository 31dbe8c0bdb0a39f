"""Names, labels and reasons that would be a program, if the page made HTML of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import requests

from ..conftest import Pool, running
from .conftest import Rest, Tab
from .rest_nodes import RestNode, device

EVIL = '<img src=x onerror="window.pwned=1">'
VIEWS = ("", "queue", "leases", "nodes", "tenants", "tokens", "audit", "kernels")
Open = Callable[..., Tab]


@pytest.fixture(scope="module")
def evil_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool where everything that may have any name has an evil one."""
    gpu = device(EVIL, attributes={EVIL: EVIL, "javascript:alert(1)": [EVIL]})
    devices = [gpu, device("broken", fault=EVIL)]
    with contextmanager(running)(Pool(folder=tmp_path_factory.mktemp("evil-pool"), nodes=0)) as pool:
        node = RestNode(pool.url, pool.token, "n1", devices, version=EVIL)
        node.start()
        rest = Rest(pool)
        rest.call("PATCH", "/nodes/n1", {"labels": {EVIL: EVIL}, "taints": [EVIL]})
        tolerant = {"tolerates": [EVIL], "client": EVIL, "kind": "gpu"}
        rest.lease(**tolerant)
        rest.call(
            "POST", "/leases", {**tolerant, "where": f"device.name == '{EVIL}'", "queue_timeout_s": 600}
        )
        rest.http.close()
        yield pool
        node.stop()


def test_what_others_have_named_is_text_on_every_view(evil_pool: Pool, open_tab: Open) -> None:
    tab = open_tab(evil_pool)
    tab.open()
    evil = Rest(evil_pool).call("GET", "/devices")["items"][0]["id"]
    shown = ""
    for view in (*VIEWS, f"devices/{evil}", "nodes/n1"):
        tab.go(view)
        tab.page.locator("main :is(tbody tr, .empty) >> visible=true").first.wait_for()
        shown += tab.page.locator("main").inner_text()
    assert shown.count(EVIL) >= 6
    assert tab.page.evaluate("window.pwned") is None
    assert tab.page.locator("main img").count() == 0


def test_a_view_that_nobody_made_is_told_as_such(evil_pool: Pool, open_tab: Open) -> None:
    tab = open_tab(evil_pool)
    tab.open()
    for path in (f"devices/{EVIL}", f"tenants/{EVIL}", "__proto__", "constructor/x", "devices/%", "a/b/c"):
        tab.go(path)
    tab.page.get_by_role("heading", name="There is no such view").wait_for()
    assert tab.page.evaluate("window.pwned") is None


def test_the_browser_itself_refuses_html_of_text_scripts_of_others_and_frames(
    evil_pool: Pool, open_tab: Open
) -> None:
    tab = open_tab(evil_pool, may_fail=True)
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
    headers = requests.get(evil_pool.url, timeout=60).headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
