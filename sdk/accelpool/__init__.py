"""accelpool: every accelerator of an organisation in one pool, used like PyOpenCL.

    import accelpool as cl

    with cl.acquire("gpu") as ctx:
        queue = cl.CommandQueue(ctx)
        ...

`acquire` asks the pool for a device; all else has PyOpenCL's names. `docs/sdk.md` has the differences.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from accelpool import errors, upper_layer
from accelpool.acquire_options import AcquireOptions
from accelpool.arguments import LocalMemory
from accelpool.broker import Broker, connect, default_broker
from accelpool.choose import choose_devices, create_some_context, get_platforms
from accelpool.chunks import map
from accelpool.constants import (
    addressing_mode,
    channel_order,
    channel_type,
    command_execution_status,
    command_queue_info,
    command_queue_properties,
    command_type,
    context_info,
    context_properties,
    device_affinity_domain,
    device_atomic_capabilities,
    device_device_enqueue_capabilities,
    device_exec_capabilities,
    device_fp_config,
    device_info,
    device_local_mem_type,
    device_mem_cache_type,
    device_partition_property,
    device_svm_capabilities,
    device_topology_type_amd,
    device_type,
    event_info,
    filter_mode,
    image_info,
    kernel_arg_access_qualifier,
    kernel_arg_address_qualifier,
    kernel_arg_info,
    kernel_arg_type_qualifier,
    kernel_info,
    kernel_sub_group_info,
    kernel_work_group_info,
    khronos_vendor_id,
    map_flags,
    mem_flags,
    mem_info,
    mem_migration_flags,
    mem_object_type,
    pipe_info,
    pipe_properties,
    platform_info,
    profiling_info,
    program_binary_type,
    program_build_info,
    program_info,
    program_kind,
    queue_properties,
    sampler_info,
    sampler_properties,
    status_code,
    svm_mem_flags,
    version_bits,
)
from accelpool.context import Context, CtxFactory
from accelpool.demand import Demand
from accelpool.device import Device, Platform, get_cl_header_version
from accelpool.device_values import DeviceTopologyAmd
from accelpool.enqueue import enqueue_barrier, enqueue_copy, enqueue_fill, enqueue_fill_buffer, enqueue_marker
from accelpool.enqueue_image import enqueue_fill_image
from accelpool.enqueue_svm import enqueue_svm_memfill, enqueue_svm_migrate_mem
from accelpool.errors import (
    AccelpoolError,
    CommandQueueUsedAfterExit,
    CompilerWarning,
    Error,
    LogicError,
    MemoryError,
    PerformanceWarning,
    RepeatedKernelRetrieval,
    RuntimeError,
)
from accelpool.event import Event, NannyEvent, WaitList, wait_for_events
from accelpool.image import Image, create_image
from accelpool.image_format import ImageDescriptor, ImageFormat, get_supported_image_formats
from accelpool.image_from_array import image_from_array
from accelpool.image_mapping import enqueue_map_image
from accelpool.kernel import Kernel
from accelpool.launch import enqueue_nd_range_kernel
from accelpool.link import create_program_with_built_in_kernels, link_program, unload_platform_compiler
from accelpool.local_driver import enable_debugging
from accelpool.mapping import MemoryMap, enqueue_map_buffer
from accelpool.memory import Buffer, MemoryObject, MemoryObjectHolder
from accelpool.migration import enqueue_copy_buffer_p2p_amd, enqueue_migrate_mem_objects
from accelpool.missing import why_missing
from accelpool.program import Program
from accelpool.progress_reports import ProgressKind, ProgressStep, progress
from accelpool.queue import CommandQueue
from accelpool.refused import Pipe, have_gl
from accelpool.reservation import Reservation
from accelpool.sampler import Sampler
from accelpool.svm import SVM, SVMAllocation, SVMPointer
from accelpool.svm_arrays import (
    csvm_empty,
    csvm_empty_like,
    fsvm_empty,
    fsvm_empty_like,
    svm_empty,
    svm_empty_like,
)
from accelpool.svm_map import SVMMap
from accelpool.user_event import UserEvent
from accelpool_wire.version import __version__

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

VERSION = tuple(int(part) for part in __version__.split("."))
VERSION_STATUS = ""
VERSION_TEXT: str = __version__

if not TYPE_CHECKING:  # to a type checker any name would be there

    def __getattr__(name: str) -> object:
        """Return a module of PyOpenCL's layer, or of ours; of PyOpenCL's other names, say which are not here.

        Raises:
            AttributeError: There is no such module or name, or it cannot be imported here, and why.
        """
        if name in upper_layer.PUBLIC:
            return upper_layer.attribute(name)
        if name in ("aio", "cuda"):
            return importlib.import_module(f"accelpool.{name}")
        raise AttributeError(why_missing(name), name=name, obj=sys.modules[__name__])


def acquire(
    kind: str | Demand | Sequence[Demand] = "any",
    *,
    url: str | None = None,
    token: str | None = None,
    **options: Unpack[AcquireOptions],
) -> Context:
    """Return a context on devices leased for this process; `with` gives them back at its end.

    Args:
        kind: "gpu", "cpu", "accelerator", "custom", or "any" for the first of them that is free; or a
            `Demand`,
            or several of which the first that can be served now is.
        **options: Those of a `Demand` (api, count, memory, compute, exclusive, where, placement, image,
            tolerates, device), and those below.
        tenant: Who is charged; the pool's default without it.
        priority: Higher ones are served first; 0 without it.
        preemptible: Whether the lease may be ended for requests that come before it, after a grace time.
        max_duration: How long it lasts at most, in seconds: short ones are served sooner.
        starts_at: Reserve the devices from then on, and wait for it: a datetime, or seconds since the Unix
            epoch.
        ends_at: When it ends then.
        wait: How long to wait while no device is free, of `starts_at` from then on: True or None for as long
            as it takes, False not at all, or seconds.
        ttl: How long the lease outlives a silent client, in seconds; 60 without it.
        on_notice: Called from a thread once the lease is told that it ends soon; without it a warning is
            logged.
        url: The broker's URL; None for ACCELPOOL_URL, or the pool of `accelpool up` or `login`.
        token: The token; None for ACCELPOOL_TOKEN, or that pool's.

    Raises:
        Unsatisfiable: No device of the pool could ever satisfy the request.
        LeaseTimeout: Not granted within `wait`.
        Conflict: There is no room from `starts_at` until `ends_at`.
        Invalid: An argument is not possible, which one, and what was expected.
        Unauthorized: No pool is known, or the broker does not know the token.
        TransportError: The broker or the node cannot be reached.
    """
    broker = default_broker(url, token)
    return broker.acquire(kind, **options)


def reserve(
    kind: str | Demand | Sequence[Demand] = "any",
    *,
    url: str | None = None,
    token: str | None = None,
    **options: Unpack[AcquireOptions],
) -> Reservation:
    """Return devices reserved for a time to come, at once: nobody has to stay until then.

    Args:
        kind: As `acquire` has it.
        **options: As `acquire` has them; `starts_at` and `ends_at` have to be among them.
        url: The broker's URL; None as for `acquire`.
        token: The token; None likewise.

    Raises:
        Conflict: There is no room at that time; `members["leases"]` says who has the devices.
        Unsatisfiable: No device of the pool could ever satisfy the request.
        Invalid: An argument is not possible, which one, and what was expected.
        Unauthorized: No pool is known, or the broker does not know the token.
        TransportError: The broker cannot be reached.
    """
    return default_broker(url, token).reserve(kind, **options)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Have `%accelpool` and `%%opencl` in IPython and Jupyter: what `%load_ext accelpool` calls."""
    from accelpool.ipython import load

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Give the notebook's lease back, and take the magics away: what `%unload_ext accelpool` calls."""
    from accelpool.ipython import unload

    unload(shell)


