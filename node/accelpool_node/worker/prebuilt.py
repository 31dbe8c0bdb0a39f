"""Programs made of products, so that this worker has nothing to build.

To its client such a program is one that was built from its source here: it can be built and compiled anew,
and be another one's header. For these its source is needed again, since a driver knows it by its binaries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from accelpool_node.backends.base import Backend, BackendDevice
from accelpool_node.builder.messages import Product
from accelpool_node.worker.holdings import Holdings
from accelpool_node.worker.objects import ContextObject, ProgramObject
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, error_for
from accelpool_wire.messages import InfoValue

STATUS, OPTIONS, LOG, BINARY_TYPE = 0x1181, 0x1182, 0x1183, 0x1184
SUCCESS, EXECUTABLE = 0, 4


class Products(Protocol):
    """Where products of builds come from that were made elsewhere."""

    def product(self, devices: Sequence[BackendDevice], source: str, options: str) -> Product | None:
        """Return what comes of a build, or None if it has to be made here."""
        ...


class Prebuilt:
    """Makes a session's programs of products, where there are any.

    Args:
        backend: Where the programs are.
        holdings: The session's objects.
        products: Where products come from, or None: then everything is built here.
    """

    def __init__(self, backend: Backend, holdings: Holdings, products: Products | None) -> None:
        self._backend = backend
        self._holdings = holdings
        self._products = products

    def load(self, program: ProgramObject, devices: Sequence[BackendDevice], options: str) -> bool:
        """Make a program of a product, if there is one: of a program from source, built for the first time.

        Products are for whole contexts of whole devices. What is built for a part of either is built here.

        Args:
            program: Which.
            devices: What to build for; none stands for all of the context's.
            options: The compiler's.

        Returns:
            Whether it is built now; its kernels and logs are known then.
        """
        context = program.context
        if self._products is None or program.source is None or program.kernels or self._has_kernels(program):
            return False
        if _others(context, devices) or not _is_of_whole_devices(context):
            return False
        product = self._products.product(context.devices, program.source, options)
        if product is None:
            return False
        try:
            handle = self._backend.create_program_with_binary(
                context.handle, context.devices, product.binaries
            )
            self._backend.build_program(handle, context.devices, "")
        except Error:
            return False  # built here instead
        program.handle, program.options, program.logs = handle, options, product.logs
        program.kernels = {kernel.name: kernel for kernel in product.kernels}
        return True

    def unload(self, program: ProgramObject, devices: Sequence[BackendDevice], routine: str) -> None:
        """Make a program that was made of a product one of source again, to build or compile it anew.

        Args:
            program: Which.
            devices: What it will be built for, none standing for all; for others it is built here as it was.
            routine: What is about to be done with it.

        Raises:
            LogicError: INVALID_OPERATION, if it has kernels: OpenCL then builds it no more.
        """
        if program.logs is None:
            return
        if self._has_kernels(program):
            raise error_for(routine, ErrorCode.INVALID_OPERATION, "the program has kernels")
        handle = self.source_handle(program)
        if others := _others(program.context, devices):
            self._backend.build_program(handle, others, program.options)
        program.handle, program.logs, program.kernels = handle, None, {}

    def source_handle(self, program: ProgramObject) -> Any:
        """Return the backend's program of a program's source: one of its own if that is made of a product."""
        if program.logs is None:
            return program.handle
        return self._backend.create_program_with_source(program.context.handle, program.source or "")

    def logs(self, program: ProgramObject) -> list[str]:
        """Return a program's build logs, one per device of it."""
        return program.logs if program.logs is not None else self._backend.build_logs(program.handle)

    def build_info(self, program: ProgramObject, device: BackendDevice, name: int) -> InfoValue:
        """Return the value of an info of a program's build for a device.

        Of a product it tells what was built from the source, not what the driver made of the binaries.
        """
        if program.logs is None or name not in (STATUS, OPTIONS, LOG, BINARY_TYPE):
            return self._backend.build_info(program.handle, device, name)
        if name == LOG:
            place = next(place for place, known in enumerate(program.context.devices) if known is device)
            return "".join(program.logs[place : place + 1])
        told: dict[int, InfoValue] = {STATUS: SUCCESS, OPTIONS: program.options, BINARY_TYPE: EXECUTABLE}
        return told[name]

    def _has_kernels(self, program: ProgramObject) -> bool:
        return any(kernel.program is program for kernel in self._holdings.kernels.items.values())


def _others(context: ContextObject, devices: Sequence[BackendDevice]) -> list[BackendDevice]:
    """Return a context's devices that are not among these; none stands for all of them."""
    chosen = devices or context.devices
    return [known for known in context.devices if not any(device is known for device in chosen)]


def _is_of_whole_devices(context: ContextObject) -> bool:
    """Whether no device of a context is a sub-device: a product is for a device's name."""
    wholes = [share.device for share in context.shares]
    return all(any(device is whole for whole in wholes) for device in context.devices)
