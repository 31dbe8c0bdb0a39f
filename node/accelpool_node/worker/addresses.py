"""Where a session's device memory is, and buffers over variables of its programs."""

from __future__ import annotations

from collections.abc import Callable

from accelpool_node.backends.base import Backend
from accelpool_node.worker.holdings import Holdings
from accelpool_node.worker.objects import VariableObject
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import error_for

MAX_NAME = 4096  # characters of a variable's name


class Addresses:
    """Tells addresses, where the backend's kernels know any.

    Args:
        backend: Where the memory is.
        holdings: The session's objects.
        reply: Sends answers.
    """

    def __init__(self, backend: Backend, holdings: Holdings, reply: Callable[[m.Message], None]) -> None:
        self._backend = backend
        self._holdings = holdings
        self._reply = reply

    def get_buffer_address(self, message: m.GetBufferAddress, command: int) -> None:
        """Answer with a buffer's address."""
        buffer = self._holdings.buffers.get(message.buffer, "clGetMemObjectInfo")
        self._reply(m.Address(command, self._backend.buffer_address(buffer.handle), buffer.size))

    def create_variable_buffer(self, message: m.CreateVariableBuffer, command: int) -> None:
        """Make a buffer over a variable of a program's; answer with its address."""
        routine, holdings = "clCreateBuffer", self._holdings
        holdings.buffers.claim(message.buffer, routine)
        program = holdings.programs.get(message.program, routine)
        if not 0 < len(message.name) <= MAX_NAME or "\0" in message.name:
            what = f"a variable's name has 1 to {MAX_NAME} characters, none of them NUL"
            raise error_for(routine, ErrorCode.INVALID_VALUE, what)
        memory, size = self._backend.program_variable(program.handle, message.name)
        address = self._backend.buffer_address(memory)
        holdings.buffers.items[message.buffer] = VariableObject(
            handle=memory, size=size, context=program.context
        )
        self._reply(m.Address(command, address, size))
