"""All services of one broker, put together."""

from __future__ import annotations

from dataclasses import dataclass

from accelpool_broker import state_dir
from accelpool_broker.clock import Clock
from accelpool_broker.services.access import Access
from accelpool_broker.services.compute import Compute
from accelpool_broker.services.devices import Devices
from accelpool_broker.services.leases import Leases
from accelpool_broker.services.nodes import Nodes
from accelpool_broker.services.pool import Pool
from accelpool_broker.services.tenants import Tenants
from accelpool_broker.settings import Settings
from accelpool_broker.store import SqliteStore


@dataclass(frozen=True, kw_only=True)
class Services:
    """The services of one broker."""

    settings: Settings
    pool: Pool
    access: Access
    compute: Compute
    devices: Devices
    leases: Leases
    nodes: Nodes
    tenants: Tenants
    tokens: dict[str, str]

    def close(self) -> None:
        """Answer all who wait, end the compute sessions, and let go of the database."""
        self.stop_waiting()
        self.compute.close_all()
        self.pool.store.close()

    def stop_waiting(self) -> None:
        """Answer all who wait, and let nobody wait any more."""
        self.pool.lease_waiters.close()
        self.pool.node_waiters.close()


def open_services(settings: Settings, clock: Clock) -> Services:
    """Return the services on what the state directory holds, made now if it is empty.

    Raises:
        StateDirError: The state directory cannot be used.
        Unavailable: The database cannot be opened.
    """
    directory = settings.state_dir
    if directory is not None:
        state_dir.prepare(directory)
    tokens = state_dir.tokens(directory)
    key = state_dir.signing_key(directory)
    store = SqliteStore(None if directory is None else directory / state_dir.DATABASE)
    access = Access(store, key)
    access.admit(tokens, clock.now())
    pool = Pool(settings=settings, store=store, clock=clock)
    pool.resume()
    leases = Leases(pool)
    return Services(
        settings=settings,
        pool=pool,
        access=access,
        compute=Compute(pool, leases, access),
        devices=Devices(pool),
        leases=leases,
        nodes=Nodes(pool),
        tenants=Tenants(pool),
        tokens=tokens,
    )