upper_layer.install()

__all__ = [
    "SVM",
    "VERSION",
    "VERSION_STATUS",
    "VERSION_TEXT",
    "AccelpoolError",
    "Broker",
    "Buffer",
    "CommandQueue",
    "CommandQueueUsedAfterExit",
    "CompilerWarning",
    "Context",
    "CtxFactory",
    "Demand",
    "Device",
    "DeviceTopologyAmd",
    "Error",
    "Event",
    "Image",
    "ImageDescriptor",
    "ImageFormat",
    "Kernel",
    "LocalMemory",
    "LogicError",
    "MemoryError",
    "MemoryMap",
    "MemoryObject",
    "MemoryObjectHolder",
    "NannyEvent",
    "PerformanceWarning",
    "Pipe",
    "Platform",
    "Program",
    "ProgressKind",
    "ProgressStep",
    "RepeatedKernelRetrieval",
    "Reservation",
    "RuntimeError",
    "SVMAllocation",
    "SVMMap",
    "SVMPointer",
    "Sampler",
    "UserEvent",
    "WaitList",
    "__version__",
    "acquire",
    "addressing_mode",
    "channel_order",
    "channel_type",
    "choose_devices",
    "command_execution_status",
    "command_queue_info",
    "command_queue_properties",
    "command_type",
    "connect",
    "context_info",
    "context_properties",
    "create_image",
    "create_program_with_built_in_kernels",
    "create_some_context",
    "csvm_empty",
    "csvm_empty_like",
    "device_affinity_domain",
    "device_atomic_capabilities",
    "device_device_enqueue_capabilities",
    "device_exec_capabilities",
    "device_fp_config",
    "device_info",
    "device_local_mem_type",
    "device_mem_cache_type",
    "device_partition_property",
    "device_svm_capabilities",
    "device_topology_type_amd",
    "device_type",
    "enable_debugging",
    "enqueue_barrier",
    "enqueue_copy",
    "enqueue_copy_buffer_p2p_amd",
    "enqueue_fill",
    "enqueue_fill_buffer",
    "enqueue_fill_image",
    "enqueue_map_buffer",
    "enqueue_map_image",
    "enqueue_marker",
    "enqueue_migrate_mem_objects",
    "enqueue_nd_range_kernel",
    "enqueue_svm_memfill",
    "enqueue_svm_migrate_mem",
    "errors",
    "event_info",
    "filter_mode",
    "fsvm_empty",
    "fsvm_empty_like",
    "get_cl_header_version",
    "get_platforms",
    "get_supported_image_formats",
    "have_gl",
    "image_from_array",
    "image_info",
    "kernel_arg_access_qualifier",
    "kernel_arg_address_qualifier",
    "kernel_arg_info",
    "kernel_arg_type_qualifier",
    "kernel_info",
    "kernel_sub_group_info",
    "kernel_work_group_info",
    "khronos_vendor_id",
    "link_program",
    "map",
    "map_flags",
    "mem_flags",
    "mem_info",
    "mem_migration_flags",
    "mem_object_type",
    "pipe_info",
    "pipe_properties",
    "platform_info",
    "profiling_info",
    "program_binary_type",
    "program_build_info",
    "program_info",
    "program_kind",
    "progress",
    "queue_properties",
    "reserve",
    "sampler_info",
    "sampler_properties",
    "status_code",
    "svm_empty",
    "svm_empty_like",
    "svm_mem_flags",
    "unload_platform_compiler",
    "version_bits",
    "wait_for_events",
]
