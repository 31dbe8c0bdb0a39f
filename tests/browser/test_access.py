"""The page for those who see, hear or point differently: axe-core, keyboard, focus, colours."""

from __future__ import annotations

from collections.abc import Callable

from axe_playwright_python.sync_playwright import Axe

from ..conftest import Pool
from .conftest import Rest, Tab

Open = Callable[..., Tab]
VIEWS = (
    "", "queue", "leases", "nodes", "nodes/node-1", "tenants", "tenants/vision", "tokens", "audit", "kernels",
    "kernels/saxpy", "nothing",
)  # fmt: skip
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}


def faults(tab: Tab, rules: dict = RULES) -> list[str]:
    """Return what axe-core finds wrong with what is shown."""
    found = Axe().run(tab.page, options=rules).response
    assert found["passes"]  # it has looked
    return [
        f"{each['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


def test_axe_finds_nothing_wrong_with_any_view_in_any_colours(
    web_pool: Pool, open_tab: Open, rest: Rest
) -> None:
    rest.lease(tenant="vision", compute=0.5)
    rest.lease(tenant="speech")
    rest.call("POST", "/leases", {"tenant": "vision", "count": 4, "queue_timeout_s": 600})
    tab = open_tab(web_pool)
    tab.page.goto(web_pool.url)
    tab.page.locator("h1").wait_for()
    assert faults(tab) == []
    tab.open()
    for view in VIEWS:
        tab.go(view)
        tab.page.locator("main :is(tbody tr, .facts, p, svg) >> visible=true").first.wait_for()
        assert (view, faults(tab)) == (view, [])
        tab.page.emulate_media(color_scheme="dark")
        assert (view, faults(tab, CONTRAST)) == (view, [])
        tab.page.emulate_media(color_scheme="light")
    tab.go("nodes")
    tab.button("Drain node-1").click()
    assert faults(tab) == []


def test_a_node_is_drained_with_the_keyboard_alone(web_pool: Pool, open_tab: Open, rest: Rest) -> None:
    tab = open_tab(web_pool)
    tab.open()
    press = tab.page.keyboard.press
    press("Tab")
    assert focused(tab) == "Skip to content"
    reach(tab, "Nodes")
    press("Enter")
    tab.page.get_by_role("heading", name="Nodes").wait_for()
    assert focused(tab) == "Nodes"  # the new view's heading, which a screen reader says
    reach(tab, "Drain node-1")
    press("Enter")
    tab.page.get_by_role("dialog").wait_for()
    reach(tab, "Cancel")
    press("Escape")
    assert focused(tab) == "Drain node-1"
    press("Space")
    reach(tab, "Drain")
    press("Enter")
    tab.row("node-1").get_by_text("draining").wait_for()
    assert rest.call("GET", "/nodes/node-1")["drain_at"] is not None
    rest.call("PATCH", "/nodes/node-1", {"cordoned": False})


def test_the_skip_link_leads_past_the_navigation_and_leaves_the_view(web_pool: Pool, open_tab: Open) -> None:
    tab = open_tab(web_pool)
    tab.open("nodes")
    tab.page.evaluate("document.activeElement.blur()")
    tab.page.locator("#skip").focus()
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate("document.activeElement.id") == "main"
    assert tab.page.url.endswith("#/nodes")


def test_what_has_the_focus_keeps_it_while_the_list_changes(
    web_pool: Pool, open_tab: Open, rest: Rest
) -> None:
    first, last = rest.lease(tenant="vision", compute=0.5), rest.lease(tenant="vision", compute=0.5)
    tab = open_tab(web_pool)
    tab.open("leases")
    tab.button(f"Release lease {first['id']}").focus()
    rest.call("DELETE", f"/leases/{last['id']}")
    tab.row(last["id"]).get_by_text("released", exact=True).wait_for()
    rest.lease(tenant="speech", compute=0.5)  # a row above it
    tab.row("speech").first.wait_for()
    assert focused(tab) == f"Release lease {first['id']}"


def test_what_is_done_is_said_to_screen_readers(web_pool: Pool, open_tab: Open, rest: Rest) -> None:
    tab = open_tab(web_pool)
    tab.open("nodes")
    said = tab.page.locator("#announcements")
    assert said.get_attribute("aria-live") == "polite"
    tab.button("Cordon node-1").click()
    said.get_by_text("Node node-1 is cordoned.").or_(said.filter(has_text="cordoned")).first.wait_for()
    tab.button("Uncordon node-1").click()
    tab.page.get_by_label("Filter Nodes").fill("node-2")
    said.filter(has_text="1 of 2").wait_for()


def test_colours_are_the_systems_until_somebody_chooses(web_pool: Pool, open_tab: Open) -> None:
    tab = open_tab(web_pool, color_scheme="dark")
    tab.open()
    dark = ground(tab)
    tab.button("Switch to light colours").click()
    light = ground(tab)
    assert dark < 60 < 200 < light
    tab.page.reload()
    tab.page.locator("nav").wait_for()
    assert ground(tab) == light
    tab.button("Switch to dark colours").click()
    assert ground(tab) == dark


def test_a_narrow_window_needs_no_scrolling_to_the_side(web_pool: Pool, open_tab: Open) -> None:
    tab = open_tab(web_pool)
    tab.page.set_viewport_size({"width": 390, "height": 800})
    tab.open()
    for view in VIEWS:
        tab.go(view)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= 390, view


def focused(tab: Tab) -> str:
    """Return the name of what has the focus."""
    return tab.page.evaluate(
        "(document.activeElement.ariaLabel || document.activeElement.innerText || '').trim()"
    )


def reach(tab: Tab, name: str) -> None:
    """Press Tab until something has the focus."""
    for _ in range(60):
        if focused(tab) == name:
            return
        tab.page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {name}")


def ground(tab: Tab) -> int:
    """Return how light the page is, from 0 to 255."""
    colour = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    return int(colour.removeprefix("rgb(").split(",")[0])
