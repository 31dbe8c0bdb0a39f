"""A pool on this machine: a broker and an agent as child processes.

STATE/broker/    the broker's: database, signing key, tokens
STATE/node-NAME/ the agent's, where `accelpool node` has that of a node of this name, too
STATE/logs/      broker.log, node.log: what they say
STATE/up.lock    locked while the pool runs
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from accelpool.cli.children import Child
from accelpool.cli.failures import CommandFailed, StartFailed
from accelpool.rest import RestClient
from accelpool_wire.private_file import PRIVATE_DIR, PRIVATE_FILE

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 8750
BROKER_LIMIT_S = 30.0
NODE_LIMIT_S = 180.0
MAX_LOG_BYTES = 4 << 20
JOIN_TOKEN = "ACCELPOOL_JOIN_TOKEN"  # noqa: S105 - the name, not the token
DATABASE_URL = "ACCELPOOL_DATABASE_URL"


@dataclass(frozen=True, kw_only=True)
class PoolOptions:
    """What can be chosen about a pool on this machine.

    Attributes:
        state_dir: Where it keeps its state; one pool at a time.
        port: The broker's port; 0 takes any free one.
        backend: The agent's backend; None for its own default.
        node_name: The node's name; "" for this machine's.
    """

    state_dir: Path
    port: int = DEFAULT_PORT
    backend: str | None = None
    node_name: str = ""


class LocalPool:
    """A broker and an agent on loopback, from the start of a `with` block to its end.

    Its database is its own, in its state directory, whatever `ACCELPOOL_DATABASE_URL` says: a demo must
    not put its node into a pool that others use.

    Attributes:
        url: The broker's URL, once it has started.
        token: The token for its users, likewise.

    Args:
        options: What was chosen.
        variables: The environment of both processes.
    """

    def __init__(self, options: PoolOptions, variables: Mapping[str, str]) -> None:
        self.options = options
        self.url: str = ""
        self.token: str = ""
        self.node_name: str = options.node_name or node_name(platform.node())
        self._lock = -1
        state, logs = options.state_dir, options.state_dir / "logs"
        self.broker: Child = Child(
            name="broker",
            module="accelpool_broker",
            arguments=["--host", LOOPBACK, "--port", str(options.port), "--state-dir", str(state / "broker")],
            variables={name: value for name, value in variables.items() if name != DATABASE_URL},
            log_path=logs / "broker.log",
        )
        self.node: Child = Child(
            name="node",
            module="accelpool_node",
            arguments=[],
            variables=variables,
            log_path=logs / "node.log",
        )

    def start_broker(self) -> None:
        """Start the broker and wait until it listens.

        Raises:
            StartFailed: It does not start, or the state directory is in use or cannot be written.
        """
        self._take_state_dir()
        self.broker.start()
        self.url = str(self.broker.wait_ready(BROKER_LIMIT_S))
        port = self.url.rsplit(":", 1)[1]
        place = self.broker.arguments.index("--port") + 1
        self.broker.arguments[place] = port  # if it has to start again, then where its clients look for it
        self.token = self._read_token()

    def start_node(self) -> None:
        """Start the agent and wait until it has registered its devices.

        Raises:
            ProblemError, TransportError: The broker gives it no join token.
            StartFailed: It does not start.
        """
        backend = [] if self.options.backend is None else ["--backend", self.options.backend]
        self.node.arguments = [
            *("--broker", self.url),
            *("--name", self.node_name),
            *("--state-dir", str(self.options.state_dir / f"node-{self.node_name}")),
            *("--listen", f"{LOOPBACK}:0"),
            *backend,
        ]
        rest = RestClient(self.url, self.token)
        joining = rest.request("POST", "/join-tokens", json={"node": self.node_name}).body
        self.node.variables[JOIN_TOKEN] = joining["token"]
        self.node.start()
        self.node.wait_ready(NODE_LIMIT_S)
        rest.request("DELETE", f"/join-tokens/{joining['id']}")
        rest.close()

    def stop(self) -> None:
        """End the agent, then the broker. Stopping twice is stopping once."""
        self.node.stop()
        self.broker.stop()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> LocalPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _take_state_dir(self) -> None:
        state = self.options.state_dir
        try:
            state.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
            self._lock = os.open(state / "up.lock", os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for child in (self.broker, self.node):
                _begin_log(child.log_path)
        except BlockingIOError:
            raise StartFailed(
                f"another pool runs with {state}: use it, or choose another --state-dir and --port"
            ) from None
        except OSError as error:
            raise StartFailed(f"{state} cannot be the state directory: {error.strerror}") from error

    def _read_token(self) -> str:
        path = self.options.state_dir / "broker" / "tokens.json"
        try:
            return str(json.loads(path.read_bytes())["user"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CommandFailed(f"the broker left no token in {path}") from error


def node_name(hostname: str) -> str:
    """Return a node name made of a machine's: letters, digits, `.`, `_`, `-`, at most 64."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", hostname).lstrip("._-")[:64] or "localhost"


def _begin_log(path: Path) -> None:
    """Put a log that has grown large aside; the one before it is given up."""
    if path.exists() and path.stat().st_size > MAX_LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
