"""A broker with a service account, trust rules of it, and the exchange of an issuer's ID tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from accelpool_broker.testing import BrokerInProcess

from ..issuer_rig import AUDIENCE, CLIENT, Issuer, form


@contextmanager
def running_broker() -> Iterator[BrokerInProcess]:
    with BrokerInProcess() as running:
        running.json("POST", "/accounts", {"name": "ci", "kind": "service", "tenants": ["vision"]})
        yield running


def rule(broker: BrokerInProcess, issuer: Issuer, **members: Any) -> Any:
    """Make a rule, by default for a CI job."""
    usual = {"name": "solver", "issuer": issuer.url, "audience": AUDIENCE, "account": "ci"}
    claims = {"repository": "acme/solver", "ref": "refs/heads/*"}
    return broker.json("POST", "/trust-rules", {**usual, "claims": claims, **members})


def of_people(broker: BrokerInProcess, issuer: Issuer, **members: Any) -> Any:
    usual = {"name": "people", "account": None, "audience": None, "role": "member", "tenants": ["vision"]}
    return rule(broker, issuer, **{**usual, "claims": {}, "client_id": CLIENT, **members})


def trade(broker: BrokerInProcess, token: str) -> Any:
    return broker.client.post("/token-exchange", data=form(token))


def told(answer: Any) -> tuple[int, str]:
    assert answer.mimetype == "application/problem+json"
    return answer.status_code, answer.json["type"].rpartition("/")[2]
