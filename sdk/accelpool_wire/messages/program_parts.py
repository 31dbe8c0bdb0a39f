"""Programs from other things than source, compiling and linking, sub-devices, infos that are asked for."""

from __future__ import annotations

from typing import ClassVar

from accelpool_wire.messages.base import Handle, InfoValue, Posted, Reply, Synchronous
from accelpool_wire.messages.handshake import Device
from accelpool_wire.messages.programs import Built
from accelpool_wire.messages.replies import Done

PROGRAM, BUILD, WORK_GROUP, SUB_GROUP, TIMERS = range(5)
"""What `GetInfo` asks about; docs/wire.md has the table."""


class CreateProgramWithIL(Posted, frozen=True, tag=30):
    """Make a program from an intermediate language: the payload, SPIR-V."""

    has_payload: ClassVar[bool] = True

    program: Handle
    context: Handle


class CreateProgramWithBuiltInKernels(Posted, frozen=True, tag=31):
    """Make a program from kernels that devices have built in; `names` are separated by semicolons."""

    program: Handle
    context: Handle
    devices: list[int]
    names: str


class UnloadPlatformCompiler(Posted, frozen=True, tag=32):
    """Let the compiler of a device's platform free what it holds; a hint."""

    device: int


class SetDefaultDeviceCommandQueue(Posted, frozen=True, tag=33):
    """Make an on-device queue the one that kernels on its device get by default."""

    context: Handle
    device: int
    queue: Handle


class CompileProgram(Synchronous, frozen=True, tag=45):
    """Answered by Built, without kernels, or by Failed with the build logs in its message.

    `headers` are programs from source, `header_names` the names by which they are included.
    """

    answer: ClassVar[type[Reply]] = Built

    program: Handle
    devices: list[int]
    options: str = ""
    headers: list[Handle] | None = None
    header_names: list[str] | None = None


class LinkProgram(Synchronous, frozen=True, tag=46):
    """Make a program, executable or a library, of compiled ones; answered by Built, or by Failed."""

    answer: ClassVar[type[Reply]] = Built

    program: Handle
    context: Handle
    programs: list[Handle]
    devices: list[int]
    options: str = ""


class SetProgramSpecializationConstant(Synchronous, frozen=True, tag=49):
    """Set a specialization constant of a program from SPIR-V, before it is built; answered by Done."""

    answer: ClassVar[type[Reply]] = Done

    program: Handle
    constant: int
    value: bytes


class SetKernelAttribute(Synchronous, frozen=True, tag=53):
    """Set an attribute of a kernel, where a device's kernels have any; answered by Done."""

    answer: ClassVar[type[Reply]] = Done

    kernel: Handle
    name: int
    value: int


class SubDevices(Reply, frozen=True, tag=72):
    """The devices that CreateSubDevices made; the first one's place in the session is `first`."""

    first: int
    devices: list[Device]


class CreateSubDevices(Synchronous, frozen=True, tag=47):
    """Partition a device of the session; answered by SubDevices: devices of the session from then on."""

    answer: ClassVar[type[Reply]] = SubDevices

    device: int
    properties: list[int]


class Info(Reply, frozen=True, tag=73):
    """What GetInfo asked for."""

    value: InfoValue = None


class GetInfo(Synchronous, frozen=True, tag=48):
    """Answered by Info: a value that the worker asks the driver for, or by Failed.

    `about` says of what: a program, its build for a device, a kernel on a device, a device's timers.
    """

    answer: ClassVar[type[Reply]] = Info

    about: int
    handle: Handle
    name: int
    device: int = 0
    input: list[int] | None = None
