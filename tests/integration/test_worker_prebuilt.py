"""To its client a program made of a product is one built from source, whatever is done with it next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import pytest

from accelpool_node.backends.base import BackendDevice
from accelpool_node.builder.messages import Product
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

from .scripted_device import CONTEXT, Device, failure

PAIR, PARTS, PROGRAM, OTHER, KERNEL, MADE = 11, 12, 50, 51, 60, 70
NOP, NOP_BINARY = "kernel void nop() {}", "// a binary\nkernel void nop() {}"
STATUS, OPTIONS, LOG, BINARY_TYPE, VARIABLES = 0x1181, 0x1182, 0x1183, 0x1184, 0x1185
PARTITION_PROPERTIES, EQUALLY = 0x1044, 0x1086
INFO = m.KernelInfo("nop", 0, "", [], [m.WorkGroupInfo(1, [0, 0, 0], 0, 1, 0)])


@dataclass
class Kept:
    """Products for whatever is asked for, with so many logs too few."""

    asked: list[list[str]] = field(default_factory=list)
    missing_logs: int = 0

    def product(self, devices: Sequence[BackendDevice], source: str, options: str) -> Product | None:
        names = [device.name for device in devices]
        self.asked.append(names)
        logs = [f"log of {name}" for name in names[self.missing_logs :]]
        binaries = [f"// a binary\n{source}".encode()] * len(names)
        return Product(kernels=[INFO], logs=logs, binaries=binaries)


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def device(kept: Kept) -> Device:
    """A session on two devices, with a context over both and a program in each context."""
    device = Device(products=kept, count=2)
    device.say(m.CreateContext(PAIR, [0, 1]))
    device.say(m.CreateProgramWithSource(PROGRAM, CONTEXT, NOP))
    device.say(m.CreateProgramWithSource(OTHER, PAIR, NOP))
    return device


@pytest.fixture
def builds(device: Device) -> list[tuple[str, list[str], str]]:
    """What the driver is made to build: source, devices, options."""
    seen: list[tuple[str, list[str], str]] = []
    build = device.backend.build_program

    def noting(program: Any, devices: Sequence[BackendDevice], options: str) -> None:
        seen.append((program.source, [one.name for one in devices], options))
        build(program, devices, options)

    device.backend.build_program = noting  # type: ignore[method-assign]
    return seen


def built(device: Device, program: int = PROGRAM, places: Sequence[int] = (), options: str = "") -> list[str]:
    answer = device.ask(m.BuildProgram(program, list(places), options))
    assert isinstance(answer, m.Built), answer
    return [kernel.name for kernel in answer.kernels]


def refused(device: Device, message: m.Message) -> tuple[str, int]:
    answer = device.ask(message)
    assert isinstance(answer, m.Failed), answer
    return answer.routine, answer.code


def told(device: Device, name: int, program: int = PROGRAM, place: int = 0) -> Any:
    answer = device.ask(m.GetInfo(m.BUILD, program, name, place))
    assert isinstance(answer, m.Info), answer
    return answer.value


def make_kernel(device: Device, program: int = PROGRAM) -> None:
    device.say(m.CreateKernel(KERNEL, program, "nop"))
    assert isinstance(device.ask(m.Sync()), m.Done)


# ---- what is told ----------------------------------------------------------------------------------------


def test_a_build_is_told_as_the_client_asked_for_it(device, kept, builds):
    assert built(device, OTHER, options="-DN=1") == ["nop"]
    assert kept.asked == [["null-0", "null-1"]]
    assert builds == [(NOP_BINARY, ["null-0", "null-1"], "")]
    assert [told(device, name, OTHER) for name in (STATUS, OPTIONS, BINARY_TYPE)] == [0, "-DN=1", 4]
    assert [told(device, LOG, OTHER, place) for place in (0, 1)] == ["log of null-0", "log of null-1"]


def test_what_no_product_tells_is_asked_of_the_driver(device):
    built(device)
    device.backend.build_info = lambda *_: 64
    assert told(device, VARIABLES) == 64


def test_a_product_with_too_few_logs_leaves_some_empty(device, kept):
    kept.missing_logs = 1
    built(device, OTHER)
    assert told(device, LOG, OTHER, 1) == ""


def test_only_binaries_of_the_client_count_as_loaded(device):
    built(device)
    assert device.session.loaded_images.take_news() == {}
    device.say(m.CreateProgramWithBinary(MADE, CONTEXT, [0], [len(NOP)]), NOP.encode())
    built(device, MADE)
    assert device.session.loaded_images.take_news() == {"null-0": sha256(NOP.encode()).hexdigest()}


# ---- parts of contexts -----------------------------------------------------------------------------------


def test_a_build_for_a_part_of_a_context_is_the_workers_own(device, kept):
    assert built(device, OTHER, [1]) == ["nop"]
    assert kept.asked == []


def test_a_build_anew_for_one_device_leaves_the_other_one_as_it_was(device, builds):
    built(device, OTHER, options="-DN=1")
    built(device, OTHER, [0], "-DN=2")
    assert builds[1:] == [(NOP, ["null-1"], "-DN=1"), (NOP, ["null-0"], "-DN=2")]


def test_a_program_that_cannot_be_built_for_the_other_device_stays_as_it_was(device, builds):
    built(device, OTHER)
    device.backend.raising["build_program"] = failure(ErrorCode.BUILD_PROGRAM_FAILURE)
    device.ask(m.BuildProgram(OTHER, [0], "-DN=2"))
    del device.backend.raising["build_program"]
    assert told(device, LOG, OTHER, 1) == "log of null-1"
    make_kernel(device, OTHER)


def test_builds_for_sub_devices_are_the_workers_own(device, kept):
    whole = device.shares[0].device
    whole.info[PARTITION_PROPERTIES] = [EQUALLY]
    device.backend.create_sub_devices = lambda *_: device.backend.devices()[:1]
    device.ask(m.CreateSubDevices(0, [EQUALLY, 1]))
    for handle, places in ((PARTS, [2]), (PARTS + 1, [2, 0])):
        device.say(m.CreateContext(handle, places))
        device.say(m.CreateProgramWithSource(MADE + handle, handle, NOP))
        assert built(device, MADE + handle) == ["nop"]
    assert kept.asked == []


# ---- what comes next -------------------------------------------------------------------------------------


def test_a_program_of_a_product_is_compiled_from_its_source_and_linked(device, kept, builds):
    built(device)
    compiled = device.ask(m.CompileProgram(PROGRAM, [0]))
    assert isinstance(compiled, m.Built)
    assert compiled.kernels == []
    linked = device.ask(m.LinkProgram(MADE, CONTEXT, [PROGRAM], [0]))
    assert isinstance(linked, m.Built)
    assert [kernel.name for kernel in linked.kernels] == ["nop"]
    assert builds[-1][0] == NOP


def test_a_program_of_a_product_is_an_executable_and_not_linked(device):
    built(device)
    asked = m.LinkProgram(MADE, CONTEXT, [PROGRAM], [0])
    assert refused(device, asked) == ("clLinkProgram", ErrorCode.INVALID_OPERATION)


def test_a_compiled_program_that_a_product_replaces_is_an_executable(device, kept):
    device.ask(m.CompileProgram(PROGRAM, [0]))
    assert built(device) == ["nop"]
    assert kept.asked
    asked = m.LinkProgram(MADE, CONTEXT, [PROGRAM], [0])
    assert refused(device, asked) == ("clLinkProgram", ErrorCode.INVALID_OPERATION)


@pytest.mark.parametrize("has_kernels", [False, True])
def test_a_header_of_a_product_is_read_from_its_source_and_stays_built(device, builds, has_kernels):
    device.say(m.CreateProgramWithSource(MADE, CONTEXT, '#include "nop.h"'))
    built(device)
    if has_kernels:
        make_kernel(device)
    assert isinstance(device.ask(m.CompileProgram(MADE, [0], "", [PROGRAM], ["nop.h"])), m.Built)
    assert isinstance(device.ask(m.LinkProgram(MADE + 1, CONTEXT, [MADE], [0])), m.Built)
    assert builds[-1][0] == NOP
    assert told(device, LOG) == "log of null-0"
    device.say(m.Release([KERNEL]))
    make_kernel(device)


@pytest.mark.parametrize(
    ("message", "routine"),
    [
        (m.BuildProgram(PROGRAM, [0], "-DN=2"), "clBuildProgram"),
        (m.CompileProgram(PROGRAM, [0]), "clCompileProgram"),
    ],
    ids=["build", "compile"],
)
def test_a_program_of_a_product_with_kernels_is_neither_built_nor_compiled(device, message, routine):
    built(device)
    make_kernel(device)
    assert refused(device, message) == (routine, ErrorCode.INVALID_OPERATION)
    assert told(device, LOG) == "log of null-0"


def test_a_program_that_has_kernels_is_not_replaced_by_a_product(device, kept):
    kept.product = lambda *_: None
    built(device)
    make_kernel(device)
    device.ask(m.CompileProgram(PROGRAM, [0]))
    del kept.product
    built(device)
    assert kept.asked == []
