"""The files of the web page, and what browsers are told about them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest

from accelpool_broker.testing import BrokerInProcess
from accelpool_broker.web_files import FOLDER, web_files


@pytest.fixture
def broker() -> Iterator[BrokerInProcess]:
    with BrokerInProcess() as running:
        yield running


def test_the_page_and_all_its_files_need_no_token(broker: BrokerInProcess) -> None:
    for path in ("/", *(f"/web/{name}" for name in web_files())):
        answer = broker.client.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert broker.client.get("/").mimetype == "text/html"
    assert broker.client.get("/web/main.js").mimetype == "text/javascript"


def test_the_policy_allows_the_brokers_own_files_and_nothing_else(broker: BrokerInProcess) -> None:
    policy = broker.client.get("/").headers["Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'self'"
    assert rules["frame-ancestors"] == rules["base-uri"] == rules["object-src"] == "'none'"
    assert rules["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in policy
    assert "script-src" not in rules  # nothing beyond default-src


def test_a_file_that_a_browser_has_is_not_sent_again(broker: BrokerInProcess) -> None:
    first = broker.client.get("/web/main.js")
    again = broker.client.get("/web/main.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert first.headers["Cache-Control"] == "no-cache"
    other = broker.client.get("/web/style.css", headers={"If-None-Match": first.headers["ETag"]})
    assert other.status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/web/", "/web/none.js", "/web/../app.py", "/web/..%2fapp.py", "/web/%2e%2e/app.py", "/web//etc/passwd"],
)
def test_nothing_else_is_served(broker: BrokerInProcess, path: str) -> None:
    assert broker.client.get(path).status_code in (401, 404)


def test_the_api_description_does_not_tell_of_the_page(broker: BrokerInProcess) -> None:
    paths = broker.client.get("/openapi.json").get_json()["paths"]
    assert not [path for path in paths if path == "/" or path.startswith("/web/")]
    assert broker.client.get("/docs").status_code == 200


def test_the_page_of_the_api_description_has_no_origin_and_so_no_token(broker: BrokerInProcess) -> None:
    policy = broker.client.get("/docs").headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in policy
    assert "supportedSubmitMethods: []" in broker.client.get("/docs/start.js").get_data(as_text=True)
    assert broker.client.get("/openapi.json").headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Origin" not in broker.client.get("/health").headers


def test_the_page_of_the_api_description_loads_the_brokers_own_files_and_nothing_else(
    broker: BrokerInProcess,
) -> None:
    page = broker.client.get("/docs")
    rules = dict(rule.strip().split(" ", 1) for rule in page.headers["Content-Security-Policy"].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.get_data(as_text=True))
    assert "docs/swagger-ui-bundle.js" in loaded
    for path in loaded:
        assert broker.client.get(f"/{path}").status_code == 200, path
    assert broker.client.get("/docs/index.template.html").status_code in (401, 404)


def test_the_html_has_no_script_style_or_handler_in_it() -> None:
    html = (FOLDER / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", html)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', html)


@pytest.mark.parametrize("name", sorted(name for name in web_files() if name.endswith(".js")))
def test_a_module_makes_no_html_of_text_and_imports_only_what_is_there(name: str) -> None:
    text = (FOLDER / name).read_text()
    made = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function|srcdoc\s*="
    )
    assert not re.search(made, text)
    for target in re.findall(r'(?:from|import) "([^"]+)"', text):
        path = PurePosixPath(name).parent / target
        parts: list[str] = []
        for part in path.parts:
            parts = parts[:-1] if part == ".." else [*parts, part]
        assert "/".join(parts) in web_files(), target
