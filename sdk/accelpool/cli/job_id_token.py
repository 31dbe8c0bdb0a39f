"""The ID token of the CI job that this is.

    ACCELPOOL_ID_TOKEN                                                 the token itself (GitLab: `id_tokens`)
    ACTIONS_ID_TOKEN_REQUEST_URL, ACTIONS_ID_TOKEN_REQUEST_TOKEN       where GitHub gives one, and what for

A job of GitHub has the latter two with `permissions: id-token: write`, and gets as many as it asks for.
GitLab gives one, which is good for one exchange: what that gets has to last for the job.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from accelpool.cli.failures import LoginFailed
from accelpool.cli.settings import CliSettings
from accelpool.errors import RemoteProtocolError


class Asks(Protocol):
    """What is needed of an issuer; see `accelpool_wire.issuer.IssuerClient`."""

    def get(self, url: str, headers: dict[str, str]) -> dict[str, Any]:
        """Return a document."""
        ...


def job_id_token(settings: CliSettings, audience: str, client: Asks) -> str:
    """Return the ID token of this job.

    Args:
        settings: The environment's say.
        audience: Whom it shall be meant for, where that can be chosen.
        client: Asks for it.

    Raises:
        LoginFailed: This is no CI job that has one.
        Invalid, RemoteProtocolError: What answers is not GitHub.
        TransportError: Nobody answers.
    """
    if settings.id_token:
        return settings.id_token
    if not (settings.github_url and settings.github_token):
        raise LoginFailed(
            "this job has no ID token: GitLab gives one as ACCELPOOL_ID_TOKEN (`id_tokens`), GitHub with "
            "`permissions: id-token: write`"
        )
    split = urlsplit(settings.github_url)
    query = urlencode([*parse_qsl(split.query), ("audience", audience)])
    answer = client.get(
        urlunsplit((split.scheme, split.netloc, split.path, query, "")),
        {"Authorization": f"Bearer {settings.github_token}"},
    )
    token = answer.get("value")
    if not isinstance(token, str) or not token:
        raise RemoteProtocolError(f"{split.hostname} answered without an ID token")
    return token


def may_outlive(settings: CliSettings, expires_at: str) -> bool:
    """Return whether this job may still run when what it has got for its only ID token ends.

    Args:
        settings: The environment's say; where that is not GitLab's, nothing is known.
        expires_at: When that ends, as the broker says it.
    """
    try:
        until = datetime.fromisoformat(settings.job_started_at) + timedelta(
            seconds=float(settings.job_timeout_s)
        )
        return datetime.fromisoformat(expires_at) < until
    except (ValueError, OverflowError, TypeError):  # not told, or not as it should be
        return False
