"""The agent's process: state directory, signals, exit status.

0   ended by SIGTERM or SIGINT, with nothing left behind
1   it cannot start or go on; the last line on the standard error says why
2   the options are not of the right form
"""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

import msgspec

from accelpool_node import drivers
from accelpool_node.agent.arrangement import Environments, arrange
from accelpool_node.agent.broker import Broker
from accelpool_node.agent.confinement import narrowed
from accelpool_node.agent.devices import Devices
from accelpool_node.agent.discovery import Discovery
from accelpool_node.agent.enclosure import enclose
from accelpool_node.agent.enrolment import node_token
from accelpool_node.agent.listener import listen
from accelpool_node.agent.monitor import Monitor, is_wanted
from accelpool_node.agent.options import read_options, read_settings
from accelpool_node.agent.processes import Processes
from accelpool_node.agent.settings import Settings
from accelpool_node.agent.state_dir import StateDir
from accelpool_node.agent.supervisor import KILL_LIMIT_S, Agent, Ready
from accelpool_node.certificate import Certificate
from accelpool_node.mig import with_instances
from accelpool_node.sandbox.policy import Mode
from accelpool_wire import logs, service_manager
from accelpool_wire.errors import AccelpoolError

log = logging.getLogger(__name__)

Tell: TypeAlias = Callable[[str], None]  # the service manager, that it is ready or stops


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run an agent until it is told to stop, and return its exit status."""
    options = read_options(arguments)
    try:
        format = logs.choose(options.log_format, environ)
        logs.log_to_stderr(format, is_verbose=options.verbose, node=options.name)
        logging.getLogger("urllib3").setLevel(logging.WARNING)
        settings = read_settings(options, environ)
        with StateDir(settings.state_dir) as state:
            for pid in state.kill_strays():
                log.warning("killed process %d, left by an earlier agent", pid)
            tell = partial(service_manager.tell, environ)
            return asyncio.run(_run(settings, state, tell, is_discovery_only=options.discover))
    except (AccelpoolError, OSError) as error:
        sys.stderr.write(f"accelpool node: {error}\n")
        return 1


async def _run(settings: Settings, state: StateDir, tell: Tell, *, is_discovery_only: bool) -> int:
    with enclose(settings) as enclosure:
        confinement, prepared = arrange(settings, state.path, enclosure)
        processes = Processes(state, confinement)
        discovery = Discovery(processes, state.path, settings.discovery_limit_s)
        work = asyncio.create_task(
            _work(settings, state, prepared, processes, discovery, tell, is_discovery_only=is_discovery_only)
        )

        def stop() -> None:
            tell(service_manager.STOPPING)
            work.cancel()

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop)
        try:
            await work
        except asyncio.CancelledError:
            log.info("stopped by a signal")
        finally:
            await processes.kill_all(KILL_LIMIT_S)
    return 0


async def _work(
    settings: Settings,
    state: StateDir,
    prepared: dict[str, drivers.DriverEnvironment],
    processes: Processes,
    discovery: Discovery,
    tell: Tell,
    *,
    is_discovery_only: bool,
) -> None:
    monitor = _monitor(settings, processes)
    if is_discovery_only:
        _, devices = await _discover(settings, prepared, discovery, monitor)
        _say({"devices": [msgspec.to_builtins(report) for report in devices.reports()]})
        return
    certificate = _certificate(settings)
    with listen(settings.listen) as stream:  # first of all: a join token is good for one start only
        token = await node_token(
            lambda token: Broker(settings.broker_url, settings.name, token, settings.ca),
            state,
            given=settings.token,
            join_token=settings.join_token,
            join_source=settings.join_source,
        )
        prepared, devices = await _discover(settings, prepared, discovery, monitor)
        prepared = {name: narrowed(environment, devices.of(name)) for name, environment in prepared.items()}
        agent = Agent(
            settings,
            prepared,
            devices,
            discovery,
            processes,
            stream,
            lambda: Broker(settings.broker_url, settings.name, token, settings.ca),
            certificate,
            monitor,
        )
        try:
            await agent.run(partial(_announce, tell))
        finally:
            await agent.shut_down()


async def _discover(
    settings: Settings, prepared: Environments, discovery: Discovery, monitor: Monitor | None
) -> tuple[Environments, Devices]:
    """Return the environments with those of MIG instances, and the devices.

    Where children have to be confined it is tried first whether they can be.
    """
    if settings.sandbox is Mode.REQUIRE or settings.bubblewrap:
        await discovery.try_sandbox(drivers.null_environment("null:1", settings.variables))
    if monitor:
        prepared = with_instances(prepared, await monitor.look())
    return prepared, await discovery.find_devices(list(prepared.values()))


def _monitor(settings: Settings, processes: Processes) -> Monitor | None:
    if not is_wanted(settings.backend):
        return None
    environment = drivers.monitor_environment(settings.variables)
    return Monitor(processes, environment, settings.discovery_limit_s)


def _certificate(settings: Settings) -> Certificate | None:
    if not settings.is_secure:
        return None
    from accelpool_node.own_certificate import make_certificate, read_certificate  # slow to load

    if settings.tls_cert is not None and settings.tls_key is not None:
        return read_certificate(settings.tls_cert, settings.tls_key)
    return make_certificate()


def _announce(tell: Tell, ready: Ready) -> None:
    told: dict[str, object] = {"host": ready.host, "port": ready.port, "devices": ready.devices}
    if ready.certificate_sha256:
        told["certificate_sha256"] = ready.certificate_sha256
    if ready.metrics_port is not None:
        told["metrics_port"] = ready.metrics_port
    _say({"ready": told})
    tell(service_manager.READY)
    how = (
        f"over TLS, by certificate {ready.certificate_sha256}" if ready.certificate_sha256 else "without TLS"
    )
    log.info("ready at %s:%d, %s, with %d devices", ready.host, ready.port, how, ready.devices)


def _say(record: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()
