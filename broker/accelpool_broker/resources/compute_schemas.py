"""The JSON of compute under a lease: programs, buffers, launches."""

from __future__ import annotations

from typing import Any

from apiflask import Schema
from apiflask.fields import Dict, Integer, List, Nested, Raw, String
from apiflask.validators import Length, OneOf, Range
from marshmallow import ValidationError, validates_schema

from accelpool_broker.resources.fields import MAX_INT, Truth
from accelpool_broker.services.compute_objects import LaunchStatus
from accelpool_broker.services.kernel_args import MAX_LOCAL_BYTES

MAX_OPTIONS = 16 * 1024
MAX_ARGS = 1024
MAX_SOURCE = 8 << 20


def _sizes(low: int, **options: Any) -> List[int]:
    item = Integer(strict=True, validate=Range(low, MAX_INT))
    return List(item, load_default=None, allow_none=True, validate=Length(1, 3), **options)


# ---- programs


class ProgramIn(Schema):
    """A program's source, or its name in the kernel library.

    The source is OpenCL C; CUDA C++ under a lease of a device whose `api` is cuda.
    """

    source = String(load_default=None, validate=Length(1, MAX_SOURCE))
    kernel = String(load_default=None, validate=Length(1, 255))
    options = String(load_default="", validate=Length(0, MAX_OPTIONS))

    @validates_schema
    def _check(self, data: dict[str, Any], **_: Any) -> None:
        if (data["source"] is None) == (data["kernel"] is None):
            raise ValidationError("give either the source or the name of a kernel of the library")


class ParameterOut(Schema):
    """A kernel's parameter."""

    position = Integer()
    name = String()
    type = String()
    address = String(validate=OneOf(["global", "local", "constant", "private"]))


class KernelOut(Schema):
    """A kernel of a program; `args` is empty where the compiler keeps no argument info."""

    name = String()
    arg_count = Integer()
    args = List(Nested(ParameterOut))


class ProgramOut(Schema):
    """A built program."""

    id = String()
    kernels = List(Nested(KernelOut))
    build_log = String()


class ProgramList(Schema):
    """The programs of a lease's session."""

    items = List(Nested(ProgramOut))
    next_cursor = String(allow_none=True)


# ---- buffers


class BufferIn(Schema):
    """How large a buffer is to be."""

    size_bytes = Integer(required=True, strict=True, validate=Range(1, MAX_INT))


class BufferOut(Schema):
    """A buffer on the device."""

    id = String()
    size_bytes = Integer()


class BufferList(Schema):
    """The buffers of a lease's session."""

    items = List(Nested(BufferOut))
    next_cursor = String(allow_none=True)


class WriteQuery(Schema):
    """Where in the buffer the bytes go."""

    offset = Integer(load_default=0, validate=Range(0, MAX_INT))


class ReadQuery(WriteQuery):
    """Which bytes of the buffer are wanted; without `size`, all from `offset` on."""

    size = Integer(load_default=None, validate=Range(0, MAX_INT))


class Written(BufferOut):
    """What was written."""

    written_bytes = Integer()


# ---- launches


class ArgIn(Schema):
    """A kernel argument: a buffer, a typed value, or local memory.

    For CUDA, local memory comes after all parameters: the launch's dynamic shared memory.
    """

    buffer = String(validate=Length(1, 64))
    local_bytes = Integer(strict=True, validate=Range(1, MAX_LOCAL_BYTES))
    type = String(
        validate=Length(1, 32), metadata={"description": "of OpenCL C, such as float, uint or int4"}
    )
    value = Raw(metadata={"description": 'a number, "nan", "inf", "-inf", or for a vector an array'})

    @validates_schema
    def _check(self, data: dict[str, Any], **_: Any) -> None:
        forms = [name for name in ("buffer", "local_bytes", "value") if name in data]
        if len(forms) != 1 or ("type" in data and forms != ["value"]):
            raise ValidationError("give one of: buffer; local_bytes; type and value")


class LaunchIn(Schema):
    """A kernel launch. A kernel of the library knows its own sizes and local memory."""

    program = String(required=True, validate=Length(1, 64))
    kernel = String(required=True, validate=Length(1, 255))
    global_size = _sizes(1)
    local_size = _sizes(1)
    offset = _sizes(0)
    args = List(Nested(ArgIn, allow_none=True), load_default=list, validate=Length(0, MAX_ARGS))
    wait = Truth(
        load_default=True,
        metadata={"description": "answer when it has ended, or after 25 s with how far it is"},
    )


class Profile(Schema):
    """Nanoseconds of the device's clock."""

    queued_ns = Integer()
    submit_ns = Integer()
    start_ns = Integer()
    end_ns = Integer()


class LaunchOut(Schema):
    """A kernel launch, and how far it is."""

    id = String()
    program = String()
    kernel = String()
    status = String(validate=OneOf([status.value for status in LaunchStatus]))
    profile = Nested(Profile, allow_none=True)
    error = Dict(keys=String(), values=Raw(), allow_none=True)
