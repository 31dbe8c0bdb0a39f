"""What programs and devices do, as cases that run on PyOpenCL's own objects and on the pool's.

`python -m tests.integration.program_cases NAME` runs them on the local device of that name and prints what
came of each as JSON: in a process of its own, so that it sees the drivers of the pool's node.
"""

import json
import sys

import numpy as np

import accelpool

from .spirv_assembler import filling_module
from .test_sdk_parity import Bench, failure

HEADER = "inline int seven(void) { return 7; }"
INCLUDING = '#include "my/header.h"\n__kernel void f(__global int *a) { a[0] = seven() + N; }'
LIBRARY = "int nine(void) { return 9; }"
CALLING = "int nine(void); __kernel void f(__global int *a) { a[0] = nine(); }"
OTHER_HERE = {
    "MAX_MEM_ALLOC_SIZE",
    "GLOBAL_MEM_SIZE",
    "SVM_CAPABILITIES",
    "PIPE_SUPPORT",
    "PLATFORM",
    "REFERENCE_COUNT",
    "PRINTF_BUFFER_SIZE",  # PyOpenCL asks for it in four bytes instead of eight, and is refused
}
DEVICE_INFOS = sorted(name for name in vars(accelpool.device_info) if name.isupper())
PLATFORM_INFOS = sorted(name for name in vars(accelpool.platform_info) if name.isupper())


def run(b, program, kernel="f"):
    out = b.buffer(size=4)
    b.cl.Kernel(program, kernel)(b.queue, (1,), None, out)
    return int(b.read(out, np.int32, 1)[0])


def headers(b):
    header = b.cl.Program(b.ctx, HEADER)
    program = b.cl.Program(b.ctx, INCLUDING)
    program.compile(["-D", "N=1"], headers=[("my/header.h", header)])
    return run(b, b.cl.link_program(b.ctx, [program]))


def library(b):
    parts = [b.cl.Program(b.ctx, source).compile() for source in (LIBRARY, CALLING)]
    made = b.cl.link_program(b.ctx, parts[:1], "-create-library", [b.device])
    linked = b.cl.link_program(b.ctx, [made, parts[1]], [])
    info = b.cl.program_build_info
    types = [x.get_build_info(b.device, info.BINARY_TYPE) for x in (*parts, made, linked)]
    return run(b, linked), types, linked.kernel_names, linked.num_kernels, linked.source


def compiled_binary(b):
    compiled = b.cl.Program(b.ctx, CALLING.replace("int nine(void);", LIBRARY)).compile()
    again = b.cl.Program(b.ctx, [b.device], compiled.binaries)
    return run(b, b.cl.link_program(b.ctx, [again]))


def from_il(b):
    return run(b, b.cl.Program(b.ctx, filling_module()).build(), "fill")


def part_of_a_context(b):
    parts = b.device.create_sub_devices([b.cl.device_partition_property.EQUALLY, 1])
    ctx = b.cl.Context(parts)
    program = b.cl.Program(ctx, "__kernel void f(__global int *a) { a[0] = 3; }").build(devices=parts[:1])
    info = b.cl.program_build_info.STATUS
    buffer, out = b.cl.Buffer(ctx, b.cl.mem_flags.READ_WRITE, 4), np.zeros(1, np.int32)
    queue = b.cl.CommandQueue(ctx, parts[0])
    b.cl.Kernel(program, "f")(queue, (1,), None, buffer)
    b.cl.enqueue_copy(queue, out, buffer)
    return int(out[0]), program.get_build_info(parts[0], info)


def sub_devices(b):
    way, info = b.cl.device_partition_property, b.cl.device_info
    parts = b.device.create_sub_devices([way.EQUALLY, 1])
    ctx = b.cl.Context(parts)
    queues = [b.cl.CommandQueue(ctx, part) for part in parts]
    program = b.cl.Program(ctx, "__kernel void f(__global int *a) { a[get_global_id(0)] += 1; }").build()
    buffer = b.cl.Buffer(ctx, b.cl.mem_flags.COPY_HOST_PTR, hostbuf=np.zeros(4, np.int32))
    for queue in queues:
        b.cl.Kernel(program, "f")(queue, (4,), None, buffer)
        queue.finish()
    out = np.zeros(4, np.int32)
    b.cl.enqueue_copy(queues[0], out, buffer)
    types = [part.get_info(info.PARTITION_TYPE) for part in parts]
    parents = [part.parent_device == b.device for part in parts]
    return (
        [int(x) for x in out],
        [part.max_compute_units for part in parts],
        types,
        parents,
        len(program.binaries),
    )


RESULTS = {
    call.__name__: call
    for call in (headers, library, compiled_binary, from_il, sub_devices, part_of_a_context)
}


def sub_group(b, name, value=None):
    return b.kernel("saxpy").get_sub_group_info(b.device, getattr(b.cl.kernel_sub_group_info, name), value)


