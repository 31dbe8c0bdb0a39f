"""All services of one broker, put together."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from accelpool_broker import state_dir
from accelpool_broker.clock import Clock
from accelpool_broker.services.access import Access
from accelpool_broker.services.accounts import Accounts
from accelpool_broker.services.audit import Audit
from accelpool_broker.services.changes import Change
from accelpool_broker.services.compute import Compute
from accelpool_broker.services.devices import Devices
from accelpool_broker.services.enrolment import Enrolment
from accelpool_broker.services.events import Events
from accelpool_broker.services.exchange import Exchange
from accelpool_broker.services.issuers import Issuers
from accelpool_broker.services.leases import Leases
from accelpool_broker.services.nodes import Nodes
from accelpool_broker.services.pool import Pool
from accelpool_broker.services.pool_metrics import PoolMetrics
from accelpool_broker.services.pruning import Pruning
from accelpool_broker.services.rates import RequestRates
from accelpool_broker.services.readiness import Readiness
from accelpool_broker.services.signing import signing_key
from accelpool_broker.services.tenants import Tenants
from accelpool_broker.services.tokens import Tokens
from accelpool_broker.services.trust import TrustRules
from accelpool_broker.services.webhook_delivery import WebhookDelivery
from accelpool_broker.services.webhooks import Webhooks
from accelpool_broker.settings import Settings
from accelpool_broker.store import open_store
from accelpool_wire.errors import Unavailable
from accelpool_wire.issuer import IssuerClient


@dataclass(frozen=True, kw_only=True)
class Services:
    """The services of one broker."""

    settings: Settings
    pool: Pool
    access: Access
    accounts: Accounts
    audit: Audit
    compute: Compute
    devices: Devices
    enrolment: Enrolment
    events: Events
    exchange: Exchange
    leases: Leases
    nodes: Nodes
    rates: RequestRates
    readiness: Readiness
    tenants: Tenants
    tokens: Tokens
    trust_rules: TrustRules
    webhooks: Webhooks
    webhook_delivery: WebhookDelivery
    file_tokens: dict[str, str]

    def close(self) -> None:
        """Answer all who wait, end the compute sessions, and let go of the database."""
        self.stop_waiting()
        self.compute.close_all()
        with suppress(Unavailable):
            self.audit.close()
        self.pool.store.close()

    def stop_waiting(self) -> None:
        """Answer all who wait, let nobody wait any more, and tell probes so."""
        self.readiness.stop()
        self.pool.lease_waiters.close()
        self.pool.node_waiters.close()
        self.pool.followers.close()


def open_services(settings: Settings, clock: Clock) -> Services:
    """Return the services on what the state directory and the database hold, made now if they are empty.

    Raises:
        DatabaseUrlError: The database's URL cannot be used.
        StateDirError: The state directory cannot be used.
        Unavailable: The database cannot be opened.
    """
    directory = settings.state_dir
    if directory is not None:
        state_dir.prepare(directory)
    tokens = state_dir.tokens(directory)
    store = open_store(settings.database_url, None if directory is None else directory / state_dir.DATABASE)
    access = Access(store, signing_key(store, directory, clock.now()), clock)
    access.admit(tokens)
    pool = Pool(settings=settings, store=store, clock=clock)
    pool.meter.registry.register(PoolMetrics(pool))
    pool.on_accounts = access.credentials.forget
    audit = Audit(pool)
    pruning = Pruning(settings)
    pool.on_tick = lambda change: _tick(access, audit, pruning, change)
    pool.resume()
    leases = Leases(pool)
    services = Services(
        settings=settings,
        pool=pool,
        access=access,
        accounts=Accounts(pool),
        audit=audit,
        compute=Compute(pool, leases, access),
        devices=Devices(pool),
        enrolment=Enrolment(pool),
        events=Events(pool),
        exchange=Exchange(pool, Issuers(IssuerClient(str(settings.issuer_ca or "")))),
        leases=leases,
        nodes=Nodes(pool),
        rates=RequestRates(settings, clock),
        readiness=Readiness(store),
        tenants=Tenants(pool),
        tokens=Tokens(pool),
        trust_rules=TrustRules(pool),
        webhooks=Webhooks(pool),
        webhook_delivery=WebhookDelivery(pool),
        file_tokens=tokens,
    )
    store.subscribe(pool.tell)
    return services


def _tick(access: Access, audit: Audit, pruning: Pruning, change: Change) -> None:
    """Note which tokens were used and what was refused, and forget what is old."""
    access.credentials.write_use(change.tx, change.now)
    audit.tick(change)
    pruning.tick(change)
