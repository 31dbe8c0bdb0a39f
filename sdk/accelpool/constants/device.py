"""Constants of devices: kinds and capabilities; `device_info.py` has what can be asked.

Source: cl.h and cl_ext.h of the Khronos OpenCL headers; the names are PyOpenCL's.
"""

# ruff: noqa: N801 - the classes have OpenCL's names

from __future__ import annotations

from accelpool.constants.base import Constants


class device_type(Constants, bits=True):
    """Kinds of devices; bits."""

    DEFAULT = 1
    CPU = 2
    GPU = 4
    ACCELERATOR = 8
    CUSTOM = 16
    ALL = 0xFFFFFFFF


class device_fp_config(Constants, bits=True):
    """What a device's floating point can do; bits."""

    DENORM = 1
    INF_NAN = 2
    ROUND_TO_NEAREST = 4
    ROUND_TO_ZERO = 8
    ROUND_TO_INF = 16
    FMA = 32
    SOFT_FLOAT = 64
    CORRECTLY_ROUNDED_DIVIDE_SQRT = 128


class device_mem_cache_type(Constants):
    """What a device's cache of global memory does."""

    NONE = 0
    READ_ONLY_CACHE = 1
    READ_WRITE_CACHE = 2


class device_local_mem_type(Constants):
    """Where a device has its local memory."""

    LOCAL = 1
    GLOBAL = 2


class device_exec_capabilities(Constants, bits=True):
    """What a device can execute; bits."""

    KERNEL = 1
    NATIVE_KERNEL = 2


class device_svm_capabilities(Constants, bits=True):
    """What a device knows of shared virtual memory; bits."""

    COARSE_GRAIN_BUFFER = 1
    FINE_GRAIN_BUFFER = 2
    FINE_GRAIN_SYSTEM = 4
    ATOMICS = 8


class device_partition_property(Constants):
    """How a device can be partitioned."""

    BY_COUNTS_LIST_END = 0
    EQUALLY = 0x1086
    BY_COUNTS = 0x1087
    BY_AFFINITY_DOMAIN = 0x1088


class device_affinity_domain(Constants, bits=True):
    """What sub-devices can share; bits."""

    NUMA = 1
    L4_CACHE = 2
    L3_CACHE = 4
    L2_CACHE = 8
    L1_CACHE = 16
    NEXT_PARTITIONABLE = 32


class device_atomic_capabilities(Constants, bits=True):
    """What a device's atomics can do; bits."""

    ORDER_RELAXED = 1
    ORDER_ACQ_REL = 2
    ORDER_SEQ_CST = 4
    SCOPE_WORK_ITEM = 8
    SCOPE_WORK_GROUP = 16
    SCOPE_DEVICE = 32
    SCOPE_ALL_DEVICES = 64


class device_device_enqueue_capabilities(Constants, bits=True):
    """What a device's kernels can enqueue; bits."""

    SUPPORTED = 1
    REPLACEABLE_DEFAULT = 2


class device_topology_type_amd(Constants):
    """How an AMD device is attached."""

    PCIE = 1


class khronos_vendor_id(Constants):
    """Vendor ids that no bus gave."""

    CODEPLAY = 0x10004


class version_bits(Constants):
    """Where a packed version has its parts."""

    MAJOR_BITS = 10
    MINOR_BITS = 10
    PATCH_BITS = 12
    MAJOR_MASK = 1023
    MINOR_MASK = 1023
    PATCH_MASK = 0xFFF
