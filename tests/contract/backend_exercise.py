"""Uses a backend directly, in a process of its own: BACKEND DEVICE. Prints each check that held."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelpool_node.backends.base import Backend, BackendDevice, LocalSize
from accelpool_node.discover import load_backend
from accelpool_wire.errors import Error

sys.path.append(str(Path(__file__).parents[1]))  # it is run by its path, and tests are no package of it
from dialect import for_cuda

PROFILING = 2
READ_WRITE = 1
MAP_READ, MAP_WRITE = 1, 2
SOURCE = "__kernel void twice(__global int *a, __local int *scratch, int b) { a[get_global_id(0)] *= 2; }"
COMPLETE = 0
SHARED_ALLOWED, CACHE_PREFERENCE = 0x20000 + 8, 0x20000 + 0x100


@dataclass
class Bench:
    """A backend with a context and a queue on one of its devices."""

    backend: Backend
    device: BackendDevice
    context: Any
    queue: Any

    def buffer(self, content: bytes) -> Any:
        return self.backend.create_buffer(self.context, READ_WRITE, len(content), content)

    def content(self, buffer: Any, size: int) -> bytes:
        target = bytearray(size)
        self.backend.wait(self.backend.enqueue_read_buffer(self.queue, buffer, target, 0, None))
        return bytes(target)

    @property
    def is_cuda(self) -> bool:
        return self.device.api == "cuda"

    def built(self, source: str) -> Any:
        source = for_cuda(source) if self.is_cuda else source
        program = self.backend.create_program_with_source(self.context, source)
        self.backend.build_program(program, [self.device], "")
        return program


def raises(call: Callable[[], Any]) -> bool:
    """Whether a call raises OpenCL's own error with an OpenCL function's name."""
    try:
        call()
    except Error as error:
        return error.code < 0 and error.routine.startswith("cl")
    return False


def addresses_are_told_or_refused(bench: Bench) -> None:
    buffer = bench.buffer(bytes(16))
    if bench.backend.name == "opencl":
        assert raises(lambda: bench.backend.buffer_address(buffer))
    else:
        region = bench.backend.create_sub_buffer(buffer, 0, 8, 8)
        assert bench.backend.buffer_address(region) == bench.backend.buffer_address(buffer) + 8


def variables_are_buffers_or_refused(bench: Bench) -> None:
    if not bench.is_cuda:
        assert raises(lambda: bench.backend.program_variable(bench.built(SOURCE), "table"))
        return
    program = bench.built('extern "C" __device__ int table[4] = {5, 6, 7, 8};\n' + SOURCE)
    table, size = bench.backend.program_variable(program, "table")
    assert (size, bench.content(table, 8)) == (16, struct.pack("<2i", 5, 6))
    assert raises(lambda: bench.backend.program_variable(program, "chair"))


def attributes_of_kernels_are_set_or_refused(bench: Bench) -> None:
    kernel = bench.backend.create_kernel(bench.built(SOURCE), "twice")
    if not bench.is_cuda:
        assert raises(lambda: bench.backend.set_kernel_attribute(kernel, SHARED_ALLOWED, 1024))
        return
    bench.backend.set_kernel_attribute(kernel, SHARED_ALLOWED, 50_000)
    assert bench.backend.work_group_info(kernel, bench.device, SHARED_ALLOWED) == 50_000
    bench.backend.set_kernel_attribute(kernel, CACHE_PREFERENCE, 1)
    for name, value in ((SHARED_ALLOWED, 1 << 30), (0x20000 + 4, 1), (0x2FFFF, 1), (SHARED_ALLOWED, 1 << 40)):
        assert raises(lambda name=name, value=value: bench.backend.set_kernel_attribute(kernel, name, value))


def nothing_is_lost(bench: Bench) -> None:
    assert bench.backend.lost() == ""


def devices_are_listed_alike_every_time(bench: Bench) -> None:
    first, second = bench.backend.devices(), bench.backend.devices()
    assert first == second
    assert len({device.name for device in first}) == len(first)
    assert all(device.info and device.platform for device in first)


def probes_find_nothing_wrong(bench: Bench) -> None:
    assert bench.backend.probe(bench.device) == ""


def content_moves(bench: Bench) -> None:
    backend, queue = bench.backend, bench.queue
    buffer, other = bench.buffer(b"content!"), bench.buffer(bytes(8))
    written = backend.enqueue_write_buffer(queue, buffer, memoryview(b"CONT"), 0, None)
    copied = backend.enqueue_copy_buffer(queue, buffer, other, 0, 4, 4, [written])
    backend.wait(backend.enqueue_fill_buffer(queue, other, b"x", 0, 2, [copied]))
    assert bench.content(other, 8) == b"xx\0\0CONT"
    assert bench.content(buffer, 8) == b"CONTent!"


def mappings_show_and_change_content(bench: Bench) -> None:
    backend, queue, buffer = bench.backend, bench.queue, bench.buffer(b"content!")
    mapping, view, event = backend.enqueue_map_buffer(queue, buffer, MAP_READ | MAP_WRITE, 3, 4, None)
    backend.wait(event)
    assert bytes(view) == b"tent"
    view[:] = b"TENT"
    del view
    backend.wait(backend.enqueue_unmap(queue, mapping))
    assert bench.content(buffer, 8) == b"conTENT!"


def events_end_complete_with_times_in_order(bench: Bench) -> None:
    backend = bench.backend
    event = backend.enqueue_fill_buffer(bench.queue, bench.buffer(bytes(8)), b"x", 0, 8, None)
    backend.flush(bench.queue)
    assert backend.wait(backend.enqueue_barrier(bench.queue, [event])) == COMPLETE
    assert backend.wait(backend.enqueue_marker(bench.queue, None)) == COMPLETE
    assert backend.event_status(event) == COMPLETE
    times = backend.event_times(event)
    assert times is not None
    assert times == sorted(times)


def queues_without_profiling_have_no_times(bench: Bench) -> None:
    queue = bench.backend.create_command_queue(bench.context, bench.device, 0)
    event = bench.backend.enqueue_marker(queue, None)
    bench.backend.wait(event)
    assert bench.backend.event_times(event) is None


def kernels_take_every_kind_of_argument(bench: Bench) -> None:
    backend = bench.backend
    program = bench.built(SOURCE)
    (info,) = backend.program_kernels(program)
    assert (info.name, info.num_args) == ("twice", 2 if bench.is_cuda else 3)
    kernel = backend.create_kernel(program, info.name)
    buffer = bench.buffer(bytes(16))  # the kernel does not keep it alive
    values = [buffer, LocalSize(size=16), bytes(4)]
    for index, value in enumerate([buffer, bytes(4), LocalSize(size=16)] if bench.is_cuda else values):
        backend.set_kernel_arg(kernel, index, value)
    backend.wait(backend.enqueue_nd_range_kernel(bench.queue, kernel, [4], [2], [0], None))
    backend.set_kernel_arg(kernel, 0, None)


def programs_are_built_again_and_from_binaries(bench: Bench) -> None:
    backend = bench.backend
    program = bench.built(SOURCE)
    backend.program_kernels(program)
    backend.build_program(program, [bench.device], "-DAGAIN")
    (binary,) = backend.program_binaries(program)
    copy = backend.create_program_with_binary(bench.context, [bench.device], [binary])
    backend.build_program(copy, [bench.device], "")
    assert [kernel.name for kernel in backend.program_kernels(copy)] == ["twice"]
    assert len(backend.build_logs(copy)) == 1


def programs_are_linked_of_compiled_ones(bench: Bench) -> None:
    backend, devices = bench.backend, [bench.device]
    if bench.is_cuda:
        assert raises(lambda: backend.link_program(bench.context, [bench.built(SOURCE)], devices, ""))
        return
    header = backend.create_program_with_source(bench.context, "#define N 2")
    part = backend.create_program_with_source(bench.context, '#include "n.h"\n' + SOURCE)
    backend.compile_program(part, devices, "", [("n.h", header)])
    library = backend.link_program(bench.context, [part], devices, "-create-library")
    linked = backend.link_program(bench.context, [library], devices, "")
    (info,) = backend.program_kernels(linked)
    assert info.name == "twice"
    assert raises(lambda: backend.link_program(bench.context, [header], devices, ""))
    backend.unload_platform_compiler(bench.device)


def what_a_device_lacks_is_an_opencl_error(bench: Bench) -> None:
    backend, device = bench.backend, bench.device
    kernel = backend.create_kernel(bench.built(SOURCE), "twice")
    assert raises(lambda: backend.create_program_with_il(bench.context, b"nonsense"))
    assert raises(lambda: backend.create_sub_devices(device, [1, 2]))
    assert raises(lambda: backend.work_group_info(kernel, device, 0x11B5))
    assert raises(lambda: backend.sub_group_info(kernel, device, 0x11B8, []))
    assert raises(lambda: backend.set_specialization_constant(bench.built(SOURCE), 1, bytes(4)))
    assert raises(lambda: backend.set_default_device_command_queue(bench.context, device, bench.queue))


def programs_tell_what_they_are(bench: Bench) -> None:
    program = bench.built(SOURCE)
    assert bench.backend.program_info(program, 0x116A) == 0
    assert isinstance(bench.backend.build_info(program, bench.device, 0x1185), int)


def mistakes_are_opencl_errors(bench: Bench) -> None:
    backend, queue, buffer = bench.backend, bench.queue, bench.buffer(bytes(8))
    program = bench.built(SOURCE)
    kernel = backend.create_kernel(program, "twice")
    assert raises(lambda: bench.built("nonsense"))
    assert raises(lambda: backend.create_kernel(program, "nobody"))
    assert raises(lambda: backend.set_kernel_arg(kernel, 3, bytes(4)))
    assert raises(lambda: backend.set_kernel_arg(kernel, -1, bytes(4)))
    assert raises(lambda: backend.enqueue_nd_range_kernel(queue, kernel, [1], None, None, None))
    assert raises(lambda: backend.create_buffer(bench.context, READ_WRITE, 0, None))
    assert raises(lambda: backend.create_buffer(bench.context, READ_WRITE, -1, None))
    assert raises(lambda: backend.enqueue_write_buffer(queue, buffer, bytes(9), 0, None))
    assert raises(lambda: backend.enqueue_read_buffer(queue, buffer, bytearray(1), 8, None))
    assert raises(lambda: backend.enqueue_read_buffer(queue, buffer, bytearray(1), -1, None))
    assert raises(lambda: backend.enqueue_copy_buffer(queue, buffer, buffer, 0, 2, 4, None))
    assert raises(lambda: backend.enqueue_fill_buffer(queue, buffer, b"abc", 0, 6, None))
    assert raises(lambda: backend.create_sub_buffer(buffer, 0, 0, 9))


CHECKS = [
    devices_are_listed_alike_every_time, probes_find_nothing_wrong, content_moves,
    mappings_show_and_change_content, events_end_complete_with_times_in_order,
    queues_without_profiling_have_no_times, kernels_take_every_kind_of_argument,
    programs_are_built_again_and_from_binaries, programs_are_linked_of_compiled_ones,
    what_a_device_lacks_is_an_opencl_error, programs_tell_what_they_are, mistakes_are_opencl_errors,
    addresses_are_told_or_refused, variables_are_buffers_or_refused,
    attributes_of_kernels_are_set_or_refused, nothing_is_lost,
]  # fmt: skip
NAMES = [check.__name__ for check in CHECKS]


def main() -> None:
    """Run every check."""
    name, wanted = sys.argv[1:]
    backend = load_backend(name)
    (device,) = [device for device in backend.devices() if device.name == wanted]
    context = backend.create_context([device])
    queue = backend.create_command_queue(context, device, PROFILING)
    bench = Bench(backend, device, context, queue)
    for check in CHECKS:
        check(bench)
        print(check.__name__, flush=True)  # noqa: T201 - its report


if __name__ == "__main__":
    main()
