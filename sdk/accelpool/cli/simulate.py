"""`accelpool simulate`: this process becomes the broker's simulator, with all the options that it knows."""

from __future__ import annotations

import typer

from accelpool.cli import extras, services


def simulate(context: typer.Context) -> None:
    """Replay a trace of jobs over simulated devices; `accelpool simulate --help` shows its options."""
    if any(argument.split("=")[0] == "--plot" for argument in context.args):
        extras.require("accelpool simulate --plot", "plots")
    services.become("simulate", "accelpool_broker.simulator", context.args, extra="broker")
