"""`accelpool login`: a token of the pool for who has an account elsewhere."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from accelpool import credentials as saved
from accelpool.cli.credentials_file import write_credentials
from accelpool.cli.device_login import DeviceLogin
from accelpool.cli.failures import LoginFailed, NoPool
from accelpool.cli.job_id_token import job_id_token, may_outlive
from accelpool.cli.options import Json, Url
from accelpool.cli.output import Output
from accelpool.cli.settings import CliSettings
from accelpool.cli.token_exchange import exchange
from accelpool.credentials import Credentials
from accelpool.errors import RemoteProtocolError
from accelpool.rest import RestClient
from accelpool.settings import Settings, check_broker_url
from accelpool_wire.issuer import IssuerClient


def login(
    ci: Annotated[
        bool, typer.Option("--ci", help="As this CI job, of GitHub or GitLab, by its ID token.")
    ] = False,
    issuer: Annotated[
        str | None,
        typer.Option(metavar="URL", help="At this issuer; by default the first that the pool names."),
    ] = None,
    audience: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="With --ci: whom the token is meant for; by default the broker's URL."
        ),
    ] = None,
    url: Url = None,
    json: Json = False,
) -> None:
    """Log in with an account elsewhere, by a browser on any machine, and keep the pool's token.

    It goes to the credentials file, where all commands find it, and is good for some hours.
    """
    settings, output = CliSettings.from_environment(), Output(json)
    pool = _pool(settings.sdk, url)
    rest, asking = RestClient(pool.url, "", pool.ca), IssuerClient(settings.issuer_ca)
    if ci:
        id_token = job_id_token(settings, audience or pool.url, asking)
    else:
        id_token = _of_a_person(rest, asking, issuer, output)
    made = exchange(rest, id_token)
    meant_for = (audience or pool.url) if ci else ""
    found = Credentials(url=pool.url, token=made["access_token"], ca=pool.ca, audience=meant_for)
    aside = write_credentials(found, settings.sdk.credentials_path)
    if aside is not None:
        output.note(f"The credentials of another pool were there; they are now in {aside}.")
    told = {
        "url": pool.url,
        "account": made["account"],
        "token": made["id"],
        "expires_at": made["expires_at"],
    }
    output.document({"login": told})
    output.text(f"Logged in to {pool.url} as {made['account']}, until {made['expires_at']}.")
    if ci and not settings.has_more_id_tokens and may_outlive(settings, made["expires_at"]):
        output.note(
            "This job may go on for longer than that; a lease that it still has then is lost. The trust "
            "rule's lifetime has to cover the job's (`accelpool trust add --minutes`)."
        )
    if settings.sdk.token:
        output.note("ACCELPOOL_TOKEN is set, and comes first: unset it.")


def _pool(settings: Settings, url: str | None) -> Credentials:
    """Return the pool to log in to, without a token."""
    known = saved.load(settings.credentials_path)
    chosen = url or settings.url or (known.url if known else None)
    if chosen is None:
        raise NoPool("no pool is known: give its --url, or set ACCELPOOL_URL")
    check_broker_url(chosen)
    is_known = known is not None and known.url.rstrip("/") == chosen.rstrip("/")
    return Credentials(
        url=chosen.rstrip("/"), token="", ca=settings.ca or (known.ca if known and is_known else "")
    )


def _of_a_person(rest: RestClient, asking: IssuerClient, issuer: str | None, output: Output) -> str:
    """Have somebody log in with a browser, and return his ID token."""
    method = _method(rest, issuer)
    flow = DeviceLogin(method["issuer"], method["client_id"], method["scope"], client=asking)
    prompt = flow.begin()
    output.note(f"Open {prompt.url} in a browser, on any machine, and enter the code {prompt.code}")
    if prompt.whole_url:
        output.note(f"or open {prompt.whole_url}")
    output.note("Nobody else has to know the code.")
    return flow.wait()


def _method(rest: RestClient, issuer: str | None) -> dict[str, str]:
    body = rest.request("GET", "/login").body
    methods = body.get("methods") if isinstance(body, dict) else None
    if not isinstance(methods, list) or not all(_is_method(method) for method in methods):
        raise RemoteProtocolError(f"{rest.url}/login was answered with no login methods")
    found = [method for method in methods if issuer in (None, method["issuer"])]
    if not found:
        known = ", ".join(method["issuer"] for method in methods) or "none"
        raise LoginFailed(f"the pool at {rest.url} lets nobody log in there; its issuers: {known}")
    return dict(found[0])


def _is_method(method: Any) -> bool:
    return isinstance(method, dict) and all(
        isinstance(method.get(name), str) for name in ("issuer", "client_id", "scope")
    )
