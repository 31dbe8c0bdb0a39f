"""`accelpool schema`: the JSON Schema of a command's document."""

from __future__ import annotations

from typing import Annotated

import typer

from accelpool.cli.documents.commands import DOCUMENTS
from accelpool.cli.documents.commands import schema as schema_of
from accelpool.cli.output import Output


def _words(context: typer.Context) -> list[str]:
    """Return the words that go on from those that are typed."""
    typed = context.params.get("command") or []
    return sorted({name.split()[len(typed)] for name in DOCUMENTS if name.split()[: len(typed)] == typed})


def schema(
    command: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND", help="lease show", autocompletion=_words)
    ] = None,
) -> None:
    """Print the JSON Schema of what a command prints with --json; without a command, which there are."""
    if not command:
        Output().text(*DOCUMENTS)
        return
    name = " ".join(command)
    if name not in DOCUMENTS:
        raise typer.BadParameter(f"no command {name} prints JSON; `accelpool schema` lists those that do")
    Output(is_json=True).document(schema_of(name))
