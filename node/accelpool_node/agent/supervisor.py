"""The agent: one object per part, tied together on the loop of the main thread.

start      kill strays, discover devices, warm workers, register, hear the broker's first word, be ready
serve      until told to stop
shut down  end sessions, tell the broker, leave no process
"""

from __future__ import annotations

import asyncio
import functools
import logging
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from accelpool_node import control
from accelpool_node.agent.activity import Activity
from accelpool_node.agent.broker_link import BrokerCalls, BrokerLink
from accelpool_node.agent.builders import Builder
from accelpool_node.agent.contract import Address, Registered, Registration, Report, Work
from accelpool_node.agent.devices import Devices
from accelpool_node.agent.discovery import Discovery
from accelpool_node.agent.handshake import Admission, First, Verify, admit, read_token, verifier
from accelpool_node.agent.health import Health
from accelpool_node.agent.leases import LeaseTable
from accelpool_node.agent.listener import Listener
from accelpool_node.agent.monitor import Monitor
from accelpool_node.agent.outcomes import SUSPICIOUS, Outcome, Session
from accelpool_node.agent.processes import Processes
from accelpool_node.agent.readiness import why_not_ready
from accelpool_node.agent.reports import Reporter
from accelpool_node.agent.sessions import Sessions
from accelpool_node.agent.settings import Settings
from accelpool_node.agent.shares import Shares
from accelpool_node.agent.tally import Tally
from accelpool_node.agent.visitor import Visitor
from accelpool_node.agent.warm_pool import WarmPool
from accelpool_node.agent.watch import Watch, bounds_of
from accelpool_node.certificate import Certificate
from accelpool_node.drivers import DriverEnvironment
from accelpool_wire.errors import Unavailable
from accelpool_wire.messages import Deliver, SessionQuery
from accelpool_wire.version import __version__

if TYPE_CHECKING:
    from accelpool_node.agent.metrics_server import MetricsServer

log = logging.getLogger(__name__)

