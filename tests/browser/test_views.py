"""What the views show of a pool, and do to it."""

from __future__ import annotations

from collections.abc import Callable

from ..conftest import Pool
from .conftest import Rest, Tab

Open = Callable[..., Tab]


def test_a_lease_that_is_granted_elsewhere_shows_up_and_only_what_it_changed_is_read(
    web_pool: Pool, open_tab: Open, rest: Rest
) -> None:
    tab = open_tab(web_pool)
    tab.open()
    tab.page.locator("tbody tr").nth(3).wait_for()
    tab.page.locator("#connection", has_text="Live").wait_for()
    tab.requests.clear()
    lease = rest.lease(tenant="vision", compute=0.5)
    tab.page.locator(".holder", has_text="vision 50 %, 512 MiB").wait_for()
    device = lease["shares"][0]["device"]
    asked = [each for each in tab.requests if "limit" not in each]
    assert f"GET /leases/{lease['id']}" in asked
    assert f"GET /devices/{device}" in asked
    assert not any(each.startswith("GET /devices?") for each in tab.requests)
    rest.call("DELETE", f"/leases/{lease['id']}")
    tab.page.locator(".holder", has_text="vision").wait_for(state="detached")


def test_the_queue_says_who_waits_where_and_why(web_pool: Pool, open_tab: Open, rest: Rest) -> None:
    rest.lease(tenant="vision", count=4)
    for tenant in ("speech", "robotics"):
        rest.call("POST", "/leases", {"tenant": tenant, "count": 3, "queue_timeout_s": 600})
    waiting = rest.call("GET", "/leases?state=queued")["items"]
    place = {lease["tenant"]: str(lease["position"]) for lease in waiting}
    assert sorted(place.values()) == ["1", "2"]
    tab = open_tab(web_pool)
    tab.open("queue")
    tab.row("robotics").wait_for()
    cells = tab.row("robotics").locator("th, td").all_inner_texts()
    assert cells[0] == place["robotics"]
    assert cells[3] == "3 \N{MULTIPLICATION SIGN} device"
    assert "leased" in cells[6]
    tab.row("speech").get_by_role("button", name="Explain").click()
    dialog = tab.page.get_by_role("dialog")
    dialog.locator("tbody tr").nth(3).wait_for()
    assert "held by" in dialog.inner_text() or "leased" in dialog.inner_text()
    dialog.get_by_role("button", name="Close").click()
    tab.row("speech").get_by_role("button", name="Withdraw").click()
    dialog.get_by_role("button", name="Withdraw").click()
    tab.row("speech").wait_for(state="detached")
    tab.row("robotics").locator("th", has_text="1").wait_for()


def test_leases_are_listed_with_those_that_have_ended(web_pool: Pool, open_tab: Open, rest: Rest) -> None:
    ended = rest.lease(tenant="speech")
    rest.call("DELETE", f"/leases/{ended['id']}")
    lasting = rest.lease(tenant="speech")
    tab = open_tab(web_pool)
    tab.open("leases")
    tab.row(ended["id"]).get_by_text("released", exact=True).wait_for()
    tab.button(f"Release lease {lasting['id']}").click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Release").click()
    tab.row(lasting["id"]).get_by_text("released", exact=True).wait_for()
    assert rest.call("GET", f"/leases/{lasting['id']}")["state"] == "released"
    tab.page.get_by_label("State").select_option("active")
    tab.page.get_by_text("There are no leases.").or_(tab.page.get_by_text("Nothing fits")).wait_for()


def test_a_lease_has_a_page_of_its_own_with_its_history(web_pool: Pool, open_tab: Open, rest: Rest) -> None:
    lease = rest.lease(tenant="speech", compute=0.25)
    tab = open_tab(web_pool)
    tab.open(f"leases/{lease['id']}")
    history = tab.page.locator(".history")
    history.get_by_text("Granted").wait_for()
    rest.call("DELETE", f"/leases/{lease['id']}")
    history.get_by_text("Ended: released").wait_for()
    tab.page.get_by_text("25 %, 256 MiB").wait_for()
    happened = tab.page.get_by_role("region", name="What happened")
    happened.get_by_text("released", exact=True).wait_for()
    happened.get_by_text("active", exact=True).wait_for()


def test_a_node_is_drained_and_taken_back(web_pool: Pool, open_tab: Open, rest: Rest) -> None:
    tab = open_tab(web_pool)
    tab.open("nodes")
    tab.button("Drain node-2").click()
    tab.page.get_by_label("Minutes").fill("5")
    tab.page.get_by_role("dialog").get_by_role("button", name="Drain").click()
    tab.row("node-2").get_by_text("draining").wait_for()
    assert rest.call("GET", "/nodes/node-2")["drain_at"] is not None
    tab.button("End drain of node-2").click()
    tab.row("node-2").get_by_text("ready", exact=True).wait_for()
    tab.button("Cordon node-2").click()
    tab.row("node-2").get_by_text("cordoned", exact=True).wait_for()
    rest.call("PATCH", "/nodes/node-2", {"cordoned": False})  # by somebody else
    tab.row("node-2").get_by_text("ready", exact=True).wait_for()


