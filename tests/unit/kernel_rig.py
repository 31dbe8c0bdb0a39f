"""What the tests of programs and kernels share: a connection whose compiler knows some kernels."""

from accelpool.testing import FakeConnection, built, kernel_info
from accelpool_wire import messages as m

SAXPY = kernel_info("saxpy", "float a", "global float* x", "global float* y", "int n")
MIXED = kernel_info("mixed", "local float* tmp", "float4 v", "struct_t s", "constant int* k", "uchar c")


def with_compiler():
    """Return a fake connection that answers every build with three kernels."""
    fake = FakeConnection()
    fake.answers[m.BuildProgram] = built(SAXPY, MIXED, kernel_info("nop"))
    return fake
