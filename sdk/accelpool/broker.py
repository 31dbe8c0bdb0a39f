"""The pool, as its broker shows it: devices, nodes, leases; and the way to a lease of one's own.

broker.acquire(...)  ─▶ POST /leases, wait ─▶ connect to the node ─▶ Session ─▶ Context
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from functools import lru_cache, partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Unpack

from accelpool import acquire_options, forks
from accelpool.acquire_options import AcquireOptions
from accelpool.acquisition import Acquisition, lease_record
from accelpool.connections import SessionConnection
from accelpool.credentials import Credentials
from accelpool.demand import Demand, invalid
from accelpool.device import Device, Platform
from accelpool.errors import LocalProtocolError, RemoteProtocolError, Unavailable
from accelpool.lease import LeaseKeeper, OnNotice
from accelpool.lease_request import LeaseRequest, client_name, wait_seconds
from accelpool.pool_devices import platforms
from accelpool.records import EndpointRecord, LeaseRecord, lease_path
from accelpool.reservation import Reservation
from accelpool.rest import RestClient
from accelpool.session import Session
from accelpool.session_devices import session_devices
from accelpool.settings import Settings, token_now
from accelpool.spanning import spanning
from accelpool.traced_sessions import traced
from accelpool_wire import traces
from accelpool_wire.client import Connection

if TYPE_CHECKING:
    from accelpool.context import Context

OPEN_RETRY_S = 10.0
OPEN_PAUSE_S = 0.1


class Broker:
    """One pool, and this process's leases of it. A context manager that gives them all back.

    Args:
        url: The broker's URL.
        token: The token to use it with.
        ca: The file of the authorities that vouch for its certificate; "" for those of the system.
        is_insecure: Whether nodes need no TLS, though the broker has it.
        rest: A way to the broker to use instead of HTTP to `url`.
    """

    def __init__(
        self, url: str, token: str, ca: str = "", *, is_insecure: bool = False, rest: RestClient | None = None
    ) -> None:
        self.url = url
        self.is_open: bool = True
        self._rest = rest or RestClient(url, token, ca)
        self._is_insecure = is_insecure
        self._keeper = LeaseKeeper(self._rest)
        self._sessions: weakref.WeakSet[Session] = weakref.WeakSet()
        forks.tell(self._disown)

    def acquire(
        self, kind: str | Demand | Sequence[Demand] = "any", **options: Unpack[AcquireOptions]
    ) -> Context:
        """Return a context on devices leased for this process; `with` gives them back at its end.

        The lease is renewed until the context is released, or nothing of it is in use any more.

        Args:
            kind: "gpu", "cpu", "accelerator", "custom", or "any" for the first of them that is free; or a
                `Demand`,
                or several of which the first that can be served now is.
            **options: Those of a `Demand` (api, count, memory, compute, exclusive, where, placement, image,
                tolerates, device), and those below.
            tenant: Who is charged; the pool's default without it.
            priority: Higher ones are served first; 0 without it.
            preemptible: Whether the lease may be ended for requests that come before it, after a grace time.
            max_duration: How long it lasts at most, in seconds: short ones are served sooner.
            starts_at: Reserve the devices from then on, and wait for it: a datetime, or seconds since the
                Unix epoch.
            ends_at: When it ends then.
            wait: How long to wait while no device is free, of `starts_at` from then on: True or None for as
                long as it takes, False not at all, or seconds.
            ttl: How long the lease outlives a silent client, in seconds; 60 without it.
            on_notice: Called from a thread once the lease is told that it ends soon; without it a warning is
                logged.

        Raises:
            Unsatisfiable: No device of the pool could ever satisfy the request.
            LeaseTimeout: Not granted within `wait`.
            Conflict: There is no room from `starts_at` until `ends_at`.
            Invalid: An argument is not possible, which one, and what was expected.
            Unauthorized: The broker does not know the token.
            InsecureEndpoint: The node does no TLS, and is not this machine, though the broker has it.
            TransportError: The broker or the node cannot be reached.
        """
        from accelpool.context import Context

        return Context._over_session(self._acquire_session(kind, **options))

    def reserve(
        self, kind: str | Demand | Sequence[Demand] = "any", **options: Unpack[AcquireOptions]
    ) -> Reservation:
        """Return devices reserved for a time to come, at once: nobody has to stay until then.

        Args:
            kind: As `acquire` has it.
            **options: As `acquire` has them; `starts_at` and `ends_at` have to be among them.

        Raises:
            Conflict: There is no room at that time; `members["leases"]` says who has the devices.
            Unsatisfiable: No device of the pool could ever satisfy the request.
            Invalid: An argument is not possible, which one, and what was expected.
            Unauthorized, TransportError: As `acquire` does.
        """
        self._check_open()
        request = acquire_options.read(kind, options)
        if request.starts_at is None:
            raise invalid("starts_at", "needed for a reservation, and ends_at with it", None)
        return self._reservation(Acquisition(rest=self._rest, request=request).reserve())

    def reservation(self, id: str) -> Reservation:
        """Return a reservation that was made before, by anybody.

        Raises:
            LeaseNotFound: There is no such lease.
            Conflict: It is a lease without a time.
        """
        return self._reservation(lease_record(self._rest.request("GET", lease_path(id)).body))

    def get_platforms(self) -> list[Platform]:
        """Return the platforms of the pool's devices, as `pyopencl.get_platforms` does of this machine's.

        Raises:
            Unauthorized: The broker does not know the token.
            TransportError: The broker cannot be reached. This and the lists below are not tried again.
        """
        return platforms(self._rest.pages("/devices"), self)

    def devices(self) -> list[dict[str, Any]]:
        """Return the pool's devices as the broker tells of them: attributes, capacity, what is free."""
        return self._rest.pages("/devices")

    def leases(self) -> list[dict[str, Any]]:
        """Return the pool's leases as the broker tells of them, newest first."""
        return self._rest.pages("/leases")

    def nodes(self) -> list[dict[str, Any]]:
        """Return the pool's nodes as the broker tells of them."""
        return self._rest.pages("/nodes")

    def kernels(self) -> list[dict[str, Any]]:
        """Return the kernels of the broker's library as it tells of them."""
        return self._rest.pages("/kernels")

    def whoami(self) -> dict[str, Any]:
        """Return whose token this is, as the broker tells of it: account, role, tenants, scopes."""
        answer = self._rest.request("GET", "/whoami").body
        if not isinstance(answer, dict):
            raise RemoteProtocolError(f"{self.url}/whoami answered with no object")
        return answer

    def close(self) -> None:
        """Give back all leases that were acquired here. Closing twice is closing once."""
        self.is_open = False
        for session in list(self._sessions):
            session.close()
        self._keeper.close()
        self._rest.close()

    def __enter__(self) -> Broker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<accelpool.Broker {self.url!r}>"

    def _reservation(self, record: LeaseRecord) -> Reservation:
        return Reservation(record, self._rest, self._join)

    def _join(self, record: LeaseRecord, wait: bool | float | None, on_notice: OnNotice | None) -> Context:
        """Return a context on a reservation's devices, once they are granted."""
        from accelpool.context import Context

        self._check_open()
        known = Reservation(record, self._rest, self._join)
        request = LeaseRequest(
            wait_s=wait_seconds(wait), starts_at=known.starts_at.timestamp(), client=client_name()
        )
        acquisition = Acquisition(
            rest=self._rest, request=request, record=record, is_insecure=self._is_insecure
        )
        with traces.span("accelpool.acquire"):
            return Context._over_session(self._open(acquisition.join(), request.client, on_notice))

    def _session_for(self, devices: Sequence[Device]) -> Session:
        """Return an open session on the pool's devices, one of this process where there is one already."""
        wanted = {device._key for device in devices}
        for session in list(self._sessions):
            if session.is_open and wanted <= {device._key for device in session.devices}:
                return session
        return self._lease_session(LeaseRequest.over([device.pool_id for device in devices]))

    def _acquire_session(
        self, kind: str | Demand | Sequence[Demand], **options: Unpack[AcquireOptions]
    ) -> Session:
        return self._lease_session(acquire_options.read(kind, options), options.get("on_notice"))

    def _lease_session(self, request: LeaseRequest, on_notice: OnNotice | None = None) -> Session:
        """Return an open session on the devices of a lease of its own."""
        acquisition = self._acquisition(request)
        with traces.span("accelpool.acquire"):
            record = acquisition.run()
            try:
                return self._open(record, request.client, on_notice)
            except BaseException:
                acquisition.withdraw()
                raise

    def _acquisition(self, request: LeaseRequest) -> Acquisition:
        self._check_open()
        return Acquisition(rest=self._rest, request=request, is_insecure=self._is_insecure)

    def _disown(self) -> None:
        """In a process just forked: share no connection with the other process."""
        self._keeper.disown()
        self._sessions = weakref.WeakSet()
        self._rest.disown()

    def _check_open(self) -> None:
        if not self.is_open:
            raise LocalProtocolError(f"{self!r} is closed")

    def _open(self, record: LeaseRecord, client: str, on_notice: OnNotice | None = None) -> Session:
        """Return the session on an active lease's devices."""
        self._check_open()
        opened = self._connect_all(record, client)
        connection: SessionConnection = opened[0]
        if len(opened) > 1:
            connection = spanning(record.endpoints, opened)
        connection = traced(connection, record)
        lease = self._keeper.keep(record, connection, on_notice)
        session = Session(connection, lease, self._keeper, self._rest)
        told = [each.devices for each in opened]
        session.devices = session_devices(told, record, self, session)
        self._sessions.add(session)
        return session

    def _connect_all(self, record: LeaseRecord, client: str) -> list[Connection]:
        """Return an open connection to each endpoint of a lease: to all, or to none."""
        if not record.endpoints:
            raise RemoteProtocolError(f"lease {record.id} is active, but has no endpoint")
        opened: list[Connection] = []
        try:
            for endpoint in record.endpoints:
                address: traces.Attributes = {"server.address": endpoint.host, "server.port": endpoint.port}
                with traces.part("accelpool.connect", address, is_client=True):
                    opened.append(self._connect(endpoint, client))
                if not opened[-1].devices:
                    raise RemoteProtocolError(f"node {endpoint.node} opened a session without a device")
        except BaseException:
            for connection in opened:
                connection.close()
            raise
        return opened

    def _connect(self, endpoint: EndpointRecord, client: str) -> Connection:
        """Return an open connection; a node that cannot answer now is asked again for a while."""
        until = self._rest.clock() + OPEN_RETRY_S
        while True:
            try:
                return Connection.open(
                    (endpoint.host, endpoint.port),
                    endpoint.token,
                    certificate_sha256=endpoint.certificate_sha256,
                    client=client,
                )
            except Unavailable:
                if self._rest.clock() + OPEN_PAUSE_S > until:
                    raise
                self._rest.sleep(OPEN_PAUSE_S)


