"""Arrays of the host as kernel parameters: copied in before a call, out after it, or both."""

from __future__ import annotations

from typing import Any

from accelpool.cuda.allocations import DeviceAllocation, mem_alloc_like
from accelpool.cuda.copies import memcpy_dtoh, memcpy_htod


class ArgumentHandler:
    """An array that gets device memory for a call.

    Args:
        ary: The array.
    """

    def __init__(self, ary: Any) -> None:
        self.array = ary
        self.dev_alloc: DeviceAllocation | None = None

    def get_device_alloc(self) -> DeviceAllocation:
        """Return the device memory, made at the first call.

        Raises:
            TypeError: What was given is no array.
        """
        if self.dev_alloc is None:
            try:
                self.dev_alloc = mem_alloc_like(self.array)
            except AttributeError:
                what = f"a {type(self.array).__name__} has no length in bytes: an array is needed"
                raise TypeError(what) from None
        return self.dev_alloc

    def pre_call(self, stream: Any) -> None:
        """Do what comes before the call."""

    def post_call(self, stream: Any) -> None:
        """Do what comes after the call."""

    is_read = False
    """Whether something comes after the call, which is then waited for."""


class In(ArgumentHandler):
    """An array that a kernel reads."""

    def pre_call(self, stream: Any) -> None:  # noqa: ARG002 - PyCUDA's, which copies without it, too
        """Copy it to the device."""
        memcpy_htod(self.get_device_alloc(), self.array)


class Out(ArgumentHandler):
    """An array that a kernel writes."""

    is_read = True

    def post_call(self, stream: Any) -> None:  # noqa: ARG002 - likewise
        """Copy it from the device."""
        memcpy_dtoh(self.array, self.get_device_alloc())


class InOut(In, Out):
    """An array that a kernel reads and writes."""
