"""What backends take and return."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

from accelpool_wire.messages import InfoValue

Context: TypeAlias = Any
Queue: TypeAlias = Any
Memory: TypeAlias = Any
Sampler: TypeAlias = Any
Program: TypeAlias = Any
Kernel: TypeAlias = Any
Event: TypeAlias = Any
Bytes: TypeAlias = bytes | bytearray | memoryview


@dataclass(frozen=True, kw_only=True)
class BackendDevice:
    """A device that a backend found.

    Attributes:
        name: Its name on the node: stable across restarts, unique on the node within a driver environment.
        platform: OpenCL's platform info: number of the name to value.
        info: OpenCL's device info: number of the name to value.
        kind: "gpu", "cpu", "accelerator" or "custom".
        api: "opencl", "cuda" or "null".
        fault: Why the device cannot be used, or "" (its compiler failed on an empty kernel, say).
        handle: The backend's own object.
    """

    name: str
    platform: dict[int, InfoValue]
    info: dict[int, InfoValue]
    kind: str
    api: str
    fault: str = ""
    handle: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, kw_only=True)
class LocalSize:
    """A kernel argument that is local memory of so many bytes."""

    size: int
