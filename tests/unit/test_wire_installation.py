"""What a message says where an extra is missing: a command that works, though no package index has us."""

import json
import os
import re
from importlib import metadata
from pathlib import Path

import pytest

from accelpool_wire.installation import command_from, install_command

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (None, "pip install '.[node,intel]' in a clone of accelpool"),
        (
            {"url": "file:///home/a%20b/accelpool", "dir_info": {"editable": True}},
            "pip install --editable '/home/a b/accelpool[node,intel]'",
        ),
        (
            {"url": "file:///src/accelpool", "dir_info": {}},
            "pip install 'accelpool[node,intel] @ file:///src/accelpool'",
        ),
        (
            {
                "url": "https://host/r.git",
                "vcs_info": {"vcs": "git", "commit_id": "abc", "requested_revision": "main"},
            },
            "pip install 'accelpool[node,intel] @ git+https://host/r.git@abc'",
        ),
    ],
)
def test_it_comes_from_where_the_rest_came_from(origin, command):
    assert command_from(origin, ("node", "intel")) == command


class Distribution:
    """An installed distribution that says where it came from."""

    def __init__(self, said):
        self.said = said

    def read_text(self, _name):
        return self.said


@pytest.mark.parametrize(
    "said",
    [
        None,
        "no JSON",
        "null",
        json.dumps({"url": "file:///no/such.whl", "archive_info": {}}),
        json.dumps({"url": "https://ci:secret@host/r.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}),
        json.dumps({"url": "https://${TOKEN}@host/r.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}),
        json.dumps({"url": "https://host/a.whl?signature=secret", "archive_info": {}}),
        json.dumps({"url": "https://host/r.zip", "archive_info": {}, "subdirectory": "python"}),
    ],
)
def test_where_that_is_not_known_or_gone_a_clone_is_asked_for(monkeypatch, said):
    monkeypatch.setattr(metadata, "distribution", lambda _name: Distribution(said))
    assert install_command("node") == "pip install '.[node]' in a clone of accelpool"


def test_a_clone_that_this_user_may_not_look_at_is_gone(monkeypatch):
    def stat(*_arguments, **_named):
        raise PermissionError(13, "Permission denied")

    said = json.dumps({"url": "file:///root/accelpool", "dir_info": {"editable": True}})
    monkeypatch.setattr(metadata, "distribution", lambda _name: Distribution(said))
    monkeypatch.setattr(os, "stat", stat)
    assert install_command("node") == "pip install '.[node]' in a clone of accelpool"


def test_no_message_and_no_page_installs_from_an_index_that_does_not_have_it():
    folders = ("sdk", "node", "broker", "docs", "examples", "deploy")
    files = [
        file
        for folder in folders
        for file in (ROOT / folder).rglob("*")
        if file.suffix in {".py", ".md", ".yml"}
    ]
    wrong = re.compile(r"pip install\s+['\"]?accelpool\b(?!\[[^\]]*\] @)")
    assert [
        str(file.relative_to(ROOT)) for file in [*files, ROOT / "README.md"] if wrong.search(file.read_text())
    ] == []
