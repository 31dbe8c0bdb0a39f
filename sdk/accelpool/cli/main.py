"""The command line's commands; `app` is the program `accelpool`."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from accelpool.cli import (
    access,
    accounts,
    audit,
    bench,
    ca,
    completion,
    demo,
    doctor,
    events,
    explain,
    lease,
    listings,
    login,
    node_operations,
    run,
    schema,
    services,
    simulate,
    smi,
    tenants,
    tokens,
    top,
    trust,
    up,
    web,
    webhooks,
)
from accelpool.cli.failures import ExitCode, describe, exit_code, last_words
from accelpool.cli.options import Json, wants_json
from accelpool.cli.output import Output
from accelpool.errors import AccelpoolError
from accelpool_wire.version import __version__


class Commands(TyperGroup):
    """The commands; an error of ours ends one with a line and an exit code, never with a traceback."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Run the program, or answer a shell that asks how a line goes on."""
        completion.prepare()
        return super().main(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except AccelpoolError as error:
            Output(wants_json(ctx)).document({"error": describe(error)})
            sys.stderr.write(f"accelpool: {last_words(error)}\n")
            raise typer.Exit(exit_code(error)) from error
        except KeyboardInterrupt as error:
            sys.stderr.write("accelpool: interrupted\n")
            raise typer.Exit(ExitCode.INTERRUPTED) from error
        except Exception as error:
            if getattr(error, "option_name", None) == "--token":  # the usage errors' classes are not public
                told = "a token is never an option, as other users could see it: set ACCELPOOL_TOKEN"
                raise typer.BadParameter(told, ctx=getattr(error, "ctx", None)) from error
            raise


def version(json: Json = False) -> None:
    """Show the version."""
    output = Output(json)
    output.document({"version": __version__})
    output.text(f"accelpool {__version__}")


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        version()
        raise typer.Exit(ExitCode.DONE)


app: typer.Typer = typer.Typer(
    name="accelpool",
    cls=Commands,
    help="A pool of accelerators: borrow any GPU, FPGA or CPU over the network as if it were local.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """A pool of accelerators: borrow any GPU, FPGA or CPU over the network as if it were local."""


app.command()(up.up)
app.command()(demo.demo)
app.command()(doctor.doctor)
app.command()(access.credentials)
app.command()(web.web)
app.command()(login.login)
app.command(context_settings=run.AS_IT_IS)(run.run)
app.command()(run.shell)
app.command()(run.acquire)
app.command()(listings.devices)
app.command()(listings.leases)
app.command()(listings.nodes)
app.command()(listings.kernels)
app.command()(listings.release)
app.command()(explain.explain)
app.add_typer(lease.app)
app.command()(smi.smi)
app.command()(top.top)
app.command()(events.events)
app.command()(bench.bench)
app.command()(completion.completion)
app.command()(schema.schema)
app.add_typer(ca.app, name="ca")
app.command()(tenants.tenants)
app.command()(tenants.tenant)
app.command()(accounts.whoami)
app.command()(audit.audit)
app.add_typer(accounts.app)
app.add_typer(tokens.app)
app.add_typer(trust.app)
app.add_typer(webhooks.app)
app.command(context_settings=services.PASS_ON, add_help_option=False)(services.broker)
app.add_typer(node_operations.app)
app.command(context_settings=services.PASS_ON, add_help_option=False)(services.backup)
app.command(context_settings=services.PASS_ON, add_help_option=False)(services.restore)
app.command(context_settings=services.PASS_ON, add_help_option=False)(simulate.simulate)
app.command()(version)
