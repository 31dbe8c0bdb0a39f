"""Everything that can be set about an agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from accelpool_node.agent.metrics_address import MetricsAddress
from accelpool_node.sandbox.policy import Mode


@dataclass(frozen=True, kw_only=True)
class Settings:
    """An agent's settings; `main` builds them from options and environment.

    Attributes:
        broker_url: Where the broker answers.
        name: The node's name.
        state_dir: The agent's own directory; one agent at a time.
        token: The node's token that the broker knows; "" if it is to be found in the state directory.
        join_token: What gets it one there, "" if there should be one.
        join_source: Where that came from: a file, or a variable.
        token_files: The files that these came from, if any.
        backend: "auto" for whatever there is, "opencl" or "cuda" for one of them, or "null:COUNT",
            "null-cuda:COUNT" or "null-both:COUNT" for devices that need nothing.
        listen: Host and port of the data plane; port 0 for any.
        advertise: The host and port that clients are told; port 0 for the one listened on.
        is_secure: Whether clients and other nodes come over TLS.
        tls_cert: The file of the node's certificate for that, or None to make one at the start.
        tls_key: The file of its key.
        ca: The file of the authorities that vouch for the broker's certificate; None for those of the system.
        environments: The operator's file of driver environments, or None.
        warm: Idle workers kept per driver environment.
        sandbox: How much of a sandbox children have to have.
        worker_user: Who children are if the agent is root; see `users.parse`.
        cgroup: A directory for control groups of children, "auto" for one that is the agent's, "" for none.
        bubblewrap: The program that children are started in, by name or path; "" for none.
        mps_pipe: Where MPS's daemon is, which shares out CUDA devices; "" to have sessions take turns.
        metrics: Where metrics are told, None for nowhere.
        disk_bytes: What children may have on disk, together.
        variables: What child processes see of the agent's environment.
        sessions_per_lease: Sessions that one lease may have open on this node at once.
        handshake_limit_s: A client's first frame must be here by then.
        discovery_limit_s: A discovery child must have answered by then.
        start_limit_s: A worker must have loaded its driver by then.
        begin_limit_s: A warm worker that has not taken its client over by then is hung; another one is asked.
        hang_limit_s: A worker silent for so long is hung, unless it has said that it may be silent.
        command_limit_s: A command that runs for longer is hung, and a worker that may be silent for so long.
        end_limit_s: A worker told to end, or that said its last word, has so long to exit.
        query_limit_s: How long to wait for a session's end when a client asks what became of it.
        reprobe_s: How soon a faulty device is probed again at first; the time doubles up to an hour.
    """

    broker_url: str
    name: str
    state_dir: Path
    token: str = field(repr=False)
    join_token: str = field(default="", repr=False)
    join_source: str = ""
    token_files: tuple[Path, ...] = ()
    backend: str = "auto"
    listen: tuple[str, int] = ("127.0.0.1", 0)
    advertise: tuple[str, int] = ("127.0.0.1", 0)
    is_secure: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    ca: Path | None = None
    environments: Path | None = None
    warm: int = 1
    sandbox: Mode = Mode.AUTO
    worker_user: str = "auto"
    cgroup: str = ""
    bubblewrap: str = ""
    mps_pipe: str = ""
    metrics: MetricsAddress | None = None
    disk_bytes: int = 8 << 30
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    sessions_per_lease: int = 16
    handshake_limit_s: float = 5.0
    discovery_limit_s: float = 60.0
    start_limit_s: float = 60.0
    begin_limit_s: float = 3.0
    hang_limit_s: float = 10.0
    command_limit_s: float = 600.0
    end_limit_s: float = 2.0
    query_limit_s: float = 1.0
    reprobe_s: float = 60.0
