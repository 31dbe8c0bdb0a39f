"""What the tests of how a client's session begins and ends share: a node that listens."""

from __future__ import annotations

import socket
from concurrent.futures import Future, ThreadPoolExecutor

from accelpool_wire import messages as m
from accelpool_wire.testing import ScriptedWorker

from ..sockets import end_writing

PATIENCE_S = 30.0
WELCOME = m.Welcome(1, [], "ses_1", m.Limits(pending=7), [m.Device("cpu", {}, {0x1000: 2})])


class Node:
    """A listening node that answers each client's first message as it is told."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(PATIENCE_S)
        self._threads = threads
        self.address: tuple[str, int] = self._server.getsockname()

    def answer(self, content: bytes) -> Future[m.Message]:
        """Serve one client: answer with bytes, close, and return what it said."""

        def serve() -> m.Message:
            stream, _ = self._server.accept()
            worker = ScriptedWorker(stream)
            try:
                first = worker.receive()[0]
                stream.sendall(content)
                return first
            finally:
                end_writing(stream)
                worker.close()

        return self._threads.submit(serve)

    def close(self) -> None:
        self._server.close()
