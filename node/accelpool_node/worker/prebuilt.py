"""Programs made of products, so that this worker has nothing to build."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from accelpool_node.backends.base import Backend, BackendDevice
from accelpool_node.builder.messages import Product
from accelpool_node.worker.holdings import Holdings
from accelpool_node.worker.objects import ProgramObject
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, error_for


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
        """Make a program of a product, if it is from source, for its whole context, and there is one.

        Returns:
            Whether it is built now; its kernels and logs are known then.
        """
        context = [share.device for share in program.context.shares]
        wanted = {device.name for device in devices or context}
        if self._products is None or program.source is None or program.kernels:
            return False
        if wanted != {device.name for device in context}:
            return False
        product = self._products.product(context, program.source, options)
        if product is None:
            return False
        try:
            handle = self._backend.create_program_with_binary(
                program.context.handle, context, product.binaries
            )
            self._backend.build_program(handle, context, "")
        except Error:
            return False  # built here instead
        program.handle, program.logs = handle, product.logs
        program.kernels = {kernel.name: kernel for kernel in product.kernels}
        return True

    def unload(self, program: ProgramObject) -> None:
        """Make a program that was made of a product one of source again, to build or compile it otherwise.

        Raises:
            LogicError: INVALID_OPERATION, if it has kernels: OpenCL then builds it no more.
        """
        if program.logs is None:
            return
        if any(kernel.program is program for kernel in self._holdings.kernels.items.values()):
            raise error_for("clBuildProgram", ErrorCode.INVALID_OPERATION, "the program has kernels")
        source = program.source or ""
        program.handle = self._backend.create_program_with_source(program.context.handle, source)
        program.logs, program.kernels = None, {}

    def logs(self, program: ProgramObject) -> list[str]:
        """Return a program's build logs, one per device of it."""
        return program.logs if program.logs is not None else self._backend.build_logs(program.handle)
