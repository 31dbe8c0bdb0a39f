"""The document of each command that takes `--json`, and its JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from accelpool.cli.documents import access
from accelpool.cli.documents import records as r
from accelpool.cli.documents.records import Instant, Record

ERROR = "error"  # no command: what any of them prints where it fails
EVENT = "event"  # no command: a line of `events --follow`
DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Failure(Record, frozen=True, kw_only=True):
    """Why a command failed; of OpenCL's errors `routine` and `code`, too."""

    type: str
    detail: str
    routine: str = ""
    code: int = 0


class Failed(Record, frozen=True, kw_only=True):
    """What any command prints instead, where it fails."""

    error: Failure


class Up(Record, frozen=True, kw_only=True):
    """A pool on this machine."""

    url: str
    node: str
    devices: int
    faulty_devices: int
    state_dir: str
    credentials: str


class ChosenDevice(Record, frozen=True, kw_only=True):
    """The device that a command took."""

    id: str
    name: str
    node: str
    kind: str


class Errors(Record, frozen=True, kw_only=True):
    """The largest difference from SciPy's results, in grey levels of 255."""

    blur: float
    sobel: float


class Demo(Record, frozen=True, kw_only=True):
    """What the demo did."""

    device: ChosenDevice
    broker: str
    seconds: dict[str, float]
    largest_error: Errors
    is_right: bool
    files: list[str]


class Figure(Record, frozen=True, kw_only=True):
    """What was measured, in "us", "ms", "1/s" or "GB/s"; `local` is null where nothing was measured here."""

    name: str
    unit: str
    pool: float
    local: float | None


class Bench(Record, frozen=True, kw_only=True):
    """How a device does; `is_right` is null of one that computes nothing."""

    device: ChosenDevice
    figures: list[Figure]
    is_right: bool | None


class Finding(Record, frozen=True, kw_only=True):
    """One thing that the doctor looked at."""

    check: str
    status: str
    detail: str
    mend: str
    need: str


class Doctor(Record, frozen=True, kw_only=True):
    """What works here."""

    ok: bool
    can_compute: bool
    reaches_pool: bool
    findings: list[Finding]


class Credentials(Record, frozen=True, kw_only=True):
    """How the pool is asked."""

    url: str
    token: str
    ca: str


class LoggedIn(Record, frozen=True, kw_only=True):
    """Who logged in where."""

    url: str
    account: str
    token: str
    expires_at: Instant | None


class Login(Record, frozen=True, kw_only=True):
    """A login."""

    login: LoggedIn


class Acquire(Record, frozen=True, kw_only=True):
    """The lease of a shell."""

    lease: str
    variables: dict[str, str]


class Devices(Record, frozen=True, kw_only=True):
    """The pool's devices."""

    devices: list[r.Device]


class Leases(Record, frozen=True, kw_only=True):
    """The pool's leases."""

    leases: list[r.Lease]


class Smi(Record, frozen=True, kw_only=True):
    """The pool's devices, and the leases that are active and queued."""

    devices: list[r.Device]
    leases: list[r.Lease]


class SandboxedNode(r.Node, frozen=True, kw_only=True):
    """A node, with what confines its workers."""

    sandbox: list[dict[str, Any]]


class Nodes(Record, frozen=True, kw_only=True):
    """The pool's nodes."""

    nodes: list[SandboxedNode]


class Kernel(Record, frozen=True, kw_only=True):
    """A kernel of the library; of one that is asked for `code`, too."""

    name: str
    summary: str
    apis: list[str]
    arguments: list[dict[str, Any]]
    ndrange: dict[str, Any]
    source: str
    tolerance: str
    code: str = ""


class Kernels(Record, frozen=True, kw_only=True):
    """The kernel library: `kernels`, or the one `kernel` that was asked for."""

    kernels: list[Kernel] = msgspec.field(default_factory=list)
    kernel: Kernel | None = None


class Ended(Record, frozen=True, kw_only=True):
    """A lease that has ended; `state` is null where only its keeper was asked."""

    id: str
    state: str | None
    reason: str | None


class Release(Record, frozen=True, kw_only=True):
    """What became of a lease."""

    lease: Ended


