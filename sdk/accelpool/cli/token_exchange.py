"""An ID token against a token of the pool: at login, and again where that has ended before its lease.

the token came by               once it is refused
`login --ci`, on GitHub         a new ID token is exchanged: GitHub gives them for as long as the job runs
anything else                   the credentials file, or ACCELPOOL_TOKEN, is read again
"""

from __future__ import annotations

from contextlib import closing

from accelpool.cli.job_id_token import job_id_token
from accelpool.cli.settings import CliSettings
from accelpool.credentials import Credentials
from accelpool.errors import RemoteProtocolError
from accelpool.rest import RestClient
from accelpool.settings import token_now
from accelpool_wire.issuer import IssuerClient

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - a type's name


def exchange(rest: RestClient, id_token: str) -> dict[str, str]:
    """Return the pool's token for an ID token: `access_token`, and its `account`, `id` and `expires_at`.

    Raises:
        ProblemError: No rule lets it in.
        TransportError, RemoteProtocolError: No broker answers.
    """
    form = {"grant_type": EXCHANGE, "subject_token": id_token, "subject_token_type": ID_TOKEN}
    body = rest.request("POST", "/token-exchange", form=form).body
    names = ("access_token", "account", "id", "expires_at")
    if not isinstance(body, dict) or not all(isinstance(body.get(name), str) for name in names):
        raise RemoteProtocolError(f"{rest.url}/token-exchange was answered without a token")
    return {name: body[name] for name in names}


def token_again(pool: Credentials) -> str:
    """Return the pool's token that holds now, once the one that it has is refused; "" for none.

    Raises:
        ProblemError: No rule lets this job in any more.
        TransportError, RemoteProtocolError: GitHub, or the broker, does not answer as it should.
    """
    settings = CliSettings.from_environment()
    if not (pool.audience and settings.has_more_id_tokens):
        return token_now(pool.url)
    id_token = job_id_token(settings, pool.audience, IssuerClient(settings.issuer_ca))
    with closing(RestClient(pool.url, "", pool.ca)) as rest:
        return exchange(rest, id_token)["access_token"]
