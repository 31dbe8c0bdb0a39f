"""Who is told of events: a web server on loopback that keeps what it is sent."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Message:
    """What came, with the headers' names in small letters."""

    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def is_signed_with(self, secret: str) -> bool:
        """Whether the signature is that of Standard Webhooks, made anew here."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        told = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        made = base64.b64encode(hmac.new(key, told, hashlib.sha256).digest()).decode()
        return hmac.compare_digest(f"v1,{made}", self.headers["webhook-signature"])


class Receiver:
    """The server, as a context manager.

    Args:
        context: What it does TLS with; None to do without.

    Attributes:
        statuses: What the next messages are answered; after these 204.
        location: Where to the answers redirect, "" for none.
    """

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._scheme = "http" if context is None else "https"
        self.messages: list[Message] = []
        self.statuses: list[int] = []
        self.location = ""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.messages.append(Message(headers=headers, body=body))
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 204)
                if receiver.location:
                    self.send_header("Location", receiver.location)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                pass  # who does not trust the certificate leaves in the middle of the handshake

        self._server = Server(("127.0.0.1", 0), Handler)
        if context is not None:
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Receiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}/told"

    @property
    def port(self) -> int:
        return self._server.server_port

    def kinds(self) -> list[str]:
        return [message.json["type"] for message in self.messages]


@contextmanager
def dripping(begin: bytes, each: bytes) -> Iterator[int]:
    """Serve, on the port that is given, who is never silent for long and never comes to an end."""
    is_over = threading.Event()

    def drip() -> None:
        stream, _ = listening.accept()
        with stream, suppress(OSError):
            stream.sendall(begin)
            while not is_over.wait(0.02):
                stream.sendall(each)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        dropping = threading.Thread(target=drip)
        dropping.start()
        yield int(listening.getsockname()[1])
        is_over.set()
        dropping.join()
