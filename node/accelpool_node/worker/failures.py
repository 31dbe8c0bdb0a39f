"""What a failure is to the client, whatever it was here."""

from __future__ import annotations

import traceback

from accelpool_node.worker.objects import Failure
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error, FrameTooLarge, error_for


def as_error(error: Exception, message: m.Message) -> Error:
    """Return OpenCL's error for whatever was raised while a message was carried out."""
    if isinstance(error, Error):
        return error
    routine, what = type(message).__name__, f"{type(error).__name__}: {error}"
    if isinstance(error, MemoryError):
        return error_for(routine, ErrorCode.OUT_OF_HOST_MEMORY, what)
    if isinstance(error, FrameTooLarge):
        return error_for(routine, ErrorCode.OUT_OF_RESOURCES, f"the answer is too large: {error}")
    traceback.print_exception(error)
    return error_for(routine, ErrorCode.OUT_OF_RESOURCES, what)


def run_failure(command: int, routine: str, code: int) -> Failure:
    """Return the failure of a command that was enqueued, and then went wrong."""
    return Failure(command=command, routine=routine, code=code, what=f"command {command} failed while it ran")