def queue_of(b, *properties):
    queue = b.cl.CommandQueue(b.ctx, b.device, list(properties))
    return queue.properties, queue.properties_array


def unbuilt(b):
    program = b.cl.Program(b.ctx, [b.device], [b.prg.binaries[0]])
    return program.binaries == [b.prg.binaries[0]], program.source, program.il


INFOS = {
    "sub-groups": lambda b: sub_group(b, "MAX_NUM_SUB_GROUPS"),
    "sub-groups asked for": lambda b: sub_group(b, "COMPILE_NUM_SUB_GROUPS"),
    "largest sub-group": lambda b: sub_group(b, "MAX_SUB_GROUP_SIZE_FOR_NDRANGE", (8, 8)),
    "count of sub-groups": lambda b: sub_group(b, "SUB_GROUP_COUNT_FOR_NDRANGE", [64]),
    "size for sub-groups": lambda b: sub_group(b, "LOCAL_SIZE_FOR_SUB_GROUP_COUNT", 1),
    "queue of a number": lambda b: (lambda q: (q.properties, q.properties_array))(b.cl.CommandQueue(b.ctx)),
    "queue of a list": lambda b: queue_of(b, b.cl.queue_properties.PROPERTIES, 2),
    "queue of an ended list": lambda b: queue_of(b, b.cl.queue_properties.PROPERTIES, 3, 0),
    "queue of an empty list": lambda b: queue_of(b),
    "context's properties": lambda b: b.ctx.properties,
    "constructors": lambda b: (b.prg.scope_global_ctors_present, b.prg.scope_global_dtors_present),
    "binary before its build": unbuilt,
    "unload": lambda b: b.cl.unload_platform_compiler(b.device.platform),
    "intermediate language": lambda b: b.prg.il,
    "device": lambda b: infos(b.device, DEVICE_INFOS, b.cl.device_info),
    "platform": lambda b: infos(b.device.platform, PLATFORM_INFOS, b.cl.platform_info),
}


def infos(queried, names, numbers):
    """Return every info of a device or platform that sharing it does not change."""
    return {name: told(queried, getattr(numbers, name)) for name in names if name not in OTHER_HERE}


def told(queried, number):
    try:
        value = queried.get_info(number)
    except Exception as error:
        return type(error).__name__, error.code
    if number == accelpool.device_info.DEVICE_ENQUEUE_CAPABILITIES:
        return value & 3  # PoCL leaves the other half as it was
    if isinstance(value, list):
        return [(part.version, part.name) if hasattr(part, "version") else part for part in value]
    return value


def compiled(b, source=CALLING):
    return b.cl.Program(b.ctx, source).compile()


def parted(b, *properties):
    return b.device.create_sub_devices(list(properties))


ERRORS = {
    "source that does not compile": lambda b: compiled(b, "__kernel void f( { x }"),
    "options of nobody": lambda b: b.cl.Program(b.ctx, CALLING).compile("--nobody"),
    "header that is not there": lambda b: compiled(b, INCLUDING),
    "linking nothing": lambda b: b.cl.link_program(b.ctx, []),
    "names of compiled kernels": lambda b: compiled(b).kernel_names,
    "kernel of a compiled program": lambda b: b.cl.Kernel(compiled(b), "f"),
    "global size of a kernel": lambda b: b.kernel("four").get_work_group_info(
        b.cl.kernel_work_group_info.GLOBAL_WORK_SIZE, b.device
    ),
    "no such sub-group info": lambda b: b.kernel("four").get_sub_group_info(b.device, 1),
    "sub-group info of no size": lambda b: sub_group(b, "SUB_GROUP_COUNT_FOR_NDRANGE"),
    "queue of an unknown property": lambda b: queue_of(b, 1),
    "parts of nothing": parted,
    "parted by nobody": lambda b: parted(b, 1, 5),
    "more parts than units": lambda b: parted(b, b.cl.device_partition_property.EQUALLY, 500),
    "default queue on the host": lambda b: b.ctx.set_default_device_command_queue(b.device, b.queue),
    "on-device queue in order": lambda b: b.cl.CommandQueue(b.ctx, properties=4),
}


def outcome(name, b):
    """Return what a case gives, as it is after JSON."""
    if name in ERRORS:
        return list(failure(ERRORS[name], b) or ())
    try:
        return json.loads(json.dumps({**RESULTS, **INFOS}[name](b)))
    except Exception as error:
        return [type(error).__name__, getattr(error, "code", None)]


def main():
    import pyopencl

    devices = [device for platform in pyopencl.get_platforms() for device in platform.get_devices()]
    device = next(device for device in devices if device.name.strip() == sys.argv[1])
    bench = Bench(pyopencl, pyopencl.Context([device]))
    for name in (*RESULTS, *INFOS, *ERRORS):
        sys.stdout.write(json.dumps([name, outcome(name, bench)]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
