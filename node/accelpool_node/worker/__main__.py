"""The worker's main: confine itself, load the driver, be ready, serve one session, say how it ended, exit.

python -m accelpool_node.worker --control-fd FD --backend opencl|cuda|null:COUNT --sandbox POLICY [--tls]
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import os
import socket
import threading
import time
from typing import NoReturn

import msgspec

from accelpool_node import control
from accelpool_node.backends.base import Backend, BackendDevice
from accelpool_node.certificate import Certificate, door
from accelpool_node.discover import load_backend
from accelpool_node.mps import limit_threads
from accelpool_node.sandbox.confine import confine
from accelpool_node.sandbox.limits import bound_memory
from accelpool_node.sandbox.policy import Mode, Policy, decode
from accelpool_node.worker.agent_line import AGENT_GONE, AgentLine
from accelpool_node.worker.builder_link import BuilderLink
from accelpool_node.worker.outgoing import Outgoing
from accelpool_node.worker.parting import as_client_sees
from accelpool_node.worker.pulse import Pulse
from accelpool_node.worker.service import Service
from accelpool_node.worker.session import Session
from accelpool_node.worker.sharing import Sharing, shares_of
from accelpool_wire import messages as m
from accelpool_wire.errors import TransportError, Unauthorized
from accelpool_wire.open_files import allow_open_files

ALIVE_EVERY_S, LOOKS_PER_ALIVE = 1.0, 10
LOOK_EVERY_S = ALIVE_EVERY_S / LOOKS_PER_ALIVE
END_PATIENCE_S = 1.0
ENTER_LIMIT_S = 5.0  # the agent takes a worker that is silent for longer than twice that for a hung one
FILES = 8192  # a session's transfers between nodes have a connection each


def main() -> NoReturn:
    """Run one worker's whole life."""
    parser = argparse.ArgumentParser(prog="accelpool_node.worker")
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--backend", default="opencl")
    parser.add_argument("--sandbox", type=decode, required=True, metavar="POLICY")
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    policy: Policy = options.sandbox
    allow_open_files(FILES)
    certificate = _certificate() if options.tls else None  # by a file: confined, it could open none
    sandbox = confine(policy, os.environ, keep=[options.control_fd])
    channel = socket.socket(fileno=options.control_fd)
    channel.set_inheritable(False)  # a driver's own child must not keep it open after this process
    agent = AgentLine(channel)
    backend = load_backend(options.backend)
    devices = {device.name: device for device in backend.devices()}
    with contextlib.suppress(OSError):  # that it is gone is heard, too
        agent.say(control.Ready(list(devices), sandbox, certificate.sha256 if certificate else ""))
    received = agent.hear()
    if received is None:
        agent.exit(AGENT_GONE)
    order, descriptors = received
    if not isinstance(order, control.Serve):
        agent.exit(0)
    if policy.is_cpu and policy.mode is not Mode.OFF:
        bound_memory(sum(share.memory_bytes for share in order.shares))
    if order.thread_percentage is not None:
        limit_threads(order.thread_percentage)
    stream = socket.socket(fileno=descriptors[0])
    stream.set_inheritable(False)
    agent.leave(_serve(agent, backend, devices, order, stream, descriptors[1:], certificate))


def _certificate() -> Certificate:
    from accelpool_node.own_certificate import make_certificate  # a tenth of a worker's start

    return make_certificate()


