"""The pool that a command asks, and `accelpool credentials`, which tells its URL and token to a shell."""

from __future__ import annotations

import shlex

from accelpool import credentials as saved
from accelpool.broker import Broker
from accelpool.cli.failures import NoPool
from accelpool.cli.options import Json, Url
from accelpool.cli.output import Output
from accelpool.credentials import Credentials
from accelpool.rest import RestClient
from accelpool.settings import Settings


def credentials(url: Url = None, json: Json = False) -> None:
    """Show the pool's URL, token and authorities for a shell: `eval "$(accelpool credentials)"`.

    The token opens the pool to whoever reads it: not for logs.
    """
    found = pool_credentials(url)
    output = Output(json)
    output.document({"url": found.url, "token": found.token, "ca": found.ca})
    output.text(
        f"export ACCELPOOL_URL={shlex.quote(found.url)}",
        f"export ACCELPOOL_TOKEN={shlex.quote(found.token)}",
        *([f"export ACCELPOOL_CA={shlex.quote(found.ca)}"] if found.ca else []),
    )


def pool_credentials(url: str | None) -> Credentials:
    """Return the URL and token of the pool to ask.

    Args:
        url: The URL that was given, or None.

    Raises:
        NoPool: Neither an option, nor the environment, nor the credentials file names one.
        Unauthorized: There is no token for it.
    """
    settings = Settings.from_environment()
    if not (url or settings.url) and saved.load(settings.credentials_path) is None:
        raise NoPool(
            f"no pool is known (there is no {settings.credentials_path}): start one on this machine with "
            "`accelpool up`, log in to one with `accelpool login --url URL`, "
            "or set ACCELPOOL_URL and ACCELPOOL_TOKEN to those of a running one"
        )
    return settings.credentials(url)


def pool(url: str | None) -> Broker:
    """Return the broker of the pool to ask; errors are those of `pool_credentials`."""
    found = pool_credentials(url)
    return Broker(found.url, found.token, found.ca, is_insecure=found.is_insecure)


def client(url: str | None) -> RestClient:
    """Return a client of the pool that is meant.

    Raises:
        CommandFailed: No pool is known.
    """
    found = pool_credentials(url)
    return RestClient(found.url, found.token, found.ca)
