"""`accelpool web`: the link to the pool's page."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta

import pytest

from accelpool.cli import web

from ..conftest import Pool
from .cli_rig import Cli


def test_the_link_has_a_token_where_browsers_send_it_to_nobody(cli: Cli, null_pool: Pool) -> None:
    link = cli.call("web", pool=null_pool).stdout.strip()
    assert link.startswith(f"{null_pool.url}/#token=apu_")
    assert cli.json("web", pool=null_pool)["url"].startswith(f"{null_pool.url}/#token=apu_")


def test_what_stays_in_the_history_of_a_browser_is_no_token_for_ever(cli: Cli, null_pool: Pool) -> None:
    link = cli.call("web", pool=null_pool).stdout.strip()
    assert null_pool.token not in link
    made = cli.json("token", "list", pool=null_pool)["tokens"][0]
    assert made["name"] == "web"
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=11) < left <= timedelta(hours=12)


def test_who_may_make_no_token_is_told_that_the_link_has_his_own(cli: Cli, null_pool: Pool) -> None:
    wanted = ("token", "create", "wall", "--scope", "nodes:read")
    own = cli.json(*wanted, pool=null_pool)["token"]["token"]
    done = cli.call("web", pool=null_pool, ACCELPOOL_TOKEN=own)
    assert done.stdout.strip() == f"{null_pool.url}/#token={own}"
    assert "your own token" in done.stderr


def test_a_token_is_written_so_that_it_stays_one_in_a_link() -> None:
    assert (
        web.link_to_page("https://pool.example/lab/", "a+b&c#d")
        == "https://pool.example/lab/#token=a%2Bb%26c%23d"
    )


def test_a_browser_is_given_a_private_file_and_not_the_token(
    cli: Cli, null_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = cli.home / "state"
    monkeypatch.setattr(web.webbrowser, "open", opened := Opened())
    done = cli.call("web", "--open", pool=null_pool, XDG_STATE_HOME=str(state))
    assert done.exit_code == 0, done.output
    (url,) = opened.urls
    assert null_pool.token not in url
    path = state / "accelpool" / "web.html"
    assert url == path.as_uri()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert f"{null_pool.url}/#token=apu_" in path.read_text()
    assert null_pool.token not in path.read_text()


def test_where_there_is_no_browser_the_link_is_still_told(
    cli: Cli, null_pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web.webbrowser, "open", lambda url: False)
    done = cli.call("web", "--open", pool=null_pool, XDG_STATE_HOME=str(cli.home / "state"))
    assert done.exit_code == 1
    assert "#token=" in done.stdout
    assert "no browser" in done.stderr


class Opened:
    """A browser that notes what it is to open."""

    def __init__(self) -> None:
        self.urls: list[str] = []

    def __call__(self, url: str) -> bool:
        self.urls.append(url)
        return True