def connect(url: str | None = None, token: str | None = None) -> Broker:
    """Return a pool's broker; nothing is sent yet.

    Args:
        url: The broker's URL; None for that of the environment, `accelpool up` or `login`.
        token: The token; None likewise.

    Raises:
        Unauthorized: No pool is known, or no token for it.
    """
    found = Settings.from_environment().credentials(url, token)
    return _broker(found, is_given=bool(token))


def default_broker(url: str | None = None, token: str | None = None) -> Broker:
    """Return the process's own broker for a pool: one for each URL and token, until it is closed.

    The module's own functions are those of this broker, so contexts on the same device can share a lease.

    Raises:
        Unauthorized: No pool is known, or no token for it.
    """
    found = Settings.from_environment().credentials(url, token)
    broker = _broker_for(found, is_given=bool(token))
    if not broker.is_open:
        _broker_for.cache_clear()
        broker = _broker_for(found, is_given=bool(token))
    return broker


@lru_cache(maxsize=16)
def _broker_for(found: Credentials, *, is_given: bool) -> Broker:
    return _broker(found, is_given=is_given)


def _broker(found: Credentials, *, is_given: bool) -> Broker:
    """Return a pool's broker; a token that was not given is read again once it is refused."""
    reread = str if is_given else partial(token_now, found.url)
    rest = RestClient(found.url, found.token, found.ca, reread=reread)
    return Broker(found.url, found.token, found.ca, is_insecure=found.is_insecure, rest=rest)
