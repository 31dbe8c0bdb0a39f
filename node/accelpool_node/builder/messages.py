"""What a builder says to workers and compilers: a length and a msgpack message, over Unix stream sockets.

    worker ─── Build ──▶ builder ─── Build ──▶ compiler
           ◀─ Product ──         ◀─ Product ──
              or Declined           or Declined

A worker's connection lasts; a compiler's is for one build, and begins with its Ready.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TypeAlias, TypeVar

import msgspec

from accelpool_node.backends.base import BackendDevice
from accelpool_wire.messages import InfoValue, KernelInfo

MAX_BUILD_BYTES = 2 << 20  # of a message that asks for a build: the source and little else
MAX_PRODUCT_BYTES = 32 << 20  # of one that answers it
MAX_WHY = 2000  # characters of the reason why something was declined
LENGTH = struct.Struct("<I")
PLATFORM_VERSION, PLATFORM_NAME = 0x0901, 0x0902
DRIVER_VERSION, VENDOR, VERSION = 0x102D, 0x102C, 0x102F


class Unbuildable(ConnectionError):
    """A build has failed as it would again: it does not compile, takes too long, or comes to too much."""


class DeviceId(msgspec.Struct, frozen=True, array_like=True):
    """What a device's binaries depend on: which device it is, and the versions of its driver."""

    name: str
    vendor: str
    version: str
    driver_version: str
    platform_name: str
    platform_version: str
    api: str = "opencl"


class Build(msgspec.Struct, frozen=True, kw_only=True, tag="build"):
    """Build a program from source.

    Attributes:
        devices: Those of its context, in order; it is built for all of them.
        source: OpenCL C, or CUDA C++ for a CUDA device.
        options: The compiler's.
        is_trial: Whether to make a program of the binaries, too, to see whether the driver can.
        is_deferred: Whether nobody waits for it: it gets the processors that nobody else wants.
    """

    devices: list[DeviceId]
    source: str
    options: str
    is_trial: bool = False
    is_deferred: bool = False


TRIAL = "__kernel void trial(__global float *x) { x[get_global_id(0)] = N + exp(x[0]) + rsqrt(x[1]); }"

CUDA_TRIAL = 'extern "C" __global__ void trial(float *x) { x[threadIdx.x] = N + expf(x[0]) + rsqrtf(x[1]); }'


def trial_of(device: DeviceId, number: int) -> Build:
    """Return a build of ours, of a source that no tenant wrote; a driver may remember one that it had."""
    source = CUDA_TRIAL if device.api == "cuda" else TRIAL
    return Build(devices=[device], source=source, options=f"-DN={number}", is_trial=True)


class Product(msgspec.Struct, frozen=True, kw_only=True, tag="product"):
    """What came of a build: for each device a binary and a build log, and what was known of the kernels.

    `is_dear` tells of a trial whether taking the binaries out of the program took long beside building it.
    """

    kernels: list[KernelInfo]
    logs: list[str]
    binaries: list[bytes]
    is_dear: bool = False


class Declined(msgspec.Struct, frozen=True, kw_only=True, tag="declined"):
    """The worker has to build it itself."""

    why: str


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag="ready"):
    """A compiler has loaded its driver and waits for its build."""

    pid: int
    devices: list[DeviceId]


Answer: TypeAlias = Product | Declined
CompilerMessage: TypeAlias = Ready | Product | Declined

_build_decoder: msgspec.msgpack.Decoder[Build] = msgspec.msgpack.Decoder(Build)
_compiler_decoder: msgspec.msgpack.Decoder[CompilerMessage] = msgspec.msgpack.Decoder(CompilerMessage)
encode = msgspec.msgpack.encode

T = TypeVar("T")


def identify(device: BackendDevice) -> DeviceId:
    """Return what a device's binaries depend on."""
    return DeviceId(
        name=device.name,
        vendor=_text(device.info, VENDOR),
        version=_text(device.info, VERSION),
        driver_version=_text(device.info, DRIVER_VERSION),
        platform_name=_text(device.platform, PLATFORM_NAME),
        platform_version=_text(device.platform, PLATFORM_VERSION),
        api=device.api,
    )


def _text(infos: dict[int, InfoValue], name: int) -> str:
    return str(infos.get(name, ""))


def decode_build(content: bytes) -> Build:
    """Return a message that asks for a build.

    Raises:
        ValueError: It is none.
    """
    return _decoded(_build_decoder, content)


def decode_answer(content: bytes) -> CompilerMessage:
    """Return what a compiler or the builder said.

    Raises:
        ValueError: It is nothing that they say.
    """
    return _decoded(_compiler_decoder, content)


def _decoded(decoder: msgspec.msgpack.Decoder[T], content: bytes) -> T:
    try:
        return decoder.decode(content)
    except RecursionError as error:
        raise ValueError(f"it is nested too deeply: {error}") from error


def send(stream: socket.socket, content: bytes) -> None:
    """Send one encoded message, blocking.

    Raises:
        OSError: The other side is gone, or does not read within the socket's time.
    """
    stream.sendall(LENGTH.pack(len(content)) + content)


def receive(stream: socket.socket, limit: int) -> bytes:
    """Return the next message, encoded, blocking.

    Raises:
        OSError: The other side is gone, silent for longer than the socket's time, or says too much.
    """
    (size,) = LENGTH.unpack(_exactly(stream, LENGTH.size))
    if size > limit:
        raise ConnectionError(f"a message of {size} bytes; the limit is {limit}")
    return bytes(_exactly(stream, size))


def _exactly(stream: socket.socket, size: int) -> bytearray:
    content = bytearray(size)
    left = memoryview(content)
    while left:
        count = stream.recv_into(left)
        if not count:
            raise ConnectionError("the other side has closed the connection")
        left = left[count:]
    return content


async def read(reader: asyncio.StreamReader, limit: int) -> bytes | None:
    """Return the next message, encoded, or None at the end of the connection.

    Raises:
        ValueError: It is larger than the limit.
    """
    try:
        (size,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        if size > limit:
            raise ValueError(f"a message of {size} bytes; the limit is {limit}")
        return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, OSError):
        return None


async def write(writer: asyncio.StreamWriter, content: bytes) -> None:
    """Send one encoded message.

    Raises:
        OSError: The other side is gone.
    """
    writer.write(LENGTH.pack(len(content)))
    writer.write(content)
    await writer.drain()
