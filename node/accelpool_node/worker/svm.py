"""Shared virtual memory: buffers at an address that the client is told."""

from __future__ import annotations

from collections.abc import Callable

from accelpool_node.backends.base import Backend
from accelpool_node.worker.holdings import Holdings
from accelpool_node.worker.objects import SVMObject
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import error_for

ROUTINE = "clSVMAlloc"
SVM_CAPABILITIES, COARSE_GRAIN_BUFFER = 0x1053, 1
ACCESSES = (1, 2, 4)  # READ_WRITE, WRITE_ONLY, READ_ONLY
MAX_ALIGNMENT = 65536


class SharedVirtualMemory:
    """Allocates a session's shared virtual memory.

    Args:
        backend: Where it lives.
        holdings: The session's objects.
        reply: Sends answers.
    """

    def __init__(self, backend: Backend, holdings: Holdings, reply: Callable[[m.Message], None]) -> None:
        self._backend = backend
        self._holdings = holdings
        self._reply = reply

    def create_svm(self, message: m.CreateSVM, command: int) -> None:
        """Allocate within the share of each device of a context, and answer with the address."""
        holdings = self._holdings
        holdings.buffers.claim(message.svm, ROUTINE)
        context = holdings.contexts.get(message.context, ROUTINE)
        _check(message)
        for share in context.shares:
            capabilities = share.device.info.get(SVM_CAPABILITIES)
            if not isinstance(capabilities, int) or not capabilities & COARSE_GRAIN_BUFFER:
                what = f"{share.device.name} has no coarse-grained shared virtual memory"
                raise error_for(ROUTINE, ErrorCode.INVALID_OPERATION, what)
        taken = message.size + message.alignment
        holdings.ledger.take(context, taken, ROUTINE)
        try:
            made = self._backend.create_svm(context.handle, message.flags, message.size, message.alignment)
            holdings.zeroing.clear_buffer(context, made.memory, message.size, ROUTINE)
        except Exception:
            holdings.ledger.give(context, taken)
            raise
        holdings.buffers.items[message.svm] = SVMObject(
            handle=made.memory,
            size=message.size,
            context=context,
            padding=message.alignment,
            address=made.address,
            allocation=made.allocation,
        )
        self._reply(m.SVMCreated(command, made.address))


def _check(message: m.CreateSVM) -> None:
    """Refuse what no driver should see."""
    alignment = message.alignment
    if message.flags not in ACCESSES:
        what = f"flags {message.flags:#x}; 1, 2 and 4 are possible, and neither fine-grained nor atomic"
    elif message.size < 1:
        what = f"{message.size} bytes"
    elif not 1 <= alignment <= MAX_ALIGNMENT or alignment & (alignment - 1):
        what = f"an alignment of {alignment} bytes; powers of two up to {MAX_ALIGNMENT} are possible"
    else:
        return
    raise error_for(ROUTINE, ErrorCode.INVALID_VALUE, what)