def test_a_nodes_labels_are_written_one_a_line(web_pool: Pool, open_tab: Open, rest: Rest) -> None:
    tab = open_tab(web_pool)
    tab.open("nodes")
    tab.button("Label node-1").click()
    text = tab.page.get_by_role("dialog").get_by_label("Labels")
    text.fill("rack=b2\nno label")
    tab.button("Save").click()
    tab.page.get_by_role("alert").filter(has_text='"no label" is no label').wait_for()
    text.fill("rack=b2\nnet = 100g")
    tab.button("Save").click()
    tab.row("node-1").get_by_text("rack=b2").wait_for()
    assert rest.call("GET", "/nodes/node-1")["labels"] == {"rack": "b2", "net": "100g"}
    rest.call("PATCH", "/nodes/node-1", {"labels": {}})


def test_a_token_is_made_shown_once_and_revoked(web_pool: Pool, open_tab: Open, rest: Rest) -> None:
    tab = open_tab(web_pool)
    tab.open("tokens")
    tab.button("Make a token").click()
    tab.page.get_by_label("Name").fill("notebook")
    for scope in ("accounts", "nodes"):
        tab.page.get_by_label(scope, exact=True).uncheck()
    tab.button("Make").click()
    secret = tab.page.get_by_label("The token").input_value()
    told = Rest(web_pool, secret).call("GET", "/whoami")
    assert "nodes" not in told["scopes"]
    assert "leases" in told["scopes"]
    tab.button("Close").click()
    assert secret not in tab.page.content()
    tab.button(f"Revoke notebook {told['token']}").click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    tab.row(told["token"]).get_by_text("revoked").wait_for()
    assert Rest(web_pool, secret).status("GET", "/whoami") == 401


def test_what_the_broker_refuses_is_said_where_it_was_asked_for(
    web_pool: Pool, open_tab: Open, rest: Rest
) -> None:
    tab = open_tab(web_pool, may_fail=True)
    tab.open("tokens")
    tab.button("Make a token").click()
    tab.page.get_by_label("Name").fill("a name/" + "x" * 57)
    for box in tab.page.get_by_role("checkbox").all():
        box.uncheck()
    tab.button("Make").click()
    tab.page.get_by_role("alert").filter(has_text="Choose at least one scope.").wait_for()
    tab.page.keyboard.press("Escape")
    assert tab.page.get_by_role("dialog").count() == 0


def test_a_tenants_rules_and_use_are_shown_as_a_chart_and_as_a_table(
    web_pool: Pool, open_tab: Open, rest: Rest
) -> None:
    rest.call("PUT", "/tenants/vision/detection", {"weight": 2, "quota_devices": 3})
    rest.call("DELETE", f"/leases/{rest.lease(tenant='vision/detection')['id']}")
    tab = open_tab(web_pool)
    tab.open("tenants")
    tab.page.get_by_role("link", name="vision/detection").click()
    tab.page.get_by_role("heading", name="Tenant vision/detection").wait_for()
    tab.page.get_by_role("img", name="Device-hours").first.wait_for()
    tab.page.get_by_text("As a table").first.click()
    tab.page.get_by_role("table", name="Device-hours").first.wait_for()


def test_the_audit_log_is_filtered_by_the_broker(web_pool: Pool, open_tab: Open, rest: Rest) -> None:
    lease = rest.lease()
    rest.call("DELETE", f"/leases/{lease['id']}")
    tab = open_tab(web_pool)
    tab.open("audit")
    tab.page.get_by_label("Object").fill(f"/leases/{lease['id']}")
    tab.page.get_by_label("Action").fill("delete_lease")
    tab.button("Show").click()
    tab.page.locator(".count", has_text="1 in all").wait_for()
    tab.row("delete_lease").get_by_text("done").wait_for()


def test_a_list_is_sorted_by_its_headers_and_narrowed_by_words(
    web_pool: Pool, open_tab: Open, rest: Rest
) -> None:
    tab = open_tab(web_pool)
    tab.open()
    names = tab.page.locator("tbody th")
    names.nth(3).wait_for()
    tab.button("Device").click()
    tab.button("Device").click()
    assert names.all_inner_texts() == ["null/null-1", "null/null-1", "null/null-0", "null/null-0"]
    assert tab.page.locator("thead th").first.get_attribute("aria-sort") == "descending"
    tab.page.get_by_label("Filter Devices").fill("NODE-2 null-0")
    tab.page.locator(".count", has_text="1 of 4 fit").wait_for()
    assert names.all_inner_texts() == ["null/null-0"]


def test_a_devices_page_leads_to_its_node(web_pool: Pool, open_tab: Open, rest: Rest) -> None:
    device = rest.call("GET", "/devices")["items"][0]
    tab = open_tab(web_pool)
    tab.open(f"devices/{device['id']}")
    tab.page.get_by_role("link", name=device["node"], exact=True).click()
    tab.page.get_by_role("heading", name=device["node"], level=1).wait_for()
