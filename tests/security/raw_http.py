"""An HTTP client that sends what it is told, byte by byte, and reads whatever comes until the end."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

PATIENCE_S = 60.0
JSON = "Content-Type: application/json"
LAST = "Connection: close"


@dataclass(frozen=True)
class Answer:
    """One answer: its status and its body."""

    status: int
    body: bytes


class RawHttp:
    """Speaks to a pool's broker.

    Args:
        pool: The pool.
    """

    def __init__(self, pool: Any) -> None:
        self.authorization = f"Authorization: Bearer {pool.token}"
        split = urlsplit(pool.url)
        self.address = split.hostname, split.port

    def connect(self) -> socket.socket:
        """Return a connection."""
        return socket.create_connection(self.address, PATIENCE_S)

    def request(self, line: str, *headers: str, body: bytes = b"", is_known: bool = True) -> bytes:
        """Return a request, with the token unless told otherwise."""
        known = [self.authorization] if is_known else []
        return "\r\n".join([line, "Host: pool", *known, *headers, "", ""]).encode("latin-1") + body

    def talk(self, content: bytes) -> list[Answer]:
        """Send something and return all answers until the broker closes the connection."""
        with self.connect() as stream:
            with contextlib.suppress(ConnectionError):  # it may have heard enough
                stream.sendall(content)
            return parse(read_all(stream))

    def say(self, line: str, *headers: str, body: bytes = b"", is_known: bool = True) -> Answer:
        """Send one request, the last of its connection, and return the answer."""
        content = self.request(line, *headers, LAST, body=body, is_known=is_known)
        (answer,) = self.talk(content)
        return answer


def read_all(stream: socket.socket) -> bytes:
    """Return what comes until the end, which a reset is too."""
    content = b""
    with contextlib.suppress(ConnectionError):
        while part := stream.recv(65536):
            content += part
    return content


def parse(content: bytes) -> list[Answer]:
    """Return the answers in what came; each has a length, or is the last."""
    answers = []
    while content:
        head, _, content = content.partition(b"\r\n\r\n")
        version, status = head.split(b" ", 2)[:2]
        assert version == b"HTTP/1.1", head
        fields = [line.partition(b":")[::2] for line in head.split(b"\r\n")[1:]]
        sizes = [int(value) for name, value in fields if name.lower() == b"content-length"]
        size = sizes[0] if sizes else len(content)
        answers.append(Answer(int(status), content[:size]))
        content = content[size:]
    return answers
