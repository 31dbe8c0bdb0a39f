"""Constants of platforms, contexts and command queues.

Source: cl.h and cl_ext.h of the Khronos OpenCL headers; the names are PyOpenCL's.
"""

# ruff: noqa: N801 - the classes have OpenCL's names

from __future__ import annotations

from accelpool.constants.base import Constants


class platform_info(Constants):
    """What can be asked of a platform."""

    PROFILE = 0x900
    VERSION = 0x901
    NAME = 0x902
    VENDOR = 0x903
    EXTENSIONS = 0x904
    HOST_TIMER_RESOLUTION = 0x905
    NUMERIC_VERSION = 0x906
    EXTENSIONS_WITH_VERSION = 0x907


class context_info(Constants):
    """What can be asked of a context."""

    REFERENCE_COUNT = 0x1080
    DEVICES = 0x1081
    PROPERTIES = 0x1082
    NUM_DEVICES = 0x1083
    INTEROP_USER_SYNC = 0x1085


class context_properties(Constants):
    """What can be demanded of a context when it is made."""

    PLATFORM = 0x1084


class command_queue_info(Constants):
    """What can be asked of a command queue."""

    CONTEXT = 0x1090
    DEVICE = 0x1091
    REFERENCE_COUNT = 0x1092
    PROPERTIES = 0x1093
    PROPERTIES_ARRAY = 0x1098


class command_queue_properties(Constants, bits=True):
    """How a command queue behaves; bits."""

    OUT_OF_ORDER_EXEC_MODE_ENABLE = 1
    PROFILING_ENABLE = 2
    ON_DEVICE = 4
    ON_DEVICE_DEFAULT = 8


class queue_properties(Constants):
    """The names in a list of queue properties."""

    PROPERTIES = 0x1093
    SIZE = 0x1094
    DEVICE_DEFAULT = 0x1095
