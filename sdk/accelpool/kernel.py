"""Kernels: what a program is built for.

The worker has one kernel per name and program (`KernelCore`); a `Kernel` is that and arguments of its own,
which go along with each launch. So kernels are independent of each other, as cheap to get as to keep, and a
launch with its arguments is one message.
"""

from __future__ import annotations

import io
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from accelpool import upper_layer
from accelpool.arguments import Packer, typed_packer
from accelpool.array_arguments import ArrayArguments
from accelpool.constants import kernel_arg_info, kernel_info, kernel_sub_group_info, kernel_work_group_info
from accelpool.context import Context
from accelpool.device import Device
from accelpool.errors import LogicError, RuntimeError
from accelpool.event import Event, WaitList
from accelpool.info import Info
from accelpool.ndrange import Sizes, check_form
from accelpool.process_bound import ProcessBound
from accelpool.queue import CommandQueue
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode

if TYPE_CHECKING:
    from accelpool.program import Program

NDRANGE_INFOS = (
    kernel_sub_group_info.MAX_SUB_GROUP_SIZE_FOR_NDRANGE,
    kernel_sub_group_info.SUB_GROUP_COUNT_FOR_NDRANGE,
)
SUB_GROUP_COUNTS = (kernel_sub_group_info.MAX_NUM_SUB_GROUPS, kernel_sub_group_info.COMPILE_NUM_SUB_GROUPS)


class _Unset:
    """Stands for an argument that is not set."""


UNSET: Any = _Unset()


