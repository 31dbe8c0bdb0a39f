"""`accelpool completion`: what a shell runs so that Tab completes commands, options and the pool's own names.

Whoever presses Tab waits, and sees nothing but words: the pool is asked once, for a second at most, and a
failure is silence. Zsh evaluates what it is answered, twice, and names are others': of these no character is
left that means anything to a shell, and no word is offered that is not an id or a name of a node's form.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer
from typer._completion_classes import completion_init  # Typer has no public door to these two
from typer._completion_shared import get_completion_script

from accelpool.cli.access import client
from accelpool.cli.output import Output

ASK_S = 1.0
MOST = 100
VARIABLE = "_ACCELPOOL_COMPLETE"
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
OBEYED = re.compile(r"[^\w .,:;/@+=#()-]")  # all that is not surely a text

Record = dict[str, Any]
Words = list[tuple[str, str]]


class Shell(StrEnum):
    """The shells that are served."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.", show_default=False)],
) -> None:
    """Print what a shell runs to complete `accelpool`'s words: `eval "$(accelpool completion bash)"`."""
    script: str = get_completion_script(prog_name="accelpool", complete_var=VARIABLE, shell=shell)
    Output().text(script)


def prepare() -> None:
    """Let the program answer the shells' questions, which it finds in its environment."""
    completion_init()


def lease_ids(context: typer.Context) -> Words:
    """Return the ids of the leases that are active or queued, each with what it is."""
    return _ask(context, "/leases", _lease_word)


def node_names(context: typer.Context) -> Words:
    """Return the nodes' names."""
    return _ask(context, "/nodes", lambda node: (node["name"], node["state"]))


def device_ids(context: typer.Context) -> Words:
    """Return the devices' ids, each with what it is."""
    return _ask(context, "/devices", lambda one: (one["id"], f"{one['node']} {one['name']}, {one['state']}"))


def webhook_ids(context: typer.Context) -> Words:
    """Return the ids of webhooks, each with where it sends."""
    return _ask(context, "/webhooks", lambda hook: (hook["id"], f"{hook['state']}, {hook['url']}"))


def _lease_word(lease: Record) -> tuple[str, str] | None:
    if lease["state"] not in ("active", "queued"):
        return None
    return lease["id"], f"{lease['state']}, {lease.get('client') or lease.get('account', '')}"


def _ask(context: typer.Context, path: str, word: Callable[[Record], tuple[str, str] | None]) -> Words:
    """Return the words made of the first page of a list; none where the pool does not answer at once."""
    with contextlib.suppress(Exception):  # in a prompt nobody wants to read why
        rest = client(context.params.get("url"))
        page = rest.request("GET", path, params={"limit": MOST}, timeout_s=ASK_S).body
        found = [words for item in page["items"] if (words := word(item))]
        return [(one, OBEYED.sub("?", told)) for one, told in found if WORD.fullmatch(one)]
    return []


LeaseId = Annotated[
    str,
    typer.Argument(
        metavar="LEASE", help="The lease's id, as `accelpool leases` shows it.", autocompletion=lease_ids
    ),
]
WebhookId = Annotated[
    str,
    typer.Argument(
        metavar="WEBHOOK",
        help="The webhook's id, as `accelpool webhook list` shows it.",
        autocompletion=webhook_ids,
    ),
]
NodeName = Annotated[
    str,
    typer.Argument(
        metavar="NODE", help="The node's name, as `accelpool nodes` shows it.", autocompletion=node_names
    ),
]
