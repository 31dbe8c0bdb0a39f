"""The queries of the store, one method each, on the records of `models`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import Select, bindparam, delete, func, inspect, select, text, update
from sqlalchemy.orm import aliased, joinedload, selectinload
from sqlalchemy.orm.util import identity_key

from accelpool_broker.models import (
    Base,
    Counter,
    Device,
    Lease,
    LeaseState,
    Node,
    NodeState,
    Session,
    Share,
    SigningKey,
    Tenant,
)
from accelpool_broker.news import NOTHING, News
from accelpool_broker.queries.accounts import AccountQueries
from accelpool_broker.queries.errors import translated
from accelpool_broker.queries.events import EventQueries
from accelpool_broker.queries.metrics import MetricsQueries
from accelpool_broker.queries.session import Database
from accelpool_broker.queries.trust import TrustQueries
from accelpool_broker.queries.webhooks import WebhookQueries
from accelpool_broker.tenant_paths import is_within
from accelpool_wire.errors import Unavailable

COUNTERS = Counter.__table__.c
READ_WRITES = select(COUNTERS.value).where(COUNTERS.name == "writes")
COUNT_WRITE = (
    update(COUNTERS.value.table)
    .where(COUNTERS.name == "writes")
    .values(value=COUNTERS.value + 1)
    .returning(COUNTERS.value)
)
NODES = Node.__table__.c
FORM = text("SELECT version_num FROM alembic_version")
BUMP_REVISIONS = (
    update(NODES.name.table)
    .where(NODES.name.in_(bindparam("names", expanding=True)))
    .values(revision=NODES.revision + 1)
)
OPEN_STATES = (LeaseState.QUEUED, LeaseState.ACTIVE)

# Queries of every acquire and release, put together once: that costs more than to carry them out.
LEASE = (
    select(Lease)
    .where(Lease.id == bindparam("id"))
    .options(joinedload(Lease.shares).joinedload(Share.device).joinedload(Device.node))
)
WITH_FACES = (
    select(Device)
    .where(
        Device.is_present,
        Device.hardware.in_(select(Device.hardware).where(Device.id.in_(bindparam("ids", expanding=True)))),
    )
    .options(joinedload(Device.node))
    .order_by(Device.number)
)


class Transaction(AccountQueries, TrustQueries, EventQueries, MetricsQueries, WebhookQueries):
    """What can be asked of the store within one transaction; changed records are written at its end.

    Attributes:
        news: What other brokers are told when it commits.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._writes: int | None = None
        self.news = NOTHING

    def begin_to_write(self) -> None:
        """Wait until no other transaction writes, and keep others from it until this one ends."""
        self._writes = self._database.scalars(COUNT_WRITE).one()

    def writes(self) -> int:
        """Return how many transactions have written, this one included: it tells states of the pool apart."""
        writes = self._writes
        if writes is None:
            writes = self._writes = self._database.scalars(READ_WRITES).one()
        return writes

    @contextmanager
    def part(self) -> Iterator[None]:
        """Make the changes in the block, or none of them if it fails: those before it stay."""
        try:
            with translated(), self._database.begin_nested():
                yield
        except Unavailable:
            raise
        except BaseException:
            self._database.sent, self._database.removed = [], []
            with translated():
                self._restore()
            raise

    def _restore(self) -> None:
        """Read anew what was undone: who changed the same before, in this transaction, has it in hand."""
        records = list(self._database.identity_map.values())
        for record in records:
            if inspect(record).expired:
                self._database.refresh(record)
        leases = [record.number for record in records if isinstance(record, Lease)]
        query = _with_shares(select(Lease).where(Lease.number.in_(leases)))
        self._database.scalars(query.execution_options(populate_existing=True)).all()

    def take_sent(self) -> tuple[list[Base], list[Base]]:
        """Send the changes so far; return the records written since the last call, and those deleted."""
        self._database.flush()
        sent, removed = self._database.sent, self._database.removed
        self._database.sent, self._database.removed = [], []
        return sent, removed

    def add(self, record: Base) -> None:
        """Keep a new record."""
        self._database.add(record)

    def remove(self, record: Base) -> None:
        """Forget a record."""
        self._database.delete(record)

    def flush(self) -> None:
        """Send the changes so far, so that the database's constraints are checked and numbers given."""
        self._database.flush()

    def refresh_use(self, devices: Iterable[Device]) -> None:
        """Read anew, after the changes so far, what is used of devices: triggers change it."""
        self._database.flush()
        for device in devices:
            self._database.refresh(device, ["used_memory_bytes", "used_compute_ppm"])

    def publish(self, news: News) -> None:
        """Tell other brokers when this transaction commits."""
        self.news = news

    def notify(self, channel: str, message: str) -> None:
        """Send a message to PostgreSQL's listeners when this transaction commits."""
        self._database.execute(select(func.pg_notify(channel, message)))

    def form(self) -> str:
        """Return which form the database's tables have, as Alembic names it; "" if they have none."""
        return str(self._database.scalars(FORM).one_or_none() or "")

    def signing_key(self) -> SigningKey | None:
        """Return the key that signs lease tokens, if it is kept here."""
        return self._database.scalars(select(SigningKey)).one_or_none()

    # ---- tenants

    def tenant(self, name: str) -> Tenant | None:
        """Return the tenant of this name."""
        return self._database.get(Tenant, name)

    def tenants(
        self, *, within: Collection[str] | None = None, after: str = "", limit: int | None = None
    ) -> Sequence[Tenant]:
        """Return tenants in order of name, all or some with those below them."""
        query = select(Tenant).where(Tenant.name > after).order_by(Tenant.name).limit(limit)
        if within is not None:
            query = query.where(is_within(Tenant.name, within))
        return self._database.scalars(query).all()

    # ---- nodes and devices

    def node(self, name: str) -> Node | None:
        """Return the node of this name."""
        return self._database.get(Node, name)

    def nodes(self, *, after: str = "", limit: int | None = None) -> Sequence[Node]:
        """Return nodes in order of name."""
        return self._database.scalars(
            select(Node).where(Node.name > after).order_by(Node.name).limit(limit)
        ).all()

    def device_counts(self, nodes: Iterable[str]) -> dict[str, int]:
        """Return how many devices each node has; faces of the same hardware count once."""
        rows = self._database.execute(
            select(Device.node_name, func.count(Device.hardware.distinct()))
            .where(Device.node_name.in_(list(nodes)), Device.is_present)
            .group_by(Device.node_name)
        )
        return dict(iter(rows))

    def device_attributes(self, nodes: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
        """Return the attributes of each node's devices, in order of registration."""
        found: dict[str, list[dict[str, Any]]] = {}
        query = select(Device.node_name, Device.attributes).order_by(Device.number)
        for node, told in self._database.execute(
            query.where(Device.node_name.in_(list(nodes)), Device.is_present)
        ):
            found.setdefault(node, []).append(told)
        return found

    def bump_revisions(self, nodes: Collection[str]) -> None:
        """Note that what these nodes should run has changed."""
        if nodes:
            self._database.execute(BUMP_REVISIONS, {"names": sorted(nodes)})

    def devices_of(self, node: str) -> Sequence[Device]:
        """Return all devices that the node ever had."""
        return self._database.scalars(
            select(Device).where(Device.node_name == node).order_by(Device.number)
        ).all()

    def with_faces(self, ids: Collection[str]) -> Sequence[Device]:
        """Return all reported devices that are the same hardware as one of these, with their nodes."""
        return self._database.scalars(WITH_FACES, {"ids": list(ids)}).all()

    def device_rows(self) -> Sequence[Device]:
        """Return the columns of all devices that their nodes report: much quicker than the records."""
        rows = self._database.execute(
            select(*Device.__table__.columns).where(Device.is_present).order_by(Device.number)
        )
        return cast(Sequence[Device], rows.all())

    def device(self, id: str) -> Device | None:
        """Return the device with this id, with its node."""
        return self._database.scalars(
            select(Device).where(Device.id == id, Device.is_present).options(joinedload(Device.node))
        ).one_or_none()

    def device_page(
        self, *, kind: str | None, node: str | None, is_free: bool | None, after: int, limit: int
    ) -> Sequence[Device]:
        """Return devices in order of registration, with their nodes."""
        query = select(Device).join(Device.node).where(Device.is_present, Device.number > after)
        if kind is not None:
            query = query.where(Device.kind == kind)
        if node is not None:
            query = query.where(Device.node_name == node)
        if is_free is not None:
            is_unused = Device.used_compute_ppm == 0
            free = is_unused & (Device.fault == "") & (Node.state == NodeState.READY)
            query = query.where(free if is_free else ~free)
        query = query.options(joinedload(Device.node)).order_by(Device.number).limit(limit)
        return self._database.scalars(query).all()

    # ---- leases, shares and sessions

    def lease(self, id: str) -> Lease | None:
        """Return the lease with this id, with its shares, their devices and nodes."""
        return self._database.scalars(LEASE, {"id": id}).unique().one_or_none()

    def known_lease(self, number: int) -> Lease | None:
        """Return the lease of this number with its shares, if this transaction has it already."""
        lease: Lease | None = self._database.identity_map.get(identity_key(Lease, number))
        return lease if lease is not None and lease.are_shares_loaded else None

    def lease_by_key(self, key: str) -> Lease | None:
        """Return the lease that was asked for with this idempotency key."""
        return self._database.scalars(
            _with_shares(select(Lease).where(Lease.idempotency_key == key))
        ).one_or_none()

    def leases(
        self,
        *,
        states: Collection[str] | None = None,
        tenant: str | None = None,
        within: Collection[str] | None = None,
        account: str | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> Sequence[Lease]:
        """Return leases, newest first, with their shares.

        Args:
            states: In one of these states.
            tenant: Of this tenant, without those below it.
            within: Of these tenants, or of those below them.
            account: Of this account.
            before: With a lower number.
            limit: How many at most.
        """
        query = select(Lease).order_by(Lease.number.desc()).limit(limit)
        if states is not None:
            query = query.where(Lease.state.in_(list(states)))
        if tenant is not None:
            query = query.where(Lease.tenant == tenant)
        if within is not None:
            query = query.where(is_within(Lease.tenant, within))
        if account is not None:
            query = query.where(Lease.account == account)
        if before is not None:
            query = query.where(Lease.number < before)
        return self._database.scalars(_with_shares(query)).all()

    def open_leases(self) -> Sequence[Lease]:
        """Return all queued and active leases, without their shares."""
        return self._database.scalars(
            select(Lease).where(Lease.state.in_(OPEN_STATES)).order_by(Lease.number)
        ).all()

    def open_lease_rows(self) -> Sequence[Lease]:
        """Return the columns of all queued and active leases, which is much quicker than the records."""
        rows = self._database.execute(
            select(*Lease.__table__.columns).where(Lease.state.in_(OPEN_STATES)).order_by(Lease.number)
        )
        return cast(Sequence[Lease], rows.all())

    def active_shares(self) -> dict[str, list[tuple[str, int, int, str]]]:
        """Return, by active lease, its shares: device id, memory in bytes, compute in ppm, node name."""
        found: dict[str, list[tuple[str, int, int, str]]] = {}
        for lease, device, memory_bytes, compute_ppm, node in self._database.execute(
            select(Share.lease_id, Share.device_id, Share.memory_bytes, Share.compute_ppm, Device.node_name)
            .join(Share.device)
            .where(Share.is_active)
            .order_by(Share.number)
        ):
            found.setdefault(lease, []).append((device, memory_bytes, compute_ppm, node))
        return found

    def leases_of_devices(
        self, devices: Iterable[str], *, within: Collection[str] | None = None
    ) -> dict[str, list[str]]:
        """Return, by device, the ids of the leases that have parts of its hardware now, the oldest first.

        Args:
            devices: The devices' ids.
            within: Tenants whose leases count, with those below them; None for all.
        """
        found: dict[str, list[str]] = {}
        face = aliased(Device)
        query = (
            select(face.id, Share.lease_id)
            .join(Device, Device.hardware == face.hardware)
            .join(Share, Share.device_id == Device.id)
            .where(face.id.in_(list(devices)), Share.is_active)
        )
        if within is not None:
            query = query.join(Lease, Lease.id == Share.lease_id).where(is_within(Lease.tenant, within))
        for device, lease in self._database.execute(query.order_by(Share.number)):
            found.setdefault(device, []).append(lease)
        return found

    def leases_on(self, node: str) -> Sequence[Lease]:
        """Return the active leases that have devices of the node, with their shares."""
        with_share = select(Share.lease_id).join(Share.device).where(
            Share.is_active, Device.node_name == node
        )  # fmt: skip
        return self._database.scalars(
            _with_shares(select(Lease).where(Lease.id.in_(with_share)).order_by(Lease.number))
        ).all()

    def prune(self, *, ended_before: float) -> None:
        """Forget leases that ended before an instant."""
        self._database.execute(delete(Lease).where(Lease.ended_at < ended_before))

    def sessions_of(self, lease: str) -> Sequence[Session]:
        """Return the live sessions of a lease."""
        return self._database.scalars(select(Session).where(Session.lease_id == lease)).all()

    def replace_sessions(self, node: str, sessions: Iterable[tuple[str, str]]) -> None:
        """Note the live sessions of a node, as pairs of session id and lease id."""
        wanted = dict(sessions)
        known = self._database.scalars(select(Session).where(Session.node_name == node)).all()
        for session in known:
            if session.id in wanted:
                session.lease_id = wanted.pop(session.id)
            else:
                self._database.delete(session)
        self._database.add_all(Session(node_name=node, id=id, lease_id=lease) for id, lease in wanted.items())
        self._database.flush()


def _with_shares(query: Select[Lease]) -> Select[Lease]:
    return query.options(selectinload(Lease.shares).joinedload(Share.device).joinedload(Device.node))
