"""accelpool_kernels: a library of kernels for OpenCL and CUDA, each with a catalogue entry and a NumPy twin.

The catalogue (names here) needs the standard library alone. `accelpool_kernels.twins` and
`accelpool_kernels.samples` need NumPy and are imported by whoever wants them.
"""

from accelpool_kernels.catalogue import entry, names, source
from accelpool_kernels.description import Argument, Entry, NDRange, NDRangeRule, Role, Tolerance
from accelpool_kernels.errors import InvalidArgument, KernelLibraryError, UnknownApi, UnknownKernel

__all__ = [
    "Argument",
    "Entry",
    "InvalidArgument",
    "KernelLibraryError",
    "NDRange",
    "NDRangeRule",
    "Role",
    "Tolerance",
    "UnknownApi",
    "UnknownKernel",
    "entry",
    "names",
    "source",
]
