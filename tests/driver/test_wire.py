"""The driver speaks what docs/wire.md says, byte for byte as the SDK does: one golden set for both."""

from __future__ import annotations

import struct
import subprocess

import msgspec
import pytest

from accelpool_wire import messages as m
from accelpool_wire.conversation import Conversation, Role
from accelpool_wire.frames import PREFIX_BYTES, FrameReader

from ..golden import GOLDEN
from .hostile import listening
from .lease_file import leased
from .test_pyopencl import run_script

INTEL = {"kind": "any", "where": "device.name.startsWith('intel/')"}  # which takes SPIR-V
NAMES = ["objects", "buffers", "kernels", "events", "images", "callbacks", "svm", "svm_kernels"]
NOT_SAID = {
    m.SessionQuery,  # agents ask it
    m.Deliver,  # workers say it
    m.SendBuffer,  # for contexts over several endpoints, which test_several_nodes.py has
    m.ReceiveBuffer,
    m.SetDefaultDeviceCommandQueue,  # the driver has no queues on the device
    m.CreateProgramWithBuiltInKernels,  # no device here has any
    m.SetKernelArgs,  # arguments go with the launch
    m.UnloadPlatformCompiler,  # a hint
    m.CreateVariableBuffer,  # CUDA's
    m.GetBufferAddress,
    m.SetKernelAttribute,
    m.Sync,  # each queue is finished by itself
    m.Goodbye,  # a session ends with its process
}


class Heard:
    """What a driver said in one connection, as the worker understands it."""

    def __init__(self) -> None:
        self._conversation = Conversation(Role.WORKER)
        limits = self._conversation.limits
        self._frames = FrameReader(body_limit=limits.body_bytes, payload_limit=limits.payload_bytes)
        self.bodies: list[tuple[m.Message, bytes]] = []

    def __call__(self, content: bytes) -> None:
        """Hear some bytes, which may be parts of frames."""
        while content:
            buffer = self._frames.buffer()
            count = min(len(buffer), len(content))
            buffer[:count], content = content[:count], content[count:]
            self._frames.received(count)
            while (body := self._frames.next_body()) is not None:
                payload_bytes = self._frames.payload_bytes
                self.bodies.append((_decode(body), bytes(body)))
                if payload_bytes:
                    self._frames.payload_into(memoryview(bytearray(payload_bytes)))


_decode = m.decoder(m.ClientMessage).decode


def test_the_driver_reads_and_writes_the_golden_frames(programs):
    bodies = [golden.frame[PREFIX_BYTES : len(golden.frame) - len(golden.payload)] for golden in GOLDEN]
    framed = b"".join(struct.pack("<I", len(body)) + body for body in bodies)
    done = subprocess.run([programs.compiled("golden")], input=framed, capture_output=True, timeout=60)
    assert done.returncode == 0
    written, at = [], 0
    while at < len(done.stdout):
        [length] = struct.unpack_from("<I", done.stdout, at)
        written.append(done.stdout[at + 4 : at + 4 + length])
        at += 4 + length
    assert written == bodies


@pytest.mark.opencl
def test_what_the_driver_says_is_what_the_sdk_would_say(programs, opencl_pool, tmp_path):
    said: list[Heard] = []

    def listen() -> Heard:
        said.append(Heard())
        return said[-1]

    with (
        leased(opencl_pool.url, opencl_pool.token, tmp_path, INTEL) as lease_file,
        listening(lease_file, listen) as tapped,
    ):
        for name in NAMES:
            programs.run(name, tapped)
        run_script(programs, tapped, tmp_path)
    kinds = set()
    for heard in said:
        for message, body in heard.bodies:
            kinds.add(type(message))
            assert body == encoded(message, len(msgspec.msgpack.decode(body))), message
    assert set(m.kinds(m.ClientMessage)) - kinds == NOT_SAID


@pytest.mark.opencl
def test_files_leave_in_the_sources_and_their_folders_not_at_all(programs, lease_file):
    heard = Heard()
    with listening(lease_file, lambda: heard) as tapped:
        programs.run("includes", tapped)
    messages = [message for message, _ in heard.bodies]
    builds = [message for message in messages if isinstance(message, m.BuildProgram | m.CompileProgram)]
    assert {build.options for build in builds} == {"-w", ""}
    created = [message for message in messages if isinstance(message, m.CreateProgramWithSource)]
    assert any("#define VALUE 1" in message.source for message in created)
    gone = [handle for message in messages if isinstance(message, m.Release) for handle in message.handles]
    assert {message.program for message in created} <= set(gone)


def encoded(message: m.Message, fields: int) -> bytes:
    """Return a message's body as the SDK writes it, up to a field: those that follow have their defaults."""
    return msgspec.msgpack.encode(msgspec.msgpack.decode(msgspec.msgpack.encode(message))[:fields])
