"""What a CUDA device is, in the numbers of OpenCL's device infos, and in CUDA's own.

CUDA's attributes are there under `ATTRIBUTE` + their number. Sources: OpenCL 3.0 API, clGetDeviceInfo, and
cl_nv_device_attribute_query, cl_khr_device_uuid; CUDA Driver API reference, CUdevice_attribute.
"""

from __future__ import annotations

from typing import Any

from accelpool_node.backends.base.types import BackendDevice
from accelpool_node.backends.cuda import driver
from accelpool_node.backends.cuda.core import cuda
from accelpool_wire.messages import InfoValue

ATTRIBUTE = 0x20000
VENDOR, VENDOR_ID = "NVIDIA Corporation", 0x10DE
GPU = 1 << 2
CACHE_READ_WRITE, LOCAL = 2, 1
FLOAT_CONFIG = 0x3F  # denormals, infinities and NaNs, all roundings, fused multiply-add

# Numbers of CUDA's attributes.
MAX_THREADS_PER_BLOCK, MAX_BLOCK_DIM_X, SHARED_PER_BLOCK, CONSTANT_BYTES, WARP_SIZE = 1, 2, 8, 9, 10
CLOCK_KHZ, MULTIPROCESSORS, INTEGRATED, PCI_BUS, ECC, PCI_DEVICE = 13, 16, 18, 33, 32, 34
L2_BYTES, COPY_ENGINES, PCI_DOMAIN, MAJOR, MINOR, SHARED_OPTIN = 38, 40, 50, 75, 76, 97
REGISTERS_PER_BLOCK, KERNEL_TIMEOUT = 12, 17


def describe(name: str, ordinal: int, handle: Any) -> BackendDevice:
    """Return a device.

    Args:
        name: Unique among the driver's devices.
        ordinal: Its place in the driver's order.
        handle: PyCUDA's.
    """
    attributes = driver.device_attributes(ordinal)
    version = cuda.get_driver_version()
    cuda_version = f"CUDA {version // 1000}.{version % 1000 // 10}"
    return BackendDevice(
        name=name,
        platform={0x0901: cuda_version, 0x0902: "NVIDIA CUDA", 0x0903: VENDOR, 0x0904: ""},
        info={
            **_infos(name, cuda_version, attributes, int(handle.total_memory())),
            0x106A: driver.device_uuid(ordinal).hex(),  # UUID_KHR
            **{ATTRIBUTE + number: value for number, value in attributes.items()},
        },
        kind="gpu",
        api="cuda",
        handle=handle,
    )


def _infos(name: str, cuda_version: str, known: dict[int, int], memory: int) -> dict[int, InfoValue]:
    threads, shared = known.get(MAX_THREADS_PER_BLOCK, 1024), known.get(SHARED_PER_BLOCK, 48 << 10)
    major, minor = known.get(MAJOR, 0), known.get(MINOR, 0)
    return {
        0x1000: GPU,  # TYPE
        0x1001: VENDOR_ID,
        0x1002: known.get(MULTIPROCESSORS, 1),  # MAX_COMPUTE_UNITS
        0x1003: 3,  # MAX_WORK_ITEM_DIMENSIONS
        0x1004: threads,  # MAX_WORK_GROUP_SIZE
        0x1005: [known.get(MAX_BLOCK_DIM_X + axis, threads) for axis in range(3)],  # MAX_WORK_ITEM_SIZES
        0x100C: known.get(CLOCK_KHZ, 0) // 1000,  # MAX_CLOCK_FREQUENCY
        0x100D: 64,  # ADDRESS_BITS
        0x1010: memory,  # MAX_MEM_ALLOC_SIZE
        0x1016: 0,  # IMAGE_SUPPORT
        0x1017: 4096,  # MAX_PARAMETER_SIZE
        0x1018: 0,  # MAX_SAMPLERS
        0x1019: 8,  # MEM_BASE_ADDR_ALIGN, in bits: a region may begin anywhere
        0x101A: 128,  # MIN_DATA_TYPE_ALIGN_SIZE
        0x101B: FLOAT_CONFIG,  # SINGLE_FP_CONFIG
        0x101C: CACHE_READ_WRITE,  # GLOBAL_MEM_CACHE_TYPE
        0x101D: 128,  # GLOBAL_MEM_CACHELINE_SIZE
        0x101E: known.get(L2_BYTES, 0),  # GLOBAL_MEM_CACHE_SIZE
        0x101F: memory,  # GLOBAL_MEM_SIZE
        0x1020: known.get(CONSTANT_BYTES, 64 << 10),  # MAX_CONSTANT_BUFFER_SIZE
        0x1021: 9,  # MAX_CONSTANT_ARGS
        0x1022: LOCAL,  # LOCAL_MEM_TYPE
        0x1023: max(shared, known.get(SHARED_OPTIN, 0)),  # LOCAL_MEM_SIZE
        0x1024: known.get(ECC, 0),  # ERROR_CORRECTION_SUPPORT
        0x1025: 1000,  # PROFILING_TIMER_RESOLUTION, ns
        0x1026: 1,  # ENDIAN_LITTLE
        0x1027: 1,  # AVAILABLE
        0x1028: 1,  # COMPILER_AVAILABLE
        0x1029: 1,  # EXECUTION_CAPABILITIES: EXEC_KERNEL
        0x102A: 2,  # QUEUE_PROPERTIES: PROFILING
        0x102B: name,
        0x102C: VENDOR,
        0x102D: driver.package_version() or cuda_version,  # DRIVER_VERSION
        0x102E: "FULL_PROFILE",
        0x102F: f"{cuda_version}, compute capability {major}.{minor}",  # VERSION
        0x1030: "",  # EXTENSIONS
        0x1032: FLOAT_CONFIG,  # DOUBLE_FP_CONFIG
        0x1035: known.get(INTEGRATED, 0),  # HOST_UNIFIED_MEMORY
        0x103D: f"CUDA C++ for sm_{major}{minor}",  # OPENCL_C_VERSION
        0x103E: 0,  # LINKER_AVAILABLE
        0x103F: "",  # BUILT_IN_KERNELS
        0x1053: 0,  # SVM_CAPABILITIES
        0x4000: major,  # COMPUTE_CAPABILITY_MAJOR_NV
        0x4001: minor,
        0x4002: known.get(REGISTERS_PER_BLOCK, 0),
        0x4003: known.get(WARP_SIZE, 32),
        0x4004: known.get(COPY_ENGINES, 0) > 0,  # GPU_OVERLAP_NV
        0x4005: known.get(KERNEL_TIMEOUT, 0) > 0,
        0x4006: known.get(INTEGRATED, 0) > 0,
        0x4007: known.get(COPY_ENGINES, 0),
        0x4008: known.get(PCI_BUS, 0),
        0x4009: known.get(PCI_DEVICE, 0),  # PCI_SLOT_ID_NV: the device alone, as OpenCL tells it
        0x400A: known.get(PCI_DOMAIN, 0),
    }
