"""`accelpool broker` and `accelpool node`: this process becomes one, with all the options that it knows."""

from __future__ import annotations

import os
import sys

import typer
from typer.main import get_command

from accelpool.cli import extras, node_operations
from accelpool.cli.settings import CliSettings

OPERATIONS = ("cordon", "uncordon", "drain", "label", "taint", "join-token")
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


def broker(context: typer.Context) -> None:
    """Run a broker in the foreground; `accelpool broker --help` shows its options."""
    arguments = context.args
    if not any(argument.split("=")[0] == "--state-dir" for argument in arguments):
        arguments = ["--state-dir", str(CliSettings.from_environment().state_dir / "broker"), *arguments]
    become("broker", "accelpool_broker", arguments)


def node(context: typer.Context) -> None:
    """Run an agent in the foreground: `accelpool node --broker URL`; `--help` shows its options.

    `accelpool node drain NODE`, and likewise cordon, uncordon, label and taint, change what the pool does
    with one; `accelpool node join-token create` lets one in.
    """
    if context.args and context.args[0] in OPERATIONS:
        command = get_command(node_operations.app)
        with command.make_context("node", context.args, parent=context.parent) as inner:
            command.invoke(inner)
        return
    become("node", "accelpool_node", context.args)


def become(command: str, module: str, arguments: list[str], *, extra: str = "") -> None:
    """Replace this process by a module of ours.

    Args:
        command: The command, for the message if packages are missing.
        module: The module's name.
        arguments: Its arguments.
        extra: The extra that has its packages; by default it is called as the command is.
    """
    extras.require(f"accelpool {command}", extra or command)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-P", "-m", module, *arguments])  # noqa: S606 - our own module
