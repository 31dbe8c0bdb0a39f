"""ID tokens that must let nobody in, tried on a broker with rules for a real issuer."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from accelpool_broker.services.rates import BURST_S, STRANGERS_PER_S
from accelpool_broker.testing import BrokerInProcess

from ..issuer_rig import AUDIENCE, Issuer, ec_key, encoded, form, rsa_key, running

Forge = Callable[[Issuer], str]


@pytest.fixture
def broker() -> Iterator[BrokerInProcess]:
    with BrokerInProcess() as running:
        running.json("POST", "/accounts", {"name": "ci", "kind": "service"})
        yield running


@pytest.fixture
def issuer(broker: BrokerInProcess) -> Iterator[Issuer]:
    with running(now=broker.clock.now()) as found:
        trust(broker, found)
        yield found


@pytest.fixture(scope="module")
def target() -> Iterator[tuple[BrokerInProcess, Issuer]]:
    """A broker that lets nobody in, and an issuer that it trusts."""
    with BrokerInProcess(requests_per_s=0.0) as broker, running(now=broker.clock.now()) as issuer:
        broker.json("POST", "/accounts", {"name": "ci", "kind": "service"})
        trust(broker, issuer)
        yield broker, issuer


def trust(broker: BrokerInProcess, issuer: Issuer) -> None:
    claims = {"repository": "acme/solver", "ref": "refs/heads/main"}
    wanted = {"name": "r", "issuer": issuer.url, "audience": AUDIENCE, "account": "ci", "claims": claims}
    broker.json("POST", "/trust-rules", wanted)


def trade(broker: BrokerInProcess, token: str) -> Any:
    return broker.client.post("/token-exchange", data=form(token))


def assert_refused(broker: BrokerInProcess, token: str, status: int = 401) -> str:
    """Try a token; it is refused, and nothing was made for it. Return what was said."""
    answer = trade(broker, token)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json"), answer.json
    assert broker.json("GET", "/tokens?account=ci")["items"] == []
    return str(answer.json["detail"])


def by_hand(header: dict[str, Any], claims: Any, signature: bytes = b"") -> str:
    return f"{encoded(header)}.{encoded(claims)}.{encoded(signature)}"


def with_shared_secret(issuer: Issuer, secret: bytes, alg: str = "HS256") -> str:
    """Sign with what everybody knows: the public key, taken for a secret."""
    content = f"{encoded({'alg': alg, 'kid': 'rsa'})}.{encoded(issuer.claims())}"
    return f"{content}.{encoded(hmac.new(secret, content.encode(), hashlib.sha256).digest())}"


def public_pem() -> bytes:
    return rsa_key("rsa").public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def changed(token: str, **claims: Any) -> str:
    """Change what a token says, and leave its signature."""
    header, _, signature = token.split(".")
    return f"{header}.{encoded(claims)}.{signature}"


def with_wrong_bits(token: str) -> str:
    head, _, signature = token.rpartition(".")
    return f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def test_the_token_that_all_others_here_differ_from_is_let_in(
    broker: BrokerInProcess, issuer: Issuer
) -> None:
    assert trade(broker, issuer.token()).status_code == 200


FORGED: dict[str, Forge] = {
    "unsigned": lambda issuer: by_hand({"alg": "none", "kid": "rsa"}, issuer.claims()),
    "unsigned-in-capitals": lambda issuer: by_hand({"alg": "nOnE", "kid": "rsa"}, issuer.claims()),
    "without-an-algorithm": lambda issuer: by_hand({"kid": "rsa"}, issuer.claims()),
    "algorithm-of-another-type": lambda issuer: by_hand({"alg": ["RS256"], "kid": "rsa"}, issuer.claims()),
    "no-signature": lambda issuer: issuer.token().rpartition(".")[0] + ".",
    "hs256-with-the-public-key": lambda issuer: with_shared_secret(issuer, public_pem()),
    "hs256-with-the-key-set": lambda issuer: with_shared_secret(
        issuer, json.dumps(rsa_key("rsa").as_dict(private=False)).encode()
    ),
    "hs256-said-to-be-rs256": lambda issuer: with_shared_secret(issuer, public_pem(), "RS256"),
    "hs256-with-nothing": lambda issuer: with_shared_secret(issuer, b""),
    "another-key-of-the-same-name": lambda issuer: issuer.token(key=rsa_key("another")),
    "an-ec-key-said-to-be-the-rsa-one": lambda issuer: issuer.sign(
        issuer.claims(), {"kid": "rsa"}, "ES256", ec_key("another")
    ),
    "another-algorithm-of-the-key": lambda issuer: issuer.token(
        "ec", alg="ES384", key=ec_key("p384", "P-384")
    ),
    "unknown-kid": lambda issuer: issuer.token("other", key=rsa_key("another")),
    "no-kid": lambda issuer: issuer.sign(issuer.claims(), {"kid": ""}, "RS256", rsa_key("rsa")),
    "kid-of-another-type": lambda issuer: by_hand({"alg": "RS256", "kid": 1}, issuer.claims(), b"x"),
    "a-key-of-its-own-in-it": lambda issuer: issuer.sign(
        issuer.claims(),
        {"kid": "mine", "jwk": rsa_key("another").as_dict(private=False)},
        "RS256",
        rsa_key("another"),
    ),
    "a-place-for-its-key-in-it": lambda issuer: issuer.sign(
        issuer.claims(), {"kid": "mine", "jku": "https://evil.example/jwks"}, "RS256", rsa_key("another")
    ),
    "critical-extension": lambda issuer: by_hand(
        {"alg": "RS256", "kid": "rsa", "crit": ["exp"], "exp": 1}, issuer.claims(), b"x"
    ),
    "payload-of-another-form": lambda issuer: by_hand(
        {"alg": "RS256", "kid": "rsa", "b64": False, "crit": ["b64"]}, issuer.claims(), b"x"
    ),
    "changed-claims": lambda issuer: changed(issuer.token(repository="evil/x"), **issuer.claims()),
    "changed-signature": lambda issuer: with_wrong_bits(issuer.token()),
    "expired": lambda issuer: issuer.token(exp=int(issuer.now) - 61),
    "never-expires": lambda issuer: issuer.token(exp=None),
    "expires-after-days": lambda issuer: issuer.token(exp=int(issuer.now) + 3 * 86400),
    "expires-at-infinity": lambda issuer: issuer.token(exp=float("inf")),
    "expires-at-nothing": lambda issuer: issuer.token(exp=float("nan")),
    "expires-at-a-text": lambda issuer: issuer.token(exp="9999999999"),
    "expires-at-true": lambda issuer: issuer.token(exp=True),
    "not-good-yet": lambda issuer: issuer.token(nbf=int(issuer.now) + 61),
    "from-the-future": lambda issuer: issuer.token(iat=int(issuer.now) + 61),
    "of-no-time": lambda issuer: issuer.token(iat=None),
    "of-nobody": lambda issuer: issuer.token(sub=None),
    "of-somebody-with-an-endless-name": lambda issuer: issuer.token(sub="x" * 256),
    "of-somebody-invisible": lambda issuer: issuer.token(sub="a\0b"),
    "for-nobody": lambda issuer: issuer.token(aud=None),
    "for-an-object": lambda issuer: issuer.token(aud={AUDIENCE: 1}),
    "jti-of-another-type": lambda issuer: issuer.token(jti=7),
    "another-issuer": lambda issuer: issuer.token(iss="https://evil.example"),
    "almost-the-issuer": lambda issuer: issuer.token(iss=issuer.url + "/"),
    "no-issuer": lambda issuer: issuer.token(iss=None),
    "a-list-of-issuers": lambda issuer: issuer.token(iss=[issuer.url]),
    "nonsense": lambda _: "nonsense",
    "dots": lambda _: "..",
    "four-parts": lambda issuer: issuer.token() + ".x",
    "encrypted": lambda _: ".".join([encoded({"alg": "RSA-OAEP", "enc": "A256GCM"}), "a", "a", "a", "a"]),
    "lists": lambda _: by_hand([], [], b"x"),  # type: ignore[arg-type]
    "claims-are-a-list": lambda _: by_hand({"alg": "RS256", "kid": "rsa"}, [1], b"x"),
    "nested": lambda _: by_hand({"alg": "RS256", "kid": "rsa"}, b"[" * 10_000, b"x"),
    "nested-header": lambda _: encoded(b"[" * 300) + ".e30.eA",
    "not-ascii": lambda _: "é.é.é",
    "no-text": lambda _: ".".join([encoded(b"\xff\xfe"), encoded(b"\xff"), "eA"]),
}


@pytest.mark.parametrize("sort", FORGED)
def test_a_token_that_is_not_what_its_issuer_signed_lets_nobody_in(
    target: tuple[BrokerInProcess, Issuer], sort: str
) -> None:
    broker, issuer = target
    assert_refused(broker, FORGED[sort](issuer))


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "https://another-pool.example"},
        {"aud": []},
        {"aud": AUDIENCE + "/"},
        {"aud": [AUDIENCE.upper()]},
        {"repository": "evil/solver"},
        {"repository": "acme/solver-2"},
        {"repository": "ACME/solver"},
        {"repository": None},
        {"repository": {"acme/solver": True}},
        {"ref": "refs/pull/1/merge"},
        {"ref": None},
    ],
    ids=str,
)
def test_a_good_token_of_somebody_else_lets_nobody_in(
    target: tuple[BrokerInProcess, Issuer], claims: dict[str, Any]
) -> None:
    broker, issuer = target
    told = assert_refused(broker, issuer.token(**claims), 401 if claims.get("aud") == [] else 403)
    assert "acme" not in told.replace(str(issuer.claims()["sub"]), "")  # rules are not for strangers to read


def test_a_token_is_good_once_whether_it_has_a_name_or_not(broker: BrokerInProcess, issuer: Issuer) -> None:
    for token in (issuer.token(), issuer.token(jti=None), issuer.token("ec", jti=None)):
        assert trade(broker, token).status_code == 200
        assert trade(broker, token).status_code == 401
    twin = issuer.token(jti="same")
    assert trade(broker, twin).status_code == 200
    assert (
        trade(broker, issuer.token(jti="same", repository="acme/solver", iat=int(issuer.now) - 1)).status_code
        == 401
    )


def test_many_who_show_the_same_token_at_once_get_one(broker: BrokerInProcess, issuer: Issuer) -> None:
    token, codes = issuer.token(), []
    together = threading.Barrier(8)

    def show() -> None:
        together.wait(10)
        codes.append(trade(broker, token).status_code)

    threads = [threading.Thread(target=show) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(codes) == [200] + [401] * 7


def test_an_issuer_without_a_rule_is_not_even_asked(broker: BrokerInProcess, issuer: Issuer) -> None:
    with running(now=broker.clock.now()) as stranger:
        assert_refused(broker, stranger.token())
        assert stranger.asked == []


def test_an_issuer_that_is_down_is_a_typed_error_at_once(broker: BrokerInProcess, issuer: Issuer) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # and does not listen
        away = Issuer(url=f"http://127.0.0.1:{bound.getsockname()[1]}", now=issuer.now)
        trust(broker, away)
        began_at = time.monotonic()
        for _ in range(3):
            answer = trade(broker, away.token())
            assert (answer.status_code, answer.json["type"].rpartition("/")[2]) == (503, "unavailable")
            assert answer.headers["Retry-After"]
        assert time.monotonic() - began_at < 5
    assert trade(broker, issuer.token()).status_code == 200  # another one's users do not notice


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/.well-known/openid-configuration", (200, b'{"issuer": "https://evil.example"}', {})),
        ("/.well-known/openid-configuration", (302, b"{}", {"Location": "https://evil.example/"})),
        ("/jwks", (302, b"{}", {"Location": "https://evil.example/jwks"})),
        ("/jwks", (200, b'{"keys": []' + b" " * (300 << 10) + b"}", {})),
        ("/jwks", (200, b"{", {})),
        ("/jwks", (500, b"{}", {})),
    ],
)
def test_an_issuer_that_answers_otherwise_lets_nobody_in(
    broker: BrokerInProcess, issuer: Issuer, path: str, answer: Any
) -> None:
    issuer.answers[path] = answer
    assert_refused(broker, issuer.token(), 503)


def test_a_weak_key_of_the_issuer_is_not_used(broker: BrokerInProcess, issuer: Issuer) -> None:
    issuer.keys["weak"] = rsa_key("weak", 1024)
    assert_refused(broker, issuer.token("weak"))


def test_made_up_keys_do_not_have_the_broker_ask_for_each(broker: BrokerInProcess, issuer: Issuer) -> None:
    for number in range(20):
        assert_refused(broker, issuer.token(f"made-up-{number}", key=rsa_key("another")))
    assert issuer.asked.count("/jwks") == 1


def test_strangers_are_counted_by_their_address(broker: BrokerInProcess, issuer: Issuer) -> None:
    for _ in range(int(BURST_S * STRANGERS_PER_S)):
        assert trade(broker, "nonsense").status_code == 401
    assert trade(broker, "nonsense").status_code == 429
    assert broker.json("GET", "/whoami")["account"] == "admin"


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"json": {"subject_token": "x"}}, 415),
        ({"data": b"x", "content_type": "multipart/form-data; boundary=x"}, 415),
        ({"data": b"subject_token=x", "content_type": "text/plain"}, 415),
        ({"data": {"subject_token": "x"}}, 422),
        ({"data": {"grant_type": "password", "subject_token": "x"}}, 422),
        ({"data": {**form("x"), "subject_token_type": "urn:ietf:params:oauth:token-type:saml2"}}, 422),
        ({"data": {**form("x"), "scope": "accounts"}}, 422),
        ({"data": form("x" * (16 << 10) + "x")}, 422),
        ({"data": form("x" * (64 << 10))}, 413),
        ({"data": b"\xff\xfe", "content_type": "application/x-www-form-urlencoded"}, 422),
    ],
    ids=lambda value: str(value)[:60],
)
def test_another_form_is_none(broker: BrokerInProcess, options: dict[str, Any], status: int) -> None:
    answer = broker.client.post("/token-exchange", **options)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
