"""`accelpool ca`: certificates for brokers, from an authority of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from accelpool.cli import extras
from accelpool.cli.options import Json
from accelpool.cli.output import Output

if TYPE_CHECKING:
    from accelpool.cli.certificate_authority import CertificateAuthority, Issued

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The authority's folder.", show_default=False)]
Days = Annotated[
    int | None, typer.Option("--days", min=1, max=3650, help="How long it holds.", show_default=False)
]

app: typer.Typer = typer.Typer(
    help="Make certificates for brokers, from an authority of your own.", no_args_is_help=True
)


@app.command()
def create(folder: Folder, days: Days = None, json: Json = False) -> None:
    """Make an authority, for two years: clients trust what it issues by its ca.pem, no secret."""
    made = _authority(folder).create(**_given(days))
    _tell(made, json, f"Give {made.cert} to clients and agents (ACCELPOOL_CA), and {made.key} to nobody.")


@app.command()
def renew(folder: Folder, days: Days = None, json: Json = False) -> None:
    """Replace the authority: ca.pem has the new and the old one, so that clients trust both for a while."""
    made = _authority(folder).renew(**_given(days))
    _tell(made, json, f"Give {made.cert} to clients and agents, then issue the brokers' certificates anew.")


@app.command()
def issue(
    folder: Folder,
    host: Annotated[list[str], typer.Option("--host", help="A name or address of the broker's; repeatable.")],
    days: Days = None,
    json: Json = False,
) -> None:
    """Make a broker's certificate, for 90 days, or make it anew; a broker reads it again at SIGHUP."""
    made = _authority(folder).issue(host, **_given(days))
    _tell(made, json, f"accelpool broker --tls-cert {made.cert} --tls-key {made.key} ...")


def _authority(folder: Path) -> CertificateAuthority:
    extras.require("accelpool ca", "broker")
    from accelpool.cli.certificate_authority import CertificateAuthority

    return CertificateAuthority(folder)


def _given(days: int | None) -> dict[str, int]:
    return {} if days is None else {"days": days}


def _tell(made: Issued, json: bool, then: str) -> None:
    output = Output(json)
    until = made.expires_at.isoformat(timespec="seconds")
    output.document({"cert": str(made.cert), "key": str(made.key), "expires_at": until})
    output.text(f"{made.cert} and {made.key}, until {until}.", then)
