"""Constants of programs and kernels.

Source: cl.h and cl_ext.h of the Khronos OpenCL headers; the names are PyOpenCL's.
"""

# ruff: noqa: N801 - the classes have OpenCL's names

from __future__ import annotations

from accelpool.constants.base import Constants


class program_kind(Constants):
    """What a program is made from."""

    UNKNOWN = 0
    SOURCE = 1
    BINARY = 2
    IL = 3


class program_info(Constants):
    """What can be asked of a program."""

    REFERENCE_COUNT = 0x1160
    CONTEXT = 0x1161
    NUM_DEVICES = 0x1162
    DEVICES = 0x1163
    SOURCE = 0x1164
    BINARY_SIZES = 0x1165
    BINARIES = 0x1166
    NUM_KERNELS = 0x1167
    KERNEL_NAMES = 0x1168
    IL = 0x1169
    SCOPE_GLOBAL_CTORS_PRESENT = 0x116A
    SCOPE_GLOBAL_DTORS_PRESENT = 0x116B


class program_build_info(Constants):
    """What can be asked of a program's build for a device."""

    STATUS = 0x1181
    OPTIONS = 0x1182
    LOG = 0x1183
    BINARY_TYPE = 0x1184
    GLOBAL_VARIABLE_TOTAL_SIZE = 0x1185


class program_binary_type(Constants):
    """What a program's binary for a device is."""

    NONE = 0
    COMPILED_OBJECT = 1
    LIBRARY = 2
    EXECUTABLE = 4


class kernel_info(Constants):
    """What can be asked of a kernel."""

    FUNCTION_NAME = 0x1190
    NUM_ARGS = 0x1191
    REFERENCE_COUNT = 0x1192
    CONTEXT = 0x1193
    PROGRAM = 0x1194
    ATTRIBUTES = 0x1195


class kernel_arg_info(Constants):
    """What can be asked of a kernel's argument."""

    ADDRESS_QUALIFIER = 0x1196
    ACCESS_QUALIFIER = 0x1197
    TYPE_NAME = 0x1198
    TYPE_QUALIFIER = 0x1199
    NAME = 0x119A


class kernel_arg_address_qualifier(Constants):
    """Where a kernel's argument points."""

    GLOBAL = 0x119B
    LOCAL = 0x119C
    CONSTANT = 0x119D
    PRIVATE = 0x119E


class kernel_arg_access_qualifier(Constants):
    """How a kernel uses an image argument."""

    READ_ONLY = 0x11A0
    WRITE_ONLY = 0x11A1
    READ_WRITE = 0x11A2
    NONE = 0x11A3


class kernel_arg_type_qualifier(Constants, bits=True):
    """How a kernel's argument is declared; bits."""

    NONE = 0
    CONST = 1
    RESTRICT = 2
    VOLATILE = 4
    PIPE = 8


class kernel_work_group_info(Constants):
    """What can be asked of a kernel on a device."""

    WORK_GROUP_SIZE = 0x11B0
    COMPILE_WORK_GROUP_SIZE = 0x11B1
    LOCAL_MEM_SIZE = 0x11B2
    PREFERRED_WORK_GROUP_SIZE_MULTIPLE = 0x11B3
    PRIVATE_MEM_SIZE = 0x11B4
    GLOBAL_WORK_SIZE = 0x11B5


class kernel_sub_group_info(Constants):
    """What can be asked of a kernel's sub-groups on a device."""

    LOCAL_SIZE_FOR_SUB_GROUP_COUNT = 0x11B8
    MAX_NUM_SUB_GROUPS = 0x11B9
    COMPILE_NUM_SUB_GROUPS = 0x11BA
    MAX_SUB_GROUP_SIZE_FOR_NDRANGE = 0x2033
    SUB_GROUP_COUNT_FOR_NDRANGE = 0x2034
