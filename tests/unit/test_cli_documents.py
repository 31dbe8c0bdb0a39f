"""The schemas of the command line's documents, beside its commands and its manual."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer

from accelpool.cli.documents.commands import DOCUMENTS, ERROR, EVENT, schema
from accelpool.cli.main import app

MANUAL = (Path(__file__).parents[2] / "docs/cli.md").read_text()
NO_COMMANDS = {ERROR, EVENT}
PASSED_ON = {"simulate"}  # another program reads its options


def commands(group: Any, *words: str) -> Iterator[tuple[str, Any]]:
    """All commands with the names by which they are called."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *words, name)
        else:
            yield " ".join((*words, name)), command


def test_each_command_that_prints_json_has_a_schema() -> None:
    with_json = {
        name
        for name, command in commands(typer.main.get_command(app))
        if any("--json" in option.opts for option in command.params)
    }
    assert with_json | PASSED_ON == set(DOCUMENTS) - NO_COMMANDS


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_schema_is_one_and_allows_keys_of_later_versions(name: str) -> None:
    found = schema(name)
    jsonschema.Draft202012Validator.check_schema(found)
    assert all(part.get("additionalProperties") is not False for part in found["$defs"].values())


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name not in NO_COMMANDS])
def test_the_manual_names_the_keys_of_each_document(name: str) -> None:
    headings = [f"\n## accelpool {' '.join(name.split()[:count])}" for count in (3, 2, 1)]
    section = next(
        section for heading in headings if (section := re.split(rf"{heading}\b", MANUAL, maxsplit=1)[1:])
    )[0].partition("\n## ")[0]
    keys = DOCUMENTS[name].__struct_fields__
    assert [key for key in keys if f"`{key}`" not in section] == []