SHUTTING_DOWN = "the node is shutting down"
END_MARGIN_S = 0.5
KILL_LIMIT_S = 1.0
ASK_LIMIT_S = 5.0


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What is said once the node serves clients."""

    host: str
    port: int
    devices: int
    certificate_sha256: str = ""
    metrics_port: int | None = None


class Agent:
    """Supervises a node's devices.

    Args:
        settings: All that can be set.
        environments: The driver environments.
        devices: What discovery found.
        discovery: Probes devices again.
        processes: The children.
        stream: The data plane's listening socket.
        connect: Returns a new connection to the broker.
        certificate: The node's; None to do without TLS.
        monitor: Tells what devices measure; None where nothing does.
    """

    def __init__(
        self,
        settings: Settings,
        environments: Mapping[str, DriverEnvironment],
        devices: Devices,
        discovery: Discovery,
        processes: Processes,
        stream: socket.socket,
        connect: Callable[[], BrokerCalls],
        certificate: Certificate | None = None,
        monitor: Monitor | None = None,
    ) -> None:
        self._settings = settings
        self._monitor = monitor
        self._certificate = certificate
        self._devices = devices
        self._processes = processes
        self._stream = stream
        self._verify: Verify | None = None
        self._lost_after_s: float | None = None
        self._is_open = True
        self._leases = LeaseTable(devices.hardware)
        self._shares = Shares(devices.hardware)
        self._activity = Activity()
        self._tally = Tally()
        self._reporter = Reporter(secrets.token_hex(8))
        self._pools = {
            name: WarmPool(
                environment,
                processes,
                size=0,
                start_limit_s=settings.start_limit_s,
                exit_limit_s=settings.end_limit_s,
                sandbox=devices.sandbox(name),
                is_secure=certificate is not None,
            )
            for name, environment in environments.items()
        }
        self._builders = {
            name: Builder(environment, processes, functools.partial(devices.built_for, name))
            for name, environment in environments.items()
        }
        self._sessions = Sessions(
            settings,
            self._pools,
            self._builders,
            check=self._check,
            on_change=self._changed,
            on_end=self._session_ended,
            on_loaded=self._loaded,
            shares=self._shares,
            activity=self._activity,
            tally=self._tally,
        )
        self._health = Health(devices, environments, discovery, settings.reprobe_s, self._health_changed)
        self._watch = Watch(processes, bounds_of(settings.disk_bytes))
        self._listener = Listener(stream, self._serve, settings.handshake_limit_s, certificate)
        self._link = BrokerLink(
            connect,
            registration=self._registration,
            report=self._report,
            on_registered=self._registered,
            on_heard=self._reporter.acknowledge,
            on_work=self._converge,
        )

    async def run(self, announce: Callable[[Ready], None]) -> None:
        """Serve until cancelled.

        Args:
            announce: Called once the node serves clients.

        Raises:
            Unauthorized, Forbidden, Invalid: The broker refuses the node.
        """
        self._size_pools()
        async with self._metrics_server() as metrics:
            await self._serve_clients(announce, metrics.port if metrics else None)

    async def _serve_clients(self, announce: Callable[[Ready], None], metrics_port: int | None) -> None:
        listening = asyncio.create_task(self._listener.run())
        try:
            await self._link.start()
            address = self._address()
            announce(
                Ready(
                    host=address.host,
                    port=address.port,
                    devices=self._devices.pieces,
                    certificate_sha256=address.certificate_sha256,
                    metrics_port=metrics_port,
                )
            )
            monitored = [self._monitor.run()] if self._monitor else []
            await asyncio.gather(
                listening, self._link.run(), self._health.run(), self._watch.run(), *monitored
            )
        finally:
            listening.cancel()

    async def shut_down(self) -> None:
        """End all sessions, tell the broker, and leave no process behind."""
        self._is_open = False
        for pool in self._pools.values():
            pool.close()
        for builder in self._builders.values():
            builder.close()
        sessions = tuple(self._sessions.running.values())
        for session in sessions:
            self._sessions.end(session, Unavailable(SHUTTING_DOWN))
        try:
            async with asyncio.timeout(self._settings.end_limit_s + END_MARGIN_S):
                for session in sessions:
                    await session.over.wait()
        except TimeoutError:
            log.warning("%d workers do not end", len(self._sessions.running))
        await self._processes.kill_all(KILL_LIMIT_S)
        if self._verify is not None:
            await self._link.say_farewell(self._report(None, 0.0, is_last=True))

    def _metrics_server(self) -> AbstractAsyncContextManager[MetricsServer | None]:
        """Return what tells metrics while it is entered, if that is wanted."""
        address = self._settings.metrics
        if address is None:
            return nullcontext()
        from accelpool_node.agent.metrics import Parts, registry_of  # slow to load
        from accelpool_node.agent.metrics_server import MetricsServer

        parts = Parts(
            node=self._settings.name,
            devices=self._devices,
            shares=self._shares,
            pools=self._pools,
            builders=self._builders,
            activity=self._activity,
            tally=self._tally,
            refusals=self._listener.refusals,
            heard_at=lambda: self._link.heard_at,
        )
        context = self._certificate.context if self._certificate and address.is_secure else None
        return MetricsServer(address, registry_of(parts), context, why_not_ready=self._why_not_ready)

    def _why_not_ready(self) -> str:
        silent_s = time.time() - self._link.heard_at
        return why_not_ready(self._devices.faults, lost_after_s=self._lost_after_s, silent_s=silent_s)

    # ---- clients ---------------------------------------------------------------------------------

    async def _serve(self, first: First, frame: bytes, client: Visitor) -> None:
        """Let a client, or another node's delivery, in, or raise why not."""
        if not self._is_open:
            raise Unavailable(SHUTTING_DOWN)
        if isinstance(first, Deliver):
            self._sessions.deliver(first.session, frame, client)
            return
        if self._verify is None or not self._leases.is_known:
            raise Unavailable("the node has not heard from its broker yet")
        claims = read_token(first.token, node=self._settings.name, verify=self._verify)
        if isinstance(first, SessionQuery):
            raise await self._sessions.answer(first.session, claims.lease)
        if self._leases.is_doubtful(claims):
            await self._link.ask(ASK_LIMIT_S)
        self._leases.check(claims, time.time())
        admission = admit(claims, self._devices)
        self._leases.note(claims)
        await self._sessions.open(admission, frame, client)

    def _check(self, admission: Admission) -> None:
        if not self._is_open:
            raise Unavailable(SHUTTING_DOWN)
        self._leases.check(admission.claims, time.time())

    # ---- what happens on the node ----------------------------------------------------------------

    def _changed(self) -> None:
        self._link.changed()

    def _loaded(self, session: Session, loaded: control.Loaded) -> None:
        name = session.admission.name_of(loaded.device)
        if name is not None and self._devices.set_loaded_image(name, loaded.sha256, time.time()):
            log.info("device %s was loaded with %s", name, loaded.sha256)
            self._link.changed()

    def _session_ended(self, session: Session, outcome: Outcome) -> None:
        self._reporter.add(outcome)
        if outcome.cause in SUSPICIOUS:
            self._devices.forget_loaded_images(session.admission.devices)  # and probing loads a program, too
        if self._is_open:
            self._link.changed()
            if outcome.cause in SUSPICIOUS:
                self._health.suspect(session.admission.devices)

    def _health_changed(self) -> None:
        self._size_pools()
        self._link.changed()

    def _size_pools(self) -> None:
        """Keep workers warm where there is a healthy device."""
        in_use = self._devices.environments_in_use()
        for name, pool in self._pools.items():
            pool.resize(self._settings.warm if name in in_use else 0)

    # ---- the broker ------------------------------------------------------------------------------

    def _address(self) -> Address:
        host, port = self._settings.advertise
        sha256 = self._certificate.sha256 if self._certificate else ""
        return Address(host=host, port=port or self._stream.getsockname()[1], certificate_sha256=sha256)

    def _registration(self) -> Registration:
        return Registration(
            address=self._address(),
            version=__version__,
            boot_id=self._reporter.boot_id,
            devices=self._devices.reports(),
        )

    def _report(self, seen_revision: int | None, wait_s: float, *, is_last: bool = False) -> Report:
        return self._reporter.report(
            self._sessions.running.values(),
            self._devices.faults,
            self._devices.loaded_images,
            self._activity.busy_s(),
            seen_revision=seen_revision,
            wait_s=wait_s,
            readings=self._monitor.readings(self._devices.attributes()) if self._monitor else {},
            is_last=is_last,
        )

    def _registered(self, registered: Registered) -> None:
        self._verify = verifier(registered.public_key)
        self._lost_after_s = registered.lost_after_s

    def _converge(self, work: Work, asked_at: float) -> None:
        """Do as the broker says: end what it does not want any more."""
        running = self._sessions.running.values()
        held = {session.lease for session in running if session.opened_at < asked_at}
        self._shares.update(work.leases)
        self._activity.keep({lease.id for lease in work.leases} | {session.lease for session in running})
        for lease, why in self._leases.update(work.leases, held=held, now=time.time()).items():
            self._sessions.end_lease(lease, why)
