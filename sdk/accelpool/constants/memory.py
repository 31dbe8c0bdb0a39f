"""Constants of memory objects.

Source: cl.h and cl_ext.h of the Khronos OpenCL headers; the names are PyOpenCL's.
"""

# ruff: noqa: N801 - the classes have OpenCL's names

from __future__ import annotations

from accelpool.constants.base import Constants


class mem_flags(Constants, bits=True):
    """How a memory object may be used, and where its first content is from; bits."""

    READ_WRITE = 1
    WRITE_ONLY = 2
    READ_ONLY = 4
    USE_HOST_PTR = 8
    ALLOC_HOST_PTR = 16
    COPY_HOST_PTR = 32
    HOST_WRITE_ONLY = 128
    HOST_READ_ONLY = 256
    HOST_NO_ACCESS = 512
    KERNEL_READ_AND_WRITE = 0x1000


class svm_mem_flags(Constants, bits=True):
    """How shared virtual memory may be used; bits."""

    READ_WRITE = 1
    WRITE_ONLY = 2
    READ_ONLY = 4
    SVM_FINE_GRAIN_BUFFER = 0x400
    SVM_ATOMICS = 0x800


class mem_object_type(Constants):
    """Kinds of memory objects."""

    BUFFER = 0x10F0
    IMAGE2D = 0x10F1
    IMAGE3D = 0x10F2
    IMAGE2D_ARRAY = 0x10F3
    IMAGE1D = 0x10F4
    IMAGE1D_ARRAY = 0x10F5
    IMAGE1D_BUFFER = 0x10F6
    PIPE = 0x10F7


class mem_info(Constants):
    """What can be asked of a memory object."""

    TYPE = 0x1100
    FLAGS = 0x1101
    SIZE = 0x1102
    HOST_PTR = 0x1103
    MAP_COUNT = 0x1104
    REFERENCE_COUNT = 0x1105
    CONTEXT = 0x1106
    ASSOCIATED_MEMOBJECT = 0x1107
    OFFSET = 0x1108
    USES_SVM_POINTER = 0x1109
    PROPERTIES = 0x110A


class map_flags(Constants, bits=True):
    """What a mapping is for; bits."""

    READ = 1
    WRITE = 2
    WRITE_INVALIDATE_REGION = 4


class mem_migration_flags(Constants, bits=True):
    """Where a memory object moves, and whether its content does; bits."""

    HOST = 1
    CONTENT_UNDEFINED = 2


class pipe_info(Constants):
    """What can be asked of a pipe."""

    PACKET_SIZE = 0x1120
    MAX_PACKETS = 0x1121
    PROPERTIES = 0x1122


class pipe_properties(Constants):
    """What can be demanded of a pipe when it is made."""

    PACKET_SIZE = 0x1120
    MAX_PACKETS = 0x1121
