"""Building programs: from what a client sent to kernels."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Protocol

from accelpool_node.backends.base import Backend, BackendDevice
from accelpool_node.builder.messages import Product
from accelpool_node.worker.holdings import Holdings
from accelpool_node.worker.objects import ProgramObject
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, error_for

MAX_LOG = 256 * 1024  # characters of a build log that are sent


class Products(Protocol):
    """Where products of builds come from that were made elsewhere."""

    def product(self, devices: Sequence[BackendDevice], source: str, options: str) -> Product | None:
        """Return what comes of a build, or None if it has to be made here."""
        ...


class Builds:
    """Builds a session's programs, and tells what came of it.

    Args:
        backend: Where the programs are.
        holdings: The session's objects.
        reply: Sends answers.
        products: Where products come from, or None: then everything is built here.
    """

    def __init__(
        self,
        backend: Backend,
        holdings: Holdings,
        reply: Callable[[m.Message, bytes | None], None],
        products: Products | None = None,
    ) -> None:
        self._backend = backend
        self._holdings = holdings
        self._reply = reply
        self._products = products

    def build_program(self, message: m.BuildProgram, command: int) -> None:
        """Compile and link a program; answer with its kernels and build logs."""
        routine = "clBuildProgram"
        program = self._holdings.programs.get(message.program, routine)
        devices = [self._holdings.device_of(program.context, place, routine) for place in message.devices]
        self.build(program, devices, message.options)
        logs = [log[:MAX_LOG] for log in self.logs(program)]
        self._reply(m.Built(command, list(program.kernels.values()), logs), None)

    def build(self, program: ProgramObject, devices: Sequence[BackendDevice], options: str) -> None:
        """Compile and link a program for devices of its context; its kernels are known afterwards.

        Raises:
            RuntimeError: BUILD_PROGRAM_FAILURE, with the build logs in `what`.
        """
        if program.logs is not None:
            self.unload(program)
        elif not program.kernels and self._load(program, devices, options):
            return
        self._backend.build_program(program.handle, devices, options)
        program.kernels = {kernel.name: kernel for kernel in self._backend.program_kernels(program.handle)}

    def logs(self, program: ProgramObject) -> list[str]:
        """Return a program's build logs, one per device of it."""
        return program.logs if program.logs is not None else self._backend.build_logs(program.handle)

    def unload(self, program: ProgramObject) -> None:
        """Make a program that was loaded from a product one of source again, to build it otherwise.

        Raises:
            LogicError: INVALID_OPERATION, if it has kernels: OpenCL then builds it no more.
        """
        if any(kernel.program is program for kernel in self._holdings.kernels.items.values()):
            what = "the program has kernels"
            raise error_for("clBuildProgram", ErrorCode.INVALID_OPERATION, what)
        program.handle = self._backend.create_program_with_source(
            program.context.handle, program.source or ""
        )
        program.logs, program.kernels = None, {}

    def _load(self, program: ProgramObject, devices: Sequence[BackendDevice], options: str) -> bool:
        """Make a program of a product, if it is from source, for its whole context, and there is one."""
        context = [share.device for share in program.context.shares]
        if self._products is None or program.source is None or {*_names(devices)} != {*_names(context)}:
            return False
        product = self._products.product(context, program.source, options)
        if product is None:
            return False
        with contextlib.suppress(Error):  # built here instead
            handle = self._backend.create_program_with_binary(
                program.context.handle, context, product.binaries
            )
            self._backend.build_program(handle, context, "")
            program.handle, program.logs = handle, product.logs
            program.kernels = {kernel.name: kernel for kernel in product.kernels}
            return True
        return False

    def get_program_binaries(self, message: m.GetProgramBinaries, command: int) -> None:
        """Answer with a program's binaries, one per device of it."""
        program = self._holdings.programs.get(message.program, "clGetProgramInfo")
        binaries = self._backend.program_binaries(program.handle)
        self._reply(m.Binaries(command, [len(binary) for binary in binaries]), b"".join(binaries))


def _names(devices: Sequence[BackendDevice]) -> list[str]:
    return [device.name for device in devices]
