"""Lease tokens that were made up, changed, kept too long or used again: no session comes of them."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from accelpool_wire.errors import LeaseRevoked, ProblemError, StaleEpoch
from accelpool_wire.messages import Hello, Welcome

from ..conftest import wait_until
from ..integration.agent_rig import FakeBroker, Node, ask
from .sessions import open_session, tenant

GLOBAL_MEM_SIZE = 0x101F


@pytest.fixture(scope="module")
def broker() -> Iterator[FakeBroker]:
    with FakeBroker() as broker:
        yield broker


@pytest.fixture(scope="module")
def node(broker: FakeBroker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Node(broker, tmp_path_factory.mktemp("agent") / "state") as node:
        yield node


def parts(token: str) -> tuple[dict[str, Any], str]:
    """Return a token's claims and its signature."""
    body, _, signature = token.partition(".")
    return json.loads(urlsafe_b64decode(body)), signature


def joined(claims: object, signature: str) -> str:
    return f"{urlsafe_b64encode(json.dumps(claims).encode()).decode()}.{signature}"


def refusal(node: Node, token: str) -> str:
    return node.refusal(Hello([1], [], token)).problem


# ---- forged ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"lease": "T2"},
        {"node": "n2"},
        {"expires_at": 4e9},
        {"peers": ["127.0.0.1:7000"]},
        {"shares": []},
        {"shares": [{"device": "null/null-1", "epoch": 1, "memory_bytes": 1, "compute": 1.0}]},
        {"shares": [{"device": "null/null-0", "epoch": 1 << 40, "memory_bytes": 1 << 20, "compute": 1.0}]},
        {"shares": [{"device": "null/null-0", "epoch": 1, "memory_bytes": 1 << 40, "compute": 1.0}]},
    ],
    ids=lambda change: "-".join(change),
)
def test_no_claim_can_be_changed(broker: FakeBroker, node: Node, change: dict[str, Any]) -> None:
    claims, signature = parts(broker.token("T1", "0"))
    assert refusal(node, joined(claims | change, signature)) == "unauthorized"


def test_the_same_claims_in_other_words_need_their_own_signature(broker: FakeBroker, node: Node) -> None:
    claims, signature = parts(broker.token("T1", "0"))
    assert refusal(node, joined(dict(reversed(claims.items())), signature)) == "unauthorized"


def test_a_signature_is_of_one_token(broker: FakeBroker, node: Node) -> None:
    first, second = broker.token("T1", "0"), broker.token("T2", "1")
    claims, _ = parts(first)
    _, signature = parts(second)
    assert refusal(node, joined(claims, signature)) == "unauthorized"


@pytest.mark.parametrize(
    "signature", ["", "AA==", urlsafe_b64encode(bytes(64)).decode(), urlsafe_b64encode(b"\xff" * 64).decode()]
)
def test_a_signature_that_is_none_does_not_hold(broker: FakeBroker, node: Node, signature: str) -> None:
    claims, _ = parts(broker.token("T1", "0"))
    assert refusal(node, joined(claims, signature)) == "unauthorized"


@pytest.mark.parametrize("algorithm", ["none", "HS256", "EdDSA"])
def test_a_token_does_not_say_how_it_is_verified(broker: FakeBroker, node: Node, algorithm: str) -> None:
    token = broker.token("T1", "0")
    header = urlsafe_b64encode(json.dumps({"alg": algorithm, "typ": "JWT"}).encode()).decode()
    for forged in (
        f"{header}.{token}",
        f"{header}.{token.partition('.')[0]}.",
        f"{token.partition('.')[0]}.",
    ):
        assert refusal(node, forged) == "unauthorized"


@pytest.mark.parametrize("claims", [[], {}, None, "x", {"lease": "T1"}, [[]] * 100, {"lease": {"lease": {}}}])
def test_a_broker_that_signs_nonsense_opens_nothing(broker: FakeBroker, node: Node, claims: object) -> None:
    body = urlsafe_b64encode(json.dumps(claims).encode())
    signature = urlsafe_b64encode(broker.key.sign(body)).decode()
    assert refusal(node, f"{body.decode()}.{signature}") == "unauthorized"


# ---- expired, replayed, downgraded -----------------------------------------------------------------------


@pytest.mark.parametrize("expires_at", [0.0, -1e300, 1.0, pytest.param(time.time() - 0.001, id="just now")])
def test_a_token_past_its_time_is_refused(broker: FakeBroker, node: Node, expires_at: float) -> None:
    token = broker.token("T3", "2", expires_at=expires_at, is_granted=False)
    assert refusal(node, token) == "lease-expired"


@pytest.mark.parametrize("versions", [[], [0], [-1], [2], [2, 3], [1 << 62]])
def test_no_other_version_is_spoken(broker: FakeBroker, node: Node, versions: list[int]) -> None:
    assert node.refusal(Hello(versions, [], broker.token("T4", "2"))).problem == "invalid"


def test_an_old_token_does_not_bring_back_what_its_lease_gave_away(broker: FakeBroker, node: Node) -> None:
    token = broker.token("T5", "3", memory_bytes=1 << 20, compute=0.5)
    broker.resize("T5", 1 << 16, 0.25)

    def seen() -> int:
        with node.connect() as stream:
            welcome = ask(stream, Hello([1], [], token))
            assert isinstance(welcome, Welcome)
            size = welcome.devices[0].info[GLOBAL_MEM_SIZE]
            assert isinstance(size, int)
            return size

    wait_until(lambda: seen() == 1 << 16)


def test_a_token_is_worth_nothing_once_its_lease_is_released(null_pool: Any) -> None:
    with tenant(null_pool, "released") as first:
        endpoint, device = first.endpoint, first.device
    wait_until(lambda: isinstance(outcome(endpoint), LeaseRevoked))
    with tenant(null_pool, "next", device=device) as second:
        assert second.device == device
        assert isinstance(outcome(endpoint), LeaseRevoked | StaleEpoch)
        second.client.sync()


def outcome(endpoint: dict[str, Any]) -> ProblemError | None:
    """Return why a session is not opened."""
    try:
        open_session(endpoint).close()
    except ProblemError as error:
        return error
    return None


def test_a_lease_token_opens_nothing_at_the_broker(null_pool: Any) -> None:
    with tenant(null_pool, "wrong-door") as one:
        headers = {"Authorization": f"Bearer {one.endpoint['token']}"}
        answer = requests.get(f"{null_pool.url}/leases/{one.lease['id']}", headers=headers, timeout=60)
    assert answer.status_code == 401


@pytest.mark.parametrize("whose", ["admin", "node"])
def test_the_brokers_tokens_open_nothing_at_a_node(null_pool: Any, whose: str) -> None:
    own = (Path(null_pool.folder) / "node-1" / "token").read_text("ascii").strip()
    with tenant(null_pool, "other-door") as one:
        refused = outcome({**one.endpoint, "token": own if whose == "node" else null_pool.token})
    assert refused is not None
    assert refused.type == "unauthorized"
