"""`accelpool broker`, `node`, `backup`, `restore`: this process becomes one, with all the options of that."""

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
    become("broker", "accelpool_broker", _with_state_dir(context.args))


def backup(context: typer.Context) -> None:
    """Write all that makes the pool to a file, while its brokers run: `accelpool backup FILE`."""
    become("backup", "accelpool_broker.backup", ["save", *_with_state_dir(context.args)], extra="broker")


def restore(context: typer.Context) -> None:
    """Fill a new broker's empty database from such a file: `accelpool restore FILE`."""
    become("restore", "accelpool_broker.backup", ["restore", *_with_state_dir(context.args)], extra="broker")


def _with_state_dir(arguments: list[str]) -> list[str]:
    if any(argument.split("=")[0] == "--state-dir" for argument in arguments):
        return arguments
    return ["--state-dir", str(CliSettings.from_environment().state_dir / "broker"), *arguments]


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
