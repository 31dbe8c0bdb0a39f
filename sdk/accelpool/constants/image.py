"""Constants of images and samplers.

Source: cl.h and cl_ext.h of the Khronos OpenCL headers; the names are PyOpenCL's.
"""

# ruff: noqa: N801, N815 - the classes and channels have OpenCL's names

from __future__ import annotations

from accelpool.constants.base import Constants


class channel_order(Constants):
    """Which channels a pixel has, in which order."""

    R = 0x10B0
    A = 0x10B1
    RG = 0x10B2
    RA = 0x10B3
    RGB = 0x10B4
    RGBA = 0x10B5
    BGRA = 0x10B6
    INTENSITY = 0x10B8
    LUMINANCE = 0x10B9
    Rx = 0x10BA
    RGx = 0x10BB
    RGBx = 0x10BC
    sRGB = 0x10BF
    sRGBx = 0x10C0
    sRGBA = 0x10C1
    sBGRA = 0x10C2
    ABGR = 0x10C3


class channel_type(Constants):
    """What a channel of a pixel is."""

    SNORM_INT8 = 0x10D0
    SNORM_INT16 = 0x10D1
    UNORM_INT8 = 0x10D2
    UNORM_INT16 = 0x10D3
    UNORM_SHORT_565 = 0x10D4
    UNORM_SHORT_555 = 0x10D5
    UNORM_INT_101010 = 0x10D6
    SIGNED_INT8 = 0x10D7
    SIGNED_INT16 = 0x10D8
    SIGNED_INT32 = 0x10D9
    UNSIGNED_INT8 = 0x10DA
    UNSIGNED_INT16 = 0x10DB
    UNSIGNED_INT32 = 0x10DC
    HALF_FLOAT = 0x10DD
    FLOAT = 0x10DE
    UNORM_INT_101010_2 = 0x10E0


class image_info(Constants):
    """What can be asked of an image."""

    FORMAT = 0x1110
    ELEMENT_SIZE = 0x1111
    ROW_PITCH = 0x1112
    SLICE_PITCH = 0x1113
    WIDTH = 0x1114
    HEIGHT = 0x1115
    DEPTH = 0x1116
    ARRAY_SIZE = 0x1117
    BUFFER = 0x1118
    NUM_MIP_LEVELS = 0x1119
    NUM_SAMPLES = 0x111A


class addressing_mode(Constants):
    """What a sampler finds outside an image."""

    NONE = 0x1130
    CLAMP_TO_EDGE = 0x1131
    CLAMP = 0x1132
    REPEAT = 0x1133
    MIRRORED_REPEAT = 0x1134


class filter_mode(Constants):
    """What a sampler finds between pixels."""

    NEAREST = 0x1140
    LINEAR = 0x1141


class sampler_info(Constants):
    """What can be asked of a sampler."""

    REFERENCE_COUNT = 0x1150
    CONTEXT = 0x1151
    NORMALIZED_COORDS = 0x1152
    ADDRESSING_MODE = 0x1153
    FILTER_MODE = 0x1154
    MIP_FILTER_MODE = 0x1155
    MIP_FILTER_MODE_KHR = 0x1155
    LOD_MIN = 0x1156
    LOD_MIN_KHR = 0x1156
    LOD_MAX = 0x1157
    LOD_MAX_KHR = 0x1157
    PROPERTIES = 0x1158


class sampler_properties(Constants):
    """What can be demanded of a sampler when it is made."""

    NORMALIZED_COORDS = 0x1152
    ADDRESSING_MODE = 0x1153
    FILTER_MODE = 0x1154