class Explain(Record, frozen=True, kw_only=True):
    """Why a lease waits."""

    explanation: r.Explanation


class LeaseToken(Record, frozen=True, kw_only=True):
    """Until when a lease's token for an endpoint opens sessions; null if nobody tells."""

    node: str
    environment: str
    expires_at: Instant | None


class LiveSession(Record, frozen=True, kw_only=True):
    """A session under a lease, as its node last reported it."""

    id: str
    node: str


class LeaseShow(Record, frozen=True, kw_only=True):
    """All of a lease, with what happened to it, oldest first."""

    lease: r.Lease
    tokens: list[LeaseToken]
    sessions: list[LiveSession]
    events: list[r.Event]


class Events(Record, frozen=True, kw_only=True):
    """What happened, oldest first; with --follow each line is one event."""

    events: list[r.Event]


class ChangedLease(Record, frozen=True, kw_only=True):
    """A lease as it is afterwards."""

    lease: r.Lease


class ChangedNode(Record, frozen=True, kw_only=True):
    """A node as it is afterwards."""

    node: r.Node


class Certificate(Record, frozen=True, kw_only=True):
    """A certificate that was made."""

    cert: str
    key: str
    expires_at: str


class Simulated(Record, frozen=True, kw_only=True):
    """What the simulator measured, by policy, and the picture's path."""

    policies: list[dict[str, Any]]
    plot: str | None


class Web(Record, frozen=True, kw_only=True):
    """The link to the web page, with the token in it."""

    url: str


class Version(Record, frozen=True, kw_only=True):
    """The version."""

    version: str


DOCUMENTS: Mapping[str, type[Record]] = {
    "account change": access.ChangedAccount,
    "account create": access.ChangedAccount,
    "account disable": access.ChangedAccount,
    "account enable": access.ChangedAccount,
    "account list": access.Accounts,
    "acquire": Acquire,
    "audit": access.Audit,
    "bench": Bench,
    "ca create": Certificate,
    "ca issue": Certificate,
    "ca renew": Certificate,
    "credentials": Credentials,
    "demo": Demo,
    "devices": Devices,
    "doctor": Doctor,
    ERROR: Failed,
    EVENT: r.Event,
    "events": Events,
    "explain": Explain,
    "kernels": Kernels,
    "lease explain": Explain,
    "lease extend": ChangedLease,
    "lease list": Leases,
    "lease ls": Leases,
    "lease release": Release,
    "lease resize": ChangedLease,
    "lease show": LeaseShow,
    "leases": Leases,
    "login": Login,
    "node cordon": ChangedNode,
    "node drain": ChangedNode,
    "node join-token create": access.CreatedJoinToken,
    "node join-token list": access.JoinTokens,
    "node join-token revoke": access.RevokedJoinToken,
    "node label": ChangedNode,
    "node taint": ChangedNode,
    "node uncordon": ChangedNode,
    "nodes": Nodes,
    "release": Release,
    "simulate": Simulated,
    "smi": Smi,
    "tenant": access.ChangedTenant,
    "tenants": access.Tenants,
    "token create": access.CreatedToken,
    "token list": access.Tokens,
    "token revoke": access.RevokedToken,
    "token rotate": access.CreatedToken,
    "trust add": access.CreatedTrustRule,
    "trust list": access.TrustRules,
    "trust remove": access.RemovedTrustRule,
    "up": Up,
    "version": Version,
    "web": Web,
    "webhook add": access.CreatedWebhook,
    "webhook disable": access.ChangedWebhook,
    "webhook enable": access.ChangedWebhook,
    "webhook list": access.Webhooks,
    "webhook remove": access.RemovedWebhook,
    "webhook show": access.ChangedWebhook,
    "whoami": access.Whoami,
}


def schema(command: str) -> dict[str, Any]:
    """Return the JSON Schema of a command's document.

    Args:
        command: By its words, as "lease show"; one of `DOCUMENTS`.
    """
    return {
        "$schema": DIALECT,
        "title": f"accelpool {command} --json",
        **msgspec.json.schema(DOCUMENTS[command]),
    }