def _serve(
    agent: AgentLine,
    backend: Backend,
    devices: dict[str, BackendDevice],
    order: control.Serve,
    stream: socket.socket,
    ledgers: list[int],
    certificate: Certificate | None,
) -> control.Ended:
    agent.say(control.Alive(0.0))  # the agent waits for this before it lets go of the client
    if certificate is not None:
        try:
            stream = door(certificate, order.secret).admit(stream, ENTER_LIMIT_S)
        except (TransportError, Unauthorized) as error:
            return control.Ended(control.Cause.DISCONNECTED, f"in its handshake: {error}")
    limits = m.Limits()
    service = Service(stream, order.hello, order.session, limits)
    gone = [share.device for share in order.shares if share.device not in devices]
    if gone:
        detail = f"device {gone[0]} is not there any more; the driver shows {', '.join(devices) or 'none'}"
        service.end("unavailable", detail)
        return control.Ended(control.Cause.ENDED, detail)
    shares = shares_of(order.shares, devices, ledgers)
    builder = BuilderLink(lambda: agent.say(control.WantBuilder()))
    outgoing = Outgoing(agent.say)
    session = Session(
        backend,
        shares,
        limits,
        service.reply,
        products=builder,
        addresses=order.peers,
        connect=outgoing.connect,
    )
    has_turns = order.thread_percentage is None
    sharing = Sharing(session, shares, backend, service.go_on, has_turns=has_turns)
    threading.Thread(
        target=_obey, args=(agent, service, session, builder, outgoing, certificate), daemon=True
    ).start()
    pulse = Pulse(agent.say, functools.partial(_alive, service, session, sharing))
    threading.Thread(
        target=_report, args=(agent, backend, service, session, sharing, pulse), daemon=True
    ).start()
    service.welcome([as_client_sees(share) for share in shares])
    ended = service.run(session, pulse.silence)
    _tell_loaded_images(agent, session)
    sharing.look()
    return msgspec.structs.replace(ended, traffic=service.traffic(session.peers), worked_s=sharing.worked_s)


def _obey(
    agent: AgentLine,
    service: Service,
    session: Session,
    builder: BuilderLink,
    outgoing: Outgoing,
    certificate: Certificate | None,
) -> None:
    """Do what the agent says; exit with it."""
    while True:
        received = agent.hear()
        if received is None:
            agent.exit(AGENT_GONE)
        order, descriptors = received
        if isinstance(order, control.Builder):
            builder.offer(descriptors)
            continue
        if isinstance(order, control.Dialled):
            outgoing.take(order, descriptors)
            continue
        if isinstance(order, control.Delivery) and descriptors:  # none: there was no room for one more
            entry = door(certificate, order.secret) if certificate else None
            session.peers.announce(socket.socket(fileno=descriptors.pop(0)), order.frame, entry)
        for unwanted in descriptors:
            os.close(unwanted)
        if isinstance(order, control.End):
            service.end(order.problem, order.detail)
            time.sleep(END_PATIENCE_S)  # the main thread ends the process, unless it waits for a device
            _tell_loaded_images(agent, session)
            traffic = service.traffic(session.peers)
            agent.leave(control.Ended(control.Cause.ENDED, order.detail, traffic))


def _tell_loaded_images(agent: AgentLine, session: Session) -> None:
    """Tell the agent what devices were loaded with; that the agent is gone is noticed elsewhere."""
    with contextlib.suppress(OSError):
        for device, sha256 in session.loaded_images.take_news().items():
            agent.say(control.Loaded(device, sha256))


def _alive(service: Service, session: Session, sharing: Sharing, *, may_be_silent: bool) -> control.Alive:
    busy_s = 0.0 if sharing.is_waiting else service.busy_s()
    return control.Alive(
        busy_s=max(busy_s, session.completion.oldest_s()),
        traffic=service.traffic(session.peers),
        may_be_silent=may_be_silent,
        worked_s=sharing.worked_s,
    )


def _give_up(agent: AgentLine, service: Service, session: Session, why: str) -> NoReturn:
    """End a session whose device can do nothing more in this process."""
    detail = f"the device can do nothing more in this session: {why}"
    service.end("session-lost", detail)
    _tell_loaded_images(agent, session)
    agent.leave(control.Ended(control.Cause.ENDED, detail, service.traffic(session.peers)))


def _report(
    agent: AgentLine,
    backend: Backend,
    service: Service,
    session: Session,
    sharing: Sharing,
    pulse: Pulse,
) -> None:
    """Tell the agent every second that this process lives, and how long it has been at one command.

    While the main thread waits for a device it does not see its client go: this thread looks instead.
    """
    pause = threading.Event()
    for look in itertools.count(1):
        pause.wait(LOOK_EVERY_S)
        sharing.look()
        if why := backend.lost():
            _give_up(agent, service, session, why)
        if look % LOOKS_PER_ALIVE:
            continue
        busy_s = service.busy_s()
        _tell_loaded_images(agent, session)
        if busy_s > ALIVE_EVERY_S and service.is_client_gone():
            detail = f"while at one command for {busy_s:.0f} s"
            traffic = service.traffic(session.peers)
            agent.leave(control.Ended(control.Cause.DISCONNECTED, detail, traffic))
        try:
            pulse.beat()
        except OSError:
            return


if __name__ == "__main__":
    main()
