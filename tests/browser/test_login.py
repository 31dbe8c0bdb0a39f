"""Who gets in, and what becomes of the token."""

from __future__ import annotations

from collections.abc import Callable

from ..conftest import Pool
from .conftest import Rest, Tab

Open = Callable[..., Tab]


def test_a_pasted_token_lets_in_and_stays_out_of_the_address(
    web_pool: Pool, open_tab: Open, rest: Rest
) -> None:
    tab = open_tab(web_pool)
    tab.page.goto(web_pool.url)
    tab.page.get_by_label("Token").fill(f"  {web_pool.token}\n")
    tab.button("Log in").click()
    tab.page.get_by_role("heading", name="Overview").wait_for()
    assert web_pool.token not in tab.page.url
    assert web_pool.token not in tab.page.content()


def test_a_link_lets_in_and_its_token_leaves_the_address_and_the_history(
    web_pool: Pool, open_tab: Open
) -> None:
    tab = open_tab(web_pool)
    tab.page.goto(f"{web_pool.url}/#token={web_pool.token}")
    tab.page.get_by_role("heading", name="Overview").wait_for()
    assert tab.page.url == f"{web_pool.url}/"
    tab.go("queue")
    tab.page.go_back()
    assert "token" not in tab.page.url
    assert tab.page.evaluate("Object.keys(localStorage)") == []  # for this tab alone


def test_a_link_in_an_open_tab_lets_in_as_the_one_whom_it_is_for(
    web_pool: Pool, open_tab: Open, rest: Rest
) -> None:
    tab = open_tab(web_pool)
    tab.open()
    member = rest.token("lena", "member", "lena")
    tab.page.evaluate("token => { location.hash = `#token=${token}`; }", member)
    tab.page.locator(".account", has_text="lena").wait_for()
    assert member not in tab.page.url


def test_a_wrong_token_is_refused_with_the_reason_and_kept_nowhere(
    web_pool: Pool, open_tab: Open, rest: Rest
) -> None:
    tab = open_tab(web_pool, may_fail=True)
    tab.page.goto(web_pool.url)
    for wrong in ("apu_" + "x" * 43, "schlüssel\N{SNOWMAN}"):
        tab.page.get_by_label("Token").fill(wrong)
        tab.button("Log in").click()
        tab.page.locator("[role=alert]", has_text="token").wait_for()
    assert tab.page.evaluate("sessionStorage.length") == 0


def test_a_token_that_is_revoked_elsewhere_logs_out(web_pool: Pool, open_tab: Open, rest: Rest) -> None:
    tab = open_tab(web_pool, may_fail=True)
    token = rest.token("piet", "member", "piet")
    tab.open(token=token)
    own = Rest(web_pool, token)
    rest.call("DELETE", f"/tokens/{own.call('GET', '/whoami')['token']}")
    tab.go("tenants")
    tab.page.get_by_text("This token does not let in any more.").wait_for()
    assert tab.page.evaluate("sessionStorage.length") == 0


def test_logging_out_forgets_the_token(web_pool: Pool, open_tab: Open, rest: Rest) -> None:
    tab = open_tab(web_pool)
    tab.open()
    tab.button("Log out").click()
    tab.page.get_by_role("heading", name="Log in to the pool").wait_for()
    assert tab.page.evaluate("sessionStorage.length") == 0
    assert tab.page.locator("nav").is_hidden()


def test_who_has_not_the_scope_is_not_offered_a_view_and_told_why(
    web_pool: Pool, open_tab: Open, rest: Rest
) -> None:
    tab = open_tab(web_pool)
    tab.open("nodes", token=rest.token("mira", "member", "mira"))
    offered = tab.page.locator("nav li").all_inner_texts()
    assert "Nodes" in offered
    assert "Audit log" not in offered
    assert tab.button("Drain node-1").count() == 0
    tab.go("audit")
    tab.page.get_by_text("This needs a token with the scope audit:read.").wait_for()
