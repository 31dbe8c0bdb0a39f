"""An OpenID Connect issuer on loopback: real HTTP, real keys, and whatever a test wants to be wrong."""

from __future__ import annotations

import base64
import functools
import json
import ssl
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey

AUDIENCE = "https://pool.example"
CLIENT = "accelpool-cli"
ALGORITHMS = ("RS256", "PS256", "RS512", "ES256", "ES384")
PLACES = ("/.well-known/openid-configuration", "/jwks", "/device", "/token", "/github")


@functools.cache
def rsa_key(name: str, bits: int = 2048) -> RSAKey:
    made = generate_private_key(65537, bits)
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some are weak on purpose
        return RSAKey.import_key(pem, {"kid": name, "use": "sig", "alg": "RS256"})


@functools.cache
def ec_key(name: str, curve: str = "P-256") -> ECKey:
    return ECKey.generate_key(curve, {"kid": name})


@dataclass
class Issuer:
    """An issuer, and what it does next.

    Attributes:
        keys: Its keys, by name; all are published.
        now: What time it is for it.
        answers: Other answers, by path: a status, a body and headers.
        asked: The paths that were asked for.
        decision: What it tells a device that asks whether its user has logged in.
        person: The claims of who logs in.
    """

    keys: dict[str, Key] = field(default_factory=lambda: {"rsa": rsa_key("rsa"), "ec": ec_key("ec")})
    now: float = field(default_factory=time.time)
    answers: dict[str, tuple[int, bytes, dict[str, str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    decision: list[str] = field(default_factory=list)
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "u-1", "preferred_username": "mira"})
    interval_s: float = 1
    url: str = ""
    serial: int = 0

    def token(self, kid: str = "rsa", alg: str = "", key: Key | None = None, **claims: Any) -> str:
        """Return an ID token; a claim of None is left out, others are those of a CI job, or a person."""
        return self.sign(self.claims(**claims), {"kid": kid}, alg, key or self.keys[kid])

    def claims(self, **claims: Any) -> dict[str, Any]:
        """Return what an ID token says."""
        self.serial += 1
        usual = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "repo:acme/solver:ref:refs/heads/main",
            "iat": int(self.now),
            "nbf": int(self.now),
            "exp": int(self.now) + 300,
            "jti": f"id-{self.serial}",
        }
        if claims.get("aud") != CLIENT:
            usual |= {"repository": "acme/solver", "ref": "refs/heads/main"}
        return {name: value for name, value in {**usual, **claims}.items() if value is not None}

    def sign(self, claims: dict[str, Any], header: dict[str, Any], alg: str, key: Key) -> str:
        """Return claims, signed."""
        alg = alg or ("RS256" if isinstance(key, RSAKey) else "ES256")
        return jwt.encode({"alg": alg, **header}, claims, key, algorithms=ALGORITHMS)

    def answer(self, method: str, path: str, query: str, body: str, headers: Any) -> tuple[int, Any]:
        """Return the answer to a request."""
        form = {name: values[0] for name, values in parse_qs(body).items()}
        if method == "POST":
            self.forms.append(form)
        if path == "/.well-known/openid-configuration":
            return 200, {
                "issuer": self.url,
                "jwks_uri": f"{self.url}/jwks",
                "device_authorization_endpoint": f"{self.url}/device",
                "token_endpoint": f"{self.url}/token",
            }
        if path == "/jwks":
            return 200, {"keys": [key.as_dict(private=False) for key in self.keys.values()]}
        if path == "/device":
            return 200, {
                "device_code": "device-secret",
                "user_code": "WDJB-MJHT",
                "verification_uri": f"{self.url}/activate",
                "verification_uri_complete": f"{self.url}/activate?user_code=WDJB-MJHT",
                "expires_in": 60,
                "interval": self.interval_s,
            }
        if path == "/token":
            return self._poll(form)
        if path == "/github":
            assert headers["Authorization"] == "Bearer of-the-job"
            asked = {name: values[0] for name, values in parse_qs(query).items()}
            claims = {"repository": asked["repository"]} if "repository" in asked else {}
            return 200, {"value": self.token(aud=asked["audience"], **claims)}
        return 404, {}

    def _poll(self, form: dict[str, str]) -> tuple[int, Any]:
        if form.get("device_code") != "device-secret" or form.get("client_id") != CLIENT:
            return 400, {"error": "invalid_grant"}
        decision = self.decision.pop(0) if self.decision else "granted"
        if decision != "granted":
            return 400, {"error": decision}
        person = {"aud": CLIENT, **self.person}
        return 200, {"access_token": "not-ours", "token_type": "Bearer", "id_token": self.token(**person)}


@contextmanager
def running(certificate: tuple[str, str] | None = None, **options: Any) -> Iterator[Issuer]:
    """Give an issuer that listens, over TLS if there are files of a certificate and its key."""
    issuer = Issuer(**options)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve("GET")

        def do_POST(self) -> None:
            self._serve("POST")

        def _serve(self, method: str) -> None:
            split = urlsplit(self.path)
            issuer.asked.append(split.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            if split.path in issuer.answers:
                status, content, headers = issuer.answers[split.path]
            else:
                status, document = issuer.answer(method, split.path, split.query, body, self.headers)
                content, headers = json.dumps(document).encode(), {}
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    issuer.url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def encoded(content: Any) -> str:
    """Return JSON, or bytes as they are, as a part of a token."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def form(token: str) -> dict[str, str]:
    """Return the form that exchanges an ID token."""
    return {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
    }
