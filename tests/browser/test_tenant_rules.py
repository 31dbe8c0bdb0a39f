"""Rules of tenants, edited on the page by those who may."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ..conftest import Pool
from .conftest import Rest, Tab
from .test_access import faults, focused, reach

Open = Callable[..., Tab]
PATH = "/tenants/org/edited"


@pytest.fixture
def tenant(rest: Rest) -> Iterator[dict]:
    """A tenant with rules, for one test."""
    yield rest.call("PUT", PATH, {"weight": 2, "quota_devices": 4, "quota_memory_bytes": 3 << 30})
    for made in ("org/edited", "org/made"):
        rest.status("DELETE", f"/tenants/{made}")


def fill(tab: Tab, texts: dict[str, str]) -> None:
    for label, text in texts.items():
        tab.page.get_by_role("dialog").get_by_label(label).first.fill(text)


def rules(rest: Rest, path: str = PATH) -> list:
    told = rest.call("GET", path)
    limits = ("quota_devices", "quota_memory_bytes", "quota_device_hours", "idle_after_s", "max_priority")
    return [told["weight"], *(told[limit] for limit in limits)]


def test_the_form_has_the_rules_and_what_is_emptied_is_no_limit(
    web_pool: Pool, open_tab: Open, rest: Rest, tenant: dict
) -> None:
    tab = open_tab(web_pool)
    tab.open("tenants")
    tab.button("Edit rules of org/edited").click()
    dialog = tab.page.get_by_role("dialog", name="Rules of org/edited")
    assert dialog.get_by_label("Memory at once").input_value() == "3"
    assert faults(tab) == []
    fill(tab, {"Devices at once": "", "Device-hours": "100.5", "Ended when idle": "1800", "Highest": "-3"})
    tab.button("Save").click()
    tab.row("org/edited").get_by_text("100.5").wait_for()
    tab.page.locator("#announcements", has_text="Tenant org/edited has these rules now.").wait_for()
    assert rules(rest) == [2, None, 3 << 30, 100.5, 1800, -3]


def test_what_somebody_else_changed_meanwhile_is_told_and_stays(
    web_pool: Pool, open_tab: Open, rest: Rest, tenant: dict
) -> None:
    tab = open_tab(web_pool, may_fail=True)  # browsers write 412 on the console
    tab.open("tenants/org%2Fedited")
    tab.button("Edit rules").click()
    fill(tab, {"Weight": "7"})
    rest.call("PUT", PATH, {"weight": 3, "quota_devices": 8})
    tab.button("Save").click()
    told = tab.page.get_by_role("alert").filter(has_text="Somebody else has changed this tenant meanwhile")
    told.wait_for()
    assert "Devices at once: 8" in told.inner_text()
    assert tab.page.get_by_label("Devices at once").input_value() == "8"
    assert rules(rest)[:2] == [3, 8]
    tab.button("Save").click()
    tab.page.locator(".facts").get_by_text("7", exact=True).wait_for()
    assert rules(rest) == [7, 8, None, None, None, None]


def test_what_the_broker_refuses_is_said_in_the_form(
    web_pool: Pool, open_tab: Open, rest: Rest, tenant: dict
) -> None:
    tab = open_tab(web_pool, may_fail=True)
    tab.open("tenants")
    tab.button("Make a tenant").click()
    fill(tab, {"Name": "no name", "Weight": "2"})
    tab.button("Make").click()
    tab.page.get_by_role("alert").filter(has_text="'no name' is no tenant's name").wait_for()
    fill(tab, {"Name": "org/edited"})
    tab.button("Make").click()
    tab.page.get_by_role("alert").filter(has_text="There is a tenant org/edited already").wait_for()
    fill(tab, {"Name": "org/made"})
    tab.button("Make").click()
    tab.row("org/made").wait_for()
    assert rules(rest, "/tenants/org/made") == [2, None, None, None, None, None]


def test_rules_are_edited_with_the_keyboard_alone(
    web_pool: Pool, open_tab: Open, rest: Rest, tenant: dict
) -> None:
    tab = open_tab(web_pool)
    tab.open("tenants/org%2Fedited")
    reach(tab, "Edit rules")
    tab.page.keyboard.press("Enter")
    tab.page.get_by_role("dialog").wait_for()
    assert tab.page.evaluate("document.activeElement.name") == "weight"
    tab.page.keyboard.press("Control+A")
    tab.page.keyboard.type("5")
    tab.page.keyboard.press("Enter")
    tab.page.get_by_role("dialog").wait_for(state="detached")
    assert focused(tab) == "Edit rules"
    assert rules(rest)[0] == 5


def test_who_may_not_change_tenants_is_not_offered_it(
    web_pool: Pool, open_tab: Open, rest: Rest, tenant: dict
) -> None:
    tab = open_tab(web_pool)
    tab.open("tenants", token=rest.token("mira", "member", "org/edited"))
    tab.row("org/edited").wait_for()
    for name in ("Edit rules of org/edited", "Make a tenant"):
        assert tab.button(name).count() == 0
    tab.go("tenants/org%2Fedited")
    tab.page.locator(".facts").wait_for()
    assert tab.button("Edit rules").count() == 0
