"""`accelpool broker` and `accelpool node`: this process becomes one, with all the options that it knows."""

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
    arguments = context.args
    if not any(argument.split("=")[0] == "--state-dir" for argument in arguments):
        arguments = ["--state-dir", str(CliSettings.from_environment().state_dir / "broker"), *arguments]
    become("broker", "accelpool_broker", arguments)


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