class Kernel(ProcessBound):
    """A kernel of a built program, with arguments of its own.

    Args:
        program: The program, built.
        name: The kernel function's name.

    Raises:
        LogicError: INVALID_PROGRAM_EXECUTABLE: the program is not built; INVALID_KERNEL_NAME: it has no such
            kernel.
    """

    __slots__ = (
        "__weakref__",
        "_args",
        "_arrays",
        "_core",
        "_count",
        "_held",
        "_is_set",
        "_packers",
        "_program",
        "_scalar_arg_dtypes",
    )

    def __init__(self, program: Program, name: str, /) -> None:
        core = program._core(name)
        self._program = program
        self._core = core
        self._packers: tuple[Packer, ...] = core.packers
        self._count = len(core.packers)
        self._args: list[Any] = [UNSET] * self._count
        self._held: Sequence[Any] = ()  # arguments are used until set again: they live as long
        self._is_set = not self._count
        self._arrays: ArrayArguments | None = None

    def __call__(
        self,
        queue: CommandQueue,
        global_size: Sizes,
        local_size: Sizes | None,
        *args: Any,
        wait_for: WaitList = None,
        g_times_l: bool = False,
        allow_empty_ndrange: bool = False,
        global_offset: Sizes | None = None,
    ) -> Event:
        """Set all arguments, enqueue the kernel over an NDRange and return its event at once.

        Args:
            queue: The queue to enqueue to.
            global_size: Work-items per dimension, 1 to 3 ints.
            local_size: Work-items per work-group and dimension; None lets the device choose.
            *args: The arguments; see `set_args`.
            wait_for: Events to wait for.
            g_times_l: Whether size and offset count work-groups, to be multiplied by `local_size`.
            allow_empty_ndrange: Whether a global size of 0 is a marker; else it is the device's to judge.
            global_offset: The first global id per dimension; None for zeros.

        Raises:
            TypeError: There are more or fewer arguments than the kernel has.
            LogicError: An argument or a size is not possible, which one, and what was expected.
        """
        try:
            self.set_args(*args)
        except (TypeError, LogicError):
            self._check_first(queue, global_size, local_size)  # a forgotten one shifts all others
            raise
        if self._arrays is not None:
            wait_for = self._arrays.waits(args, queue, wait_for)
        event = self._core.launch(
            queue,
            self._args,
            global_size,
            local_size,
            global_offset,
            wait_for,
            g_times_l,
            allow_empty_ndrange,
        )
        self._held = ()  # the command has them now: a kernel that is kept shall not keep their memory
        return event

    def _check_first(self, queue: object, global_size: object, local_size: object) -> None:
        """Check the parameters before the arguments.

        Raises:
            TypeError: One of them is something else, perhaps because one was forgotten.
        """
        hint = f"{self._core.info.name}(queue, global_size, local_size, *args); local_size may be None"
        if not isinstance(queue, CommandQueue):
            raise TypeError(f"queue is a CommandQueue, not {queue!r}: {hint}")
        try:
            check_form("global_size", global_size)
            if local_size is not None:
                check_form("local_size", local_size)
        except TypeError as error:
            raise TypeError(f"{error}: {hint}") from None

    def set_args(self, *args: Any) -> None:
        """Set all arguments; they stay until set again.

        Args:
            *args: A `Buffer` or None for a pointer, a `LocalMemory` for local memory, for a scalar a number,
                for the rest bytes: anything with the buffer protocol.

        Raises:
            TypeError: There are more or fewer arguments than the kernel has.
            LogicError: INVALID_ARG_SIZE, INVALID_VALUE, INVALID_MEM_OBJECT: which argument is not possible,
                and what was expected.
        """
        if self._arrays is not None:
            args = tuple(self._arrays.spread(args))
        if len(args) != self._count:
            raise TypeError(
                f"kernel {self._core.info.name} takes {self._count} arguments, not {len(args)}: "
                f"{', '.join(map(_declared, self._core.info.args)) or 'of unknown types'}"
            )
        self._args = [pack(value) for pack, value in zip(self._packers, args)]  # noqa: B905 - counted above
        self._held = args
        self._is_set = True

    def set_arg(self, index: int, arg: Any, /) -> None:
        """Set one argument, by its place from 0.

        Raises:
            LogicError: INVALID_ARG_INDEX: there is no such place; else as `set_args`.
        """
        if index < 0:
            raise TypeError(f"an argument's place is not negative: {index}")
        if index >= self._count:
            what = f"kernel {self._core.info.name} has {self._count} arguments; there is no place {index}"
            raise LogicError("clSetKernelArg", ErrorCode.INVALID_ARG_INDEX, what)
        args, held = list(self._args), [*self._held, *[None] * (self._count - len(self._held))]
        args[index], held[index] = self._packers[index](arg), arg
        self._args, self._held = args, held
        self._is_set = UNSET not in args

    def set_scalar_arg_dtypes(self, arg_types: Sequence[Any]) -> None:
        """Declare the NumPy types of scalar arguments: every number passed is converted.

        Args:
            arg_types: One per argument; None for what is no scalar. A `VectorArg` of `accelpool.tools` for
                what is passed as an `Array`: the kernel gets its buffer, and its offset where the
                `VectorArg` says so, and waits for its events.

        Raises:
            TypeError: There are more or fewer types than arguments.
        """
        declared_types = arg_types
        arrays = ArrayArguments(self._core.info.name, arg_types)
        self._arrays = arrays if arrays else None
        arg_types = arrays.dtypes
        if len(arg_types) != self._count:
            name = self._core.info.name
            raise TypeError(f"kernel {name} takes {self._count} arguments, not {len(arg_types)}")
        declared = zip(self._core.places(), self._core.packers, arg_types, strict=True)
        self._packers = tuple(
            known if dtype is None else typed_packer(place, dtype) for place, known, dtype in declared
        )
        self._scalar_arg_dtypes = tuple(declared_types)

    set_arg_types = set_scalar_arg_dtypes

    def capture_call(
        self,
        output_file: str | TextIO,
        queue: CommandQueue,
        global_size: tuple[int, ...],
        local_size: tuple[int, ...] | None,
        *args: Any,
        wait_for: WaitList = None,
        g_times_l: bool = False,
        allow_empty_ndrange: bool = False,
        global_offset: tuple[int, ...] | None = None,
    ) -> None:
        """Write a program that makes this call, with the buffers' content as it is; calls nothing.

        PyOpenCL must be installed here: it writes the program, to a path or a text file, which runs with
        PyOpenCL as well once its import says so. What follows are the parameters of a call; the queue reads
        the buffers.

        Raises:
            RuntimeError: Python's: the program was made from a binary, or an argument cannot be written down.
        """
        written = io.StringIO()
        upper_layer.attribute("capture_call").capture_kernel_call(
            self,
            written,
            queue,
            global_size,
            local_size,
            *args,
            wait_for=wait_for,
            g_times_l=g_times_l,
            allow_empty_ndrange=allow_empty_ndrange,
            global_offset=global_offset,
        )
        program = written.getvalue().replace("import pyopencl as cl\n", "import accelpool as cl\n", 1)
        if isinstance(output_file, str):
            Path(output_file).write_text(program, encoding="utf-8")
        else:
            output_file.write(program)

    @property
    def _source(self) -> str | None:
        """The program's source, for `capture_call`."""
        return self._program._source or None

    def clone(self) -> Kernel:
        """Return another kernel with the same arguments, set independently from now on."""
        made = Kernel(self._program, self._core.info.name)
        made._packers, made._args = self._packers, self._args
        made._held, made._is_set = self._held, self._is_set
        made._arrays = self._arrays
        return made

    def get_info(self, param_name: int, /) -> Any:
        """Return the value of a `kernel_info` number.

        Raises:
            LogicError: INVALID_VALUE: there is no such info.
        """
        info = self._core.info
        if param_name == kernel_info.FUNCTION_NAME:
            return info.name
        if param_name == kernel_info.NUM_ARGS:
            return info.num_args
        if param_name == kernel_info.ATTRIBUTES:
            return info.attributes
        if param_name == kernel_info.PROGRAM:
            return self._program
        if param_name == kernel_info.CONTEXT:
            return self._program._context
        if param_name == kernel_info.REFERENCE_COUNT:
            return 1
        name = kernel_info.to_string(param_name, "%d")
        raise LogicError("Kernel.get_info", ErrorCode.INVALID_VALUE, f"a kernel has no {name}")

    def get_work_group_info(self, param: int, device: Device) -> Any:
        """Return the value of a `kernel_work_group_info` number on a device.

        Raises:
            LogicError: INVALID_VALUE: there is no such info; INVALID_DEVICE: the kernel is not built for it.
        """
        routine = "clGetKernelWorkGroupInfo"
        group = self._core.groups.get(self._program._context._place(device, routine))
        if group is None:
            raise LogicError(routine, ErrorCode.INVALID_DEVICE, f"{self!r} is not built for {device!r}")
        values = {
            kernel_work_group_info.WORK_GROUP_SIZE: group.work_group_size,
            kernel_work_group_info.COMPILE_WORK_GROUP_SIZE: group.compile_work_group_size,
            kernel_work_group_info.LOCAL_MEM_SIZE: group.local_mem_size,
            kernel_work_group_info.PREFERRED_WORK_GROUP_SIZE_MULTIPLE: (
                group.preferred_work_group_size_multiple
            ),
            kernel_work_group_info.PRIVATE_MEM_SIZE: group.private_mem_size,
        }
        if param == kernel_work_group_info.GLOBAL_WORK_SIZE:
            return self._asked(m.WORK_GROUP, param, device, None)
        if param not in values:
            name = kernel_work_group_info.to_string(param, "%d")
            raise LogicError(routine, ErrorCode.INVALID_VALUE, f"{self!r} has no {name}")
        return values[param]

    def get_sub_group_info(
        self, device: Device, param: int, input_value: Sequence[int] | int | None = None
    ) -> Any:
        """Return the value of a `kernel_sub_group_info` number on a device: one round trip.

        Args:
            device: One that the kernel is built for.
            param: What is asked for.
            input_value: A local size for the infos of an NDRange, a count for LOCAL_SIZE_FOR_SUB_GROUP_COUNT.

        Raises:
            LogicError: INVALID_VALUE: there is no such info; INVALID_OPERATION: the device has no sub-groups.
        """
        if param in NDRANGE_INFOS:
            given = [int(size) for size in input_value]  # type: ignore[union-attr] # TypeError is the answer
        elif param == kernel_sub_group_info.LOCAL_SIZE_FOR_SUB_GROUP_COUNT:
            given = [operator.index(input_value)]  # type: ignore[arg-type]
        elif param in SUB_GROUP_COUNTS:
            given = []
        else:
            what = f"{self!r} has no {kernel_sub_group_info.to_string(param, '%d')}"
            raise LogicError("Kernel.get_sub_group_info", ErrorCode.INVALID_VALUE, what)
        return self._asked(m.SUB_GROUP, param, device, given)

    def _asked(self, about: int, param: int, device: Device, given: list[int] | None) -> Any:
        place = self._program._context._place(device, "clGetKernelWorkGroupInfo")
        message = m.GetInfo(about, self._core._handle, param, place, given)
        return self._core._session.ask(message, m.Info).value

    def get_arg_info(self, index: int, param_name: int, /) -> Any:
        """Return the value of a `kernel_arg_info` number of an argument, by its place from 0.

        Raises:
            LogicError: INVALID_ARG_INDEX: there is no such place; INVALID_VALUE: there is no such info.
            RuntimeError: KERNEL_ARG_INFO_NOT_AVAILABLE: the compiler kept none, as in most binaries.
        """
        routine, info = "clGetKernelArgInfo", self._core.info
        if not 0 <= index < info.num_args:
            what = f"kernel {info.name} has {info.num_args} arguments; there is no place {index}"
            raise LogicError(routine, ErrorCode.INVALID_ARG_INDEX, what)
        if not info.args:
            what = f"the compiler kept no argument info of kernel {info.name}"
            raise RuntimeError(routine, ErrorCode.KERNEL_ARG_INFO_NOT_AVAILABLE, what)
        arg = info.args[index]
        values = {
            kernel_arg_info.NAME: arg.name,
            kernel_arg_info.TYPE_NAME: arg.type_name,
            kernel_arg_info.ADDRESS_QUALIFIER: arg.address_qualifier,
            kernel_arg_info.ACCESS_QUALIFIER: arg.access_qualifier,
            kernel_arg_info.TYPE_QUALIFIER: arg.type_qualifier,
        }
        if param_name not in values:
            what = f"an argument has no {kernel_arg_info.to_string(param_name, '%d')}"
            raise LogicError(routine, ErrorCode.INVALID_VALUE, what)
        return values[param_name]

    function_name: Info[str] = Info(kernel_info.FUNCTION_NAME)
    num_args: Info[int] = Info(kernel_info.NUM_ARGS)
    reference_count: Info[int] = Info(kernel_info.REFERENCE_COUNT)
    context: Info[Context] = Info(kernel_info.CONTEXT)
    program: Info[Program] = Info(kernel_info.PROGRAM)
    attributes: Info[str] = Info(kernel_info.ATTRIBUTES)

    def __repr__(self) -> str:
        return f"<accelpool.Kernel {self._core.info.name!r}>"


def _declared(arg: m.ArgInfo) -> str:
    return f"{arg.type_name} {arg.name}"
