"""`accelpool up`: a pool on this machine, until Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from accelpool import connect
from accelpool.cli import extras
from accelpool.cli.credentials_file import write_credentials
from accelpool.cli.options import Backend, Json, StateDir
from accelpool.cli.output import Output, pieces_of, plural
from accelpool.cli.pool import DEFAULT_PORT, LocalPool, PoolOptions
from accelpool.cli.settings import CliSettings
from accelpool.cli.signals import interrupt_on_ending_signals
from accelpool.cli.supervisor import Supervisor
from accelpool.credentials import Credentials


def up(
    port: Annotated[
        int,
        typer.Option(
            "--port", min=0, max=65535, help="The broker's port on 127.0.0.1; 0 takes any free one."
        ),
    ] = DEFAULT_PORT,
    state_dir: StateDir = None,
    backend: Backend = None,
    json: Json = False,
) -> None:
    """Run a pool on this machine: a broker and an agent on 127.0.0.1, until Ctrl-C.

    The SDK and the other commands of this user find it by themselves. Of the two, what dies is started again.
    """
    interrupt_on_ending_signals()
    extras.require("accelpool up", "broker", "node")
    settings = CliSettings.from_environment()
    output = Output(json)
    options = PoolOptions(
        state_dir=(state_dir or settings.state_dir).absolute(),
        port=port,
        backend=backend,
    )
    pool = LocalPool(options, settings.variables)
    is_up = False
    try:
        with pool:
            _start(pool, output, settings.sdk.credentials_path)
            is_up = True
            _announce(pool, output, settings.sdk.credentials_path)
            Supervisor([pool.broker, pool.node], output.note).run()
    except KeyboardInterrupt:
        if not is_up:
            raise
        output.note("accelpool is down.")


def _start(pool: LocalPool, output: Output, credentials_path: Path) -> None:
    with output.progress("Starting the broker"):
        pool.start_broker()
    with output.progress("Starting the agent; it tries each driver"):
        pool.start_node()
    found = Credentials(url=pool.url, token=pool.token)
    aside = write_credentials(found, credentials_path)
    if aside is not None:
        output.note(f"The credentials of another pool were there; they are now in {aside}.")


def _announce(pool: LocalPool, output: Output, credentials_path: Path) -> None:
    with connect(pool.url, pool.token) as broker:
        own = [device for device in broker.devices() if device["node"] == pool.node_name]
    working = [device for device in own if not device["fault"]]
    healthy = pieces_of(working)
    faulty = pieces_of(own) - healthy
    output.document(
        {
            "url": pool.url,
            "node": pool.node_name,
            "devices": healthy,
            "faulty_devices": faulty,
            "state_dir": str(pool.options.state_dir),
            "credentials": str(credentials_path),
        }
    )
    output.text(
        f"accelpool is up at {pool.url}, with {count_devices(healthy, faulty)} on node {pool.node_name}.",
        "  accelpool devices    shows them; `import accelpool as cl` in Python uses them.",
        "  accelpool web --open    shows it in a browser.",
        '  eval "$(accelpool credentials)" sets ACCELPOOL_URL and ACCELPOOL_TOKEN in a shell.',
        f"  {credentials_path} has both.",
        "Ctrl-C ends it.",
    )
    if not healthy:
        output.note("No device works here: `accelpool doctor` says why.")


def count_devices(healthy: int, faulty: int) -> str:
    """Return how many devices there are, for people; those that cannot be used are told apart."""
    if not faulty:
        return plural(healthy, "device")
    return f"{plural(healthy, 'device')}, and {faulty} that cannot be used (see `accelpool doctor`),"
