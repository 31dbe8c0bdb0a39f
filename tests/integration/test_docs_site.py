"""The site that `make docs` builds: strictly, and of nothing that is elsewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import accelpool

ROOT = Path(__file__).parents[2]
LOADED = re.compile(r"<(?:link|script|img|iframe|source)\b[^>]*?\b(?:href|src)=\"([^\"]+)\"")
IMPORTED = re.compile(r"(?:@import|url\()\s*[\"']?((?:https?:)?//[^\"')]+)")
TYPE_ALIASES = {"CtxFactory"}  # which have no docstring
PUBLIC = {name for name in accelpool.__all__ if callable(getattr(accelpool, name))} - TYPE_ALIASES
LIMIT_S = 900  # it takes 20 s of one core, which others may want, too


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    strictly = ["--quiet", "--fail-on-warning", "--keep-going", "-c", "docs/site", "-b", "html"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *strictly, "-d", str(folder / "trees"), ".", str(folder / "html")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "html"


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S)
def test_the_site_is_built_without_a_warning_and_loads_nothing_from_elsewhere(site: Path) -> None:
    loaded = {link for page in site.rglob("*.html") for link in LOADED.findall(page.read_text())}
    styles = {link for sheet in site.rglob("*.css") for link in IMPORTED.findall(sheet.read_text())}
    assert len(loaded) > 5
    assert [link for link in loaded | styles if link.startswith(("http:", "https:", "//"))] == []


@pytest.mark.slow
@pytest.mark.timeout(LIMIT_S)
def test_the_references_have_what_the_code_has(site: Path) -> None:
    python = (site / "docs/reference/python.html").read_text()
    rest = re.sub(r"<[^>]+>", "", (site / "docs/reference/rest.html").read_text())
    assert [name for name in PUBLIC if f'id="accelpool.{name}"' not in python] == []
    assert "POST /leases/{id}/launches" in rest
    assert "Idempotency-Key" in rest
    assert (site / "index.html").read_text().count("docs/index.html") == 2
