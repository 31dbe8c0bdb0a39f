"""A headless Chromium of the system's, and pools whose page it opens. Without one the tests are skipped."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import requests

from ..conftest import Pool, running
from .rest_nodes import RestNode

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--disable-dev-shm-usage", "--force-color-profile=srgb")  # no sandbox: CI is root
SIZE = {"width": 1360, "height": 850}
LIMIT_MS = 60_000


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """The browser, for the tests of a module; not for longer, as Playwright has an event loop run."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("there is no Chromium: apt-get install --no-install-recommends chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield started
        started.close()


@dataclass
class Tab:
    """A page of the browser, as a person has it before them.

    Attributes:
        page: Playwright's page.
        pool: The pool that it shows.
        faults: What the page said on its console that it should not.
        requests: Method and path of each call to the API.
    """

    page: object
    pool: Pool
    faults: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, path: str = "", token: str | None = None) -> None:
        """Open a view logged in, and wait until it is there."""
        self.page.goto(f"{self.pool.url}/#token={token or self.pool.token}")
        self.page.locator("nav").wait_for()
        self.page.locator("main h1").wait_for()
        if path:
            self.go(path)

    def go(self, path: str) -> None:
        """Go to a view as by a link."""
        self.page.evaluate("path => { location.hash = path; }", f"#/{path}")
        self.page.locator("main h1").wait_for()

    def row(self, text: str) -> object:
        """Return the row of a table that has a text."""
        return self.page.locator("tbody tr", has_text=text)

    def button(self, name: str) -> object:
        """Return the button of that name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def note_what_is_said(self) -> None:
        """Keep what the page complains of, and what it asks for."""
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on(
            "console",
            lambda said: said.type == "error" and self.faults.append(said.text),
        )
        self.page.on("request", lambda asked: self._note(asked))

    def _note(self, asked: object) -> None:
        path = asked.url.removeprefix(self.pool.url)
        if not path.startswith(("/web/", "/#")) and path != "/":
            self.requests.append(f"{asked.method} {path}")


@pytest.fixture
def open_tab(browser: object) -> Iterator[Callable[..., Tab]]:
    """A function that opens a tab on a pool; at the end none of them may have complained of anything."""
    contexts, tabs = [], []

    def open_one(pool: Pool, *, may_fail: bool = False, **options: object) -> Tab:
        contexts.append(browser.new_context(viewport=SIZE, reduced_motion="reduce", **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(LIMIT_MS)
        tab = Tab(page, pool)
        tab.note_what_is_said()
        if not may_fail:
            tabs.append(tab)
        return tab

    yield open_one
    for context in contexts:
        context.close()
    assert [fault for tab in tabs for fault in tab.faults] == []


@pytest.fixture(scope="module")
def web_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A pool of two nodes with two null devices each, for a module; its tests leave nothing behind in it."""
    yield from running(Pool(folder=tmp_path_factory.mktemp("web-pool"), backend="null:2", nodes=2))


@pytest.fixture
def bare_pool(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pool]:
    """A broker without nodes, for one test."""
    yield from running(Pool(folder=tmp_path_factory.mktemp("bare-pool"), nodes=0))


@pytest.fixture
def rest_node(bare_pool: Pool) -> Iterator[Callable[..., RestNode]]:
    """A function that adds a node of any devices to the bare pool."""
    nodes: list[RestNode] = []

    def add(name: str, devices: list[dict], **options: object) -> RestNode:
        nodes.append(RestNode(bare_pool.url, bare_pool.token, name, devices, **options))
        nodes[-1].start()
        return nodes[-1]

    yield add
    for node in nodes:
        node.stop()


class Rest:
    """The pool's REST API, as somebody else uses it while the page is open.

    Args:
        pool: The pool.
        token: Whose; None for the first admin's.
    """

    def __init__(self, pool: Pool, token: str | None = None) -> None:
        self.url = pool.url
        self.http = requests.Session()
        self.http.headers["Authorization"] = f"Bearer {token or pool.token}"

    def call(self, method: str, path: str, json: object = None) -> dict:
        """Call, and return the answer, which is a good one."""
        answer = self.http.request(method, self.url + path, json=json, timeout=60)
        assert answer.ok, answer.text
        return answer.json() if answer.content else {}

    def status(self, method: str, path: str) -> int:
        """Call, and return the status, whatever it is."""
        return self.http.request(method, self.url + path, timeout=60).status_code

    def lease(self, **wanted: object) -> dict:
        """Ask for devices."""
        return self.call("POST", "/leases?wait_s=25", {"ttl_s": 600, **wanted})

    def token(self, account: str, role: str = "member", *tenants: str) -> str:
        """Make an account, and return a token of it."""
        self.call("POST", "/accounts", {"name": account, "role": role, "tenants": list(tenants)})
        return self.call("POST", "/tokens", {"name": "page", "account": account})["token"]


@pytest.fixture
def rest(web_pool: Pool) -> Iterator[Rest]:
    """The pool's REST API; leases of a test end with it."""
    rest = Rest(web_pool)
    yield rest
    for state in ("queued", "active"):
        for lease in rest.call("GET", f"/leases?state={state}")["items"]:
            rest.call("DELETE", f"/leases/{lease['id']}")
    rest.http.close()
