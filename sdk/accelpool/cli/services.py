"""`accelpool broker`, `node`, `backup`, `restore`: this process becomes one, with all the options of that."""

from __future__ import annotations

import os
import sys

import typer
from typer.core import TyperGroup

from accelpool.cli import extras
from accelpool.cli.settings import CliSettings

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


class NodeCommands(TyperGroup):
    """`accelpool node`: what operators do, by their names; with anything else this becomes an agent."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Read the arguments of one of the commands, or become an agent with them."""
        if not ctx.resilient_parsing and not (args and args[0] in self.commands):
            become("node", "accelpool_node", args)
        return super().parse_args(ctx, args)


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
