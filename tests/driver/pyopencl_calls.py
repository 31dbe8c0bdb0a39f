"""What a program with PyOpenCL does, nothing changed for a pool; results are compared with NumPy's.

Its one argument is a file with a SPIR-V module: `fill`, which writes the specialization constant 7.
"""

import sys
from pathlib import Path

import numpy as np
import pyopencl as cl
import pyopencl.array as cl_array

SOURCE = """
kernel void saxpy(float a, global const float *x, global float *y) {
    int i = get_global_id(0);
    y[i] = a * x[i] + y[i];
}
"""


def main() -> None:
    platform = next(platform for platform in cl.get_platforms() if platform.name == "accelpool")
    ctx = cl.Context(platform.get_devices()[:1])
    queue = cl.CommandQueue(ctx, properties=cl.command_queue_properties.PROFILING_ENABLE)
    rng = np.random.default_rng(7)
    kernels(ctx, queue, rng)
    arrays(queue, rng)
    mappings(ctx, queue, rng)
    shared_virtual_memory(ctx, queue, rng)
    if "SPIR-V" in ctx.devices[0].il_version:
        intermediate_language(ctx, queue, Path(sys.argv[1]).read_bytes())
    if names := ctx.devices[0].built_in_kernels:
        program = cl.create_program_with_built_in_kernels(ctx, ctx.devices, names)
        assert program.get_info(cl.program_info.DEVICES) == ctx.devices


def kernels(ctx, queue, rng):
    x, y = rng.random((2, 100_000), dtype=np.float32)
    flags = cl.mem_flags
    x_buffer = cl.Buffer(ctx, flags.READ_ONLY | flags.COPY_HOST_PTR, hostbuf=x)
    y_buffer = cl.Buffer(ctx, flags.READ_WRITE | flags.COPY_HOST_PTR, hostbuf=y)
    program = cl.Program(ctx, SOURCE).build()
    event = program.saxpy(queue, x.shape, None, np.float32(3), x_buffer, y_buffer)
    result = np.empty_like(y)
    cl.enqueue_copy(queue, result, y_buffer, wait_for=[event])
    np.testing.assert_allclose(result, 3 * x + y, rtol=1e-6)
    assert event.profile.end >= event.profile.start


def arrays(queue, rng):
    a, b = rng.random((2, 4000), dtype=np.float32)
    left, right = cl_array.to_device(queue, a), cl_array.to_device(queue, b)
    np.testing.assert_allclose((left * 2 + right).get(), a * 2 + b, rtol=1e-6)
    np.testing.assert_allclose(cl_array.sum(left).get(), a.sum(), rtol=1e-4)
    np.testing.assert_allclose(cl_array.cumsum(left).get(), a.cumsum(), rtol=1e-3)


def mappings(ctx, queue, rng):
    sent = rng.integers(0, 255, 4096, dtype=np.uint8)
    buffer = cl.Buffer(ctx, cl.mem_flags.COPY_HOST_PTR, hostbuf=sent)
    mapped, event = cl.enqueue_map_buffer(
        queue, buffer, cl.map_flags.READ | cl.map_flags.WRITE, 0, sent.shape, sent.dtype, is_blocking=False
    )
    event.wait()
    assert (mapped == sent).all()
    mapped[:100] = 1
    mapped.base.release(queue)
    result = np.empty_like(sent)
    cl.enqueue_migrate_mem_objects(queue, [buffer]).wait()
    cl.enqueue_copy(queue, result, buffer)
    assert (result[:100] == 1).all()
    assert (result[100:] == sent[100:]).all()


def shared_virtual_memory(ctx, queue, rng):
    x, y = cl.csvm_empty(ctx, 1000, np.float32), cl.csvm_empty(ctx, 1000, np.float32, queue=queue)
    sent = rng.random((2, 1000), dtype=np.float32)
    with cl.SVM(x).map_rw(queue) as mapped:
        mapped[:] = sent[0]
    cl.enqueue_copy(queue, cl.SVM(y), sent[1])
    cl.Program(ctx, SOURCE).build().saxpy(
        queue, (900,), None, np.float32(3), cl.SVM(x[100:]), cl.SVM(y[100:])
    )
    with cl.SVM(y).map_ro(queue) as mapped:
        np.testing.assert_allclose(mapped[100:], 3 * sent[0][100:] + sent[1][100:], rtol=1e-6)
    y.base.release()
    queue.finish()


def intermediate_language(ctx, queue, module):
    program = cl.Program(ctx, module)
    program._get_prg().set_specialization_constant(7, np.uint32(99))  # no public name for it
    program.build()
    result = np.empty(1, np.uint32)
    buffer = cl.Buffer(ctx, cl.mem_flags.WRITE_ONLY, result.nbytes)
    program.fill(queue, (1,), None, buffer)
    cl.enqueue_copy(queue, result, buffer)
    assert result == 99


main()
