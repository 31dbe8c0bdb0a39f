"""Building programs: from what a client sent to kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from accelpool_node.backends.base import Backend, BackendDevice
from accelpool_node.worker.holdings import Holdings
from accelpool_node.worker.objects import ProgramObject
from accelpool_node.worker.prebuilt import Prebuilt
from accelpool_wire import messages as m

MAX_LOG = 256 * 1024  # characters of a build log that are sent


class Builds:
    """Builds a session's programs, and tells what came of it.

    Args:
        backend: Where the programs are.
        holdings: The session's objects.
        prebuilt: Makes programs of products, where there are any.
        reply: Sends answers.
    """

    def __init__(
        self,
        backend: Backend,
        holdings: Holdings,
        prebuilt: Prebuilt,
        reply: Callable[[m.Message, bytes | None], None],
    ) -> None:
        self._backend = backend
        self._holdings = holdings
        self._prebuilt = prebuilt
        self._reply = reply

    def build_program(self, message: m.BuildProgram, command: int) -> None:
        """Compile and link a program; answer with its kernels and build logs."""
        routine = "clBuildProgram"
        program = self._holdings.programs.get(message.program, routine)
        devices = [self._holdings.device_of(program.context, place, routine) for place in message.devices]
        self.build(program, devices, message.options)
        logs = [log[:MAX_LOG] for log in self._prebuilt.logs(program)]
        self._reply(m.Built(command, list(program.kernels.values()), logs), None)

    def build(self, program: ProgramObject, devices: Sequence[BackendDevice], options: str) -> None:
        """Compile and link a program for devices of its context; its kernels are known afterwards.

        Raises:
            RuntimeError: BUILD_PROGRAM_FAILURE, with the build logs in `what`.
        """
        if self._prebuilt.load(program, devices, options):
            return
        self._prebuilt.unload(program)
        self._backend.build_program(program.handle, devices, options)
        program.kernels = {kernel.name: kernel for kernel in self._backend.program_kernels(program.handle)}

    def get_program_binaries(self, message: m.GetProgramBinaries, command: int) -> None:
        """Answer with a program's binaries, one per device of it."""
        program = self._holdings.programs.get(message.program, "clGetProgramInfo")
        binaries = self._backend.program_binaries(program.handle)
        self._reply(m.Binaries(command, [len(binary) for binary in binaries]), b"".join(binaries))
