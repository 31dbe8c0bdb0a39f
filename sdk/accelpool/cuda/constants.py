"""CUDA's numbers, under PyCUDA's names; those of device attributes are in `device_attributes`.

Source: CUDA driver API, cuda.h.
"""

from __future__ import annotations

from enum import IntEnum


class Named(IntEnum):
    """Numbers that print as their names, as PyCUDA's do."""

    def __str__(self) -> str:
        return self.name


class function_attribute(Named):  # noqa: N801 - PyCUDA's name, as those below
    """What can be asked of a function: `Function.get_attribute`."""

    MAX_THREADS_PER_BLOCK = 0
    SHARED_SIZE_BYTES = 1
    CONST_SIZE_BYTES = 2
    LOCAL_SIZE_BYTES = 3
    NUM_REGS = 4
    PTX_VERSION = 5
    BINARY_VERSION = 6
    CACHE_MODE_CA = 7
    MAX_DYNAMIC_SHARED_SIZE_BYTES = 8
    PREFERRED_SHARED_MEMORY_CARVEOUT = 9
    MAX = 16


class ctx_flags(Named):  # noqa: N801
    """How a context's threads wait; of no effect here, where they wait for a node."""

    SCHED_AUTO = 0
    SCHED_SPIN = 1
    SCHED_YIELD = 2
    BLOCKING_SYNC = 4
    SCHED_BLOCKING_SYNC = 4
    SCHED_MASK = 7
    MAP_HOST = 8
    LMEM_RESIZE_TO_MAX = 16
    FLAGS_MASK = 255


class event_flags(Named):  # noqa: N801
    """Flags of an event."""

    DEFAULT = 0
    BLOCKING_SYNC = 1
    DISABLE_TIMING = 2
    INTERPROCESS = 4


class stream_flags(Named):  # noqa: N801
    """Flags of a stream; PyCUDA takes the numbers and has no names for them."""

    DEFAULT = 0
    NON_BLOCKING = 1


class host_alloc_flags:  # noqa: N801
    """Flags of page-locked memory; of no effect here, where it is ordinary memory."""

    PORTABLE = 1
    DEVICEMAP = 2
    WRITECOMBINED = 4


class mem_host_register_flags:  # noqa: N801
    """Flags of memory that is page-locked later; likewise of no effect."""

    PORTABLE = 1
    DEVICEMAP = 2


class compute_mode(Named):  # noqa: N801
    """Who may use a device."""

    DEFAULT = 0
    PROHIBITED = 2
    EXCLUSIVE_PROCESS = 3


class func_cache(Named):  # noqa: N801
    """What a function's cache is to be; a hint."""

    PREFER_NONE = 0
    PREFER_SHARED = 1
    PREFER_L1 = 2
    PREFER_EQUAL = 3


class shared_config(Named):  # noqa: N801
    """How wide banks of shared memory are; a hint."""

    DEFAULT_BANK_SIZE = 0
    FOUR_BYTE_BANK_SIZE = 1
    EIGHT_BYTE_BANK_SIZE = 2


class limit(Named):  # noqa: N801
    """Limits of a context."""

    STACK_SIZE = 0
    PRINTF_FIFO_SIZE = 1
    MALLOC_HEAP_SIZE = 2
    DEV_RUNTIME_SYNC_DEPTH = 3
    DEV_RUNTIME_PENDING_LAUNCH_COUNT = 4


class memory_type(Named):  # noqa: N801
    """Where memory is."""

    HOST = 1
    DEVICE = 2
    ARRAY = 3
    UNIFIED = 4


class array_format(Named):  # noqa: N801
    """What an array's numbers are."""

    UNSIGNED_INT8 = 1
    UNSIGNED_INT16 = 2
    UNSIGNED_INT32 = 3
    SIGNED_INT8 = 8
    SIGNED_INT16 = 9
    SIGNED_INT32 = 10
    HALF = 16
    FLOAT = 32


class jit_option(Named):  # noqa: N801
    """Options of `module_from_buffer`; nodes compile with their own."""

    MAX_REGISTERS = 0
    THREADS_PER_BLOCK = 1
    WALL_TIME = 2
    INFO_LOG_BUFFER = 3
    INFO_LOG_BUFFER_SIZE_BYTES = 4
    ERROR_LOG_BUFFER = 5
    ERROR_LOG_BUFFER_SIZE_BYTES = 6
    OPTIMIZATION_LEVEL = 7
    TARGET_FROM_CUCONTEXT = 8
    TARGET = 9
    FALLBACK_STRATEGY = 10


class jit_input_type(Named):  # noqa: N801
    """What a `Linker` is given, where there is one."""

    CUBIN = 0
    PTX = 1
    FATBINARY = 2
    OBJECT = 3
    LIBRARY = 4


class jit_target(Named):  # noqa: N801
    """What `jit_option.TARGET` may be; nodes compile for their device."""

    COMPUTE_30 = 30
    COMPUTE_32 = 32
    COMPUTE_35 = 35
    COMPUTE_37 = 37
    COMPUTE_50 = 50
    COMPUTE_52 = 52
    COMPUTE_53 = 53
    COMPUTE_60 = 60
    COMPUTE_61 = 61
    COMPUTE_62 = 62
    COMPUTE_70 = 70
    COMPUTE_72 = 72
    COMPUTE_75 = 75
    COMPUTE_80 = 80
    COMPUTE_86 = 86
    COMPUTE_90 = 90
    COMPUTE_90A = 0x10000 + 90


class jit_fallback(Named):  # noqa: N801
    """What `jit_option.FALLBACK_STRATEGY` may be; likewise of no effect."""

    PREFER_PTX = 0
    PREFER_BINARY = 1


class pointer_attribute(Named):  # noqa: N801
    """What CUDA tells of a pointer; PyCUDA has the names, and nothing that takes them."""

    CONTEXT = 1
    MEMORY_TYPE = 2
    DEVICE_POINTER = 3
    HOST_POINTER = 4


TRSA_OVERRIDE_FORMAT = 1
TRSF_READ_AS_INTEGER = 1
TRSF_NORMALIZED_COORDINATES = 2
TR_DEFAULT = -1
