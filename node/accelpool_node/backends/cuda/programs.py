"""Programs and kernels: modules of CUDA C++, cubins, fatbins or PTX."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from accelpool_node.backends.base.types import BackendDevice, LocalSize
from accelpool_node.backends.cuda import driver
from accelpool_node.backends.cuda.compiler import compile_source
from accelpool_node.backends.cuda.context import CudaContext
from accelpool_node.backends.cuda.core import code_of, cuda, in_context, refused
from accelpool_node.backends.cuda.objects import (
    CudaBuffer,
    CudaKernel,
    CudaProgram,
    Function,
    Module,
)
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error
from accelpool_wire.messages import InfoValue, KernelInfo, WorkGroupInfo

ATTRIBUTE = 0x20000
MAX_THREADS, SHARED_BYTES, LOCAL_BYTES = 0, 1, 3  # CUfunction_attribute
CACHE_PREFERENCE = 0x100  # no attribute of CUDA's, though it is set as one
WARP = 32
MAJOR, MINOR = 0x4000, 0x4001
GROUP_SIZE, COMPILED_SIZE, LOCAL_MEM, MULTIPLE, PRIVATE_MEM = 0x11B0, 0x11B1, 0x11B2, 0x11B3, 0x11B4
SUCCESS, NONE, ERROR = 0, -1, -2
STATUS, OPTIONS, LOG, BINARY_TYPE, VARIABLE_BYTES = 0x1181, 0x1182, 0x1183, 0x1184, 0x1185
EXECUTABLE = 4
POINTER_BYTES = 8


class Programs:
    """Programs and kernels."""

    def create_program_with_source(self, context: CudaContext, source: str) -> CudaProgram:
        """Return a program of CUDA C++."""
        return CudaProgram(context=context, source=source)

    def create_program_with_binary(
        self, context: CudaContext, devices: Sequence[BackendDevice], binaries: Sequence[bytes]
    ) -> CudaProgram:
        """Return a program of a cubin, a fatbin or PTX."""
        return CudaProgram(context=context, binary=binaries[0])

    def create_program_with_il(self, context: CudaContext, il: bytes) -> CudaProgram:
        """Refuse: PTX is a binary here."""
        what = "CUDA knows no SPIR-V; PTX is taken as a binary"
        raise refused("clCreateProgramWithIL", ErrorCode.INVALID_OPERATION, what)

    def create_program_with_built_in_kernels(
        self, context: CudaContext, devices: Sequence[BackendDevice], names: str
    ) -> CudaProgram:
        """Refuse: there are none."""
        raise refused("clCreateProgramWithBuiltInKernels", ErrorCode.INVALID_VALUE, names)

    def set_specialization_constant(self, program: CudaProgram, constant: int, value: bytes) -> None:
        """Refuse: no program has one."""
        raise refused("clSetProgramSpecializationConstant", ErrorCode.INVALID_PROGRAM, str(constant))

    @in_context("clBuildProgram")
    def build_program(self, program: CudaProgram, devices: Sequence[BackendDevice], options: str) -> None:
        """Compile source, and load what comes of it, or the binary."""
        program.status, program.options, program.log = ERROR, options, ""
        program.module, program.functions = None, {}
        log = ""
        if program.source is not None:
            info = program.context.device.info
            capability = int(str(info[MAJOR])), int(str(info[MINOR]))
            try:
                compiled = compile_source(program.source, options, capability, cuda.get_driver_version())
            except Error as error:
                program.log = error.what
                raise
            program.binary, log = compiled.image, compiled.log
        handle, said = self._load(program)
        program.module = Module(program.context, handle)
        program.log = "\n".join(text for text in (log, said) if text)
        program.functions = {
            name: _function(name, function) for name, function in driver.kernels_of(handle).items()
        }
        program.status = SUCCESS

    def _load(self, program: CudaProgram) -> tuple[int, str]:
        """Return the loaded module, and what was said."""
        try:
            return driver.load(program.binary)
        except driver.DriverError as error:
            program.log = error.log or str(error)
            if program.source is None and error.log:  # PTX that does not compile
                what = f"{driver.name_of(error.code)}: {error.log}"
                raise refused("clBuildProgram", ErrorCode.BUILD_PROGRAM_FAILURE, what) from error
            raise

    def compile_program(
        self,
        program: CudaProgram,
        devices: Sequence[BackendDevice],
        options: str,
        headers: Sequence[tuple[str, CudaProgram]],
    ) -> None:
        """Refuse: programs are built as a whole."""
        what = "a program for CUDA is built as a whole"
        raise refused("clCompileProgram", ErrorCode.COMPILER_NOT_AVAILABLE, what)

    def link_program(
        self,
        context: CudaContext,
        programs: Sequence[CudaProgram],
        devices: Sequence[BackendDevice],
        options: str,
    ) -> CudaProgram:
        """Refuse: there is no linker."""
        what = "a program for CUDA is built as a whole"
        raise refused("clLinkProgram", ErrorCode.LINKER_NOT_AVAILABLE, what)

    def unload_platform_compiler(self, device: BackendDevice) -> None:
        """Do nothing: a compiler that is a library stays."""

    def build_logs(self, program: CudaProgram) -> list[str]:
        """Return one log."""
        return [program.log]

    def program_binaries(self, program: CudaProgram) -> list[bytes]:
        """Return what the driver loaded: a cubin if it is from source."""
        return [program.binary]

    def program_info(self, program: CudaProgram, name: int) -> InfoValue:
        """Return 0: no program has constructors that the driver runs."""
        return 0

    def build_info(self, program: CudaProgram, device: BackendDevice, name: int) -> InfoValue:
        """Return what is known of the last build."""
        known: dict[int, InfoValue] = {
            STATUS: program.status,
            OPTIONS: program.options,
            LOG: program.log,
            BINARY_TYPE: EXECUTABLE if program.status == SUCCESS else 0,
            VARIABLE_BYTES: 0,
        }
        if name not in known:
            raise refused("clGetProgramBuildInfo", ErrorCode.INVALID_VALUE, hex(name))
        return known[name]

    @in_context("clGetKernelInfo")
    def program_kernels(self, program: CudaProgram) -> list[KernelInfo]:
        """Return names, counts of parameters, and what the driver says of each."""
        _built(program, "clGetKernelInfo")
        return [_describe(function) for function in program.functions.values()]

    @in_context("clCreateBuffer")
    def program_variable(self, program: CudaProgram, name: str) -> tuple[CudaBuffer, int]:
        """Return a variable of the module, which the buffer keeps."""
        module = _built(program, "clCreateBuffer")
        try:
            address, size = driver.variable_of(module.handle, name)
        except driver.DriverError as error:
            if code_of(error) != driver.NOT_FOUND:
                raise
            what = f"{driver.name_of(error.code)}: the program has no variable {name!r}"
            raise refused("clCreateBuffer", ErrorCode.INVALID_VALUE, what) from error
        return CudaBuffer(context=program.context, address=address, size=size, owner=module), size

    def create_kernel(self, program: CudaProgram, name: str) -> CudaKernel:
        """Return a kernel without arguments."""
        module = _built(program, "clCreateKernel")
        function = program.functions.get(name)
        if function is None:
            raise refused("clCreateKernel", ErrorCode.INVALID_KERNEL_NAME, name)
        return CudaKernel(
            context=program.context,
            module=module,
            function=function,
            block=bytearray(function.block_bytes),
            unset=set(range(len(function.parameters))),
            launcher=driver.Launcher(function.handle, function.block_bytes),
        )

    def set_kernel_arg(
        self, kernel: CudaKernel, index: int, value: CudaBuffer | bytes | LocalSize | None
    ) -> None:
        """Put one argument into the block of parameters.

        Place 0 takes the bytes of the whole block, too, and dynamic shared memory has the place after the
        last parameter.
        """
        routine, parameters = "clSetKernelArg", kernel.function.parameters
        if isinstance(value, LocalSize) and index == len(parameters):
            kernel.shared = value.size
            return
        if not 0 <= index < len(parameters):
            raise refused(routine, ErrorCode.INVALID_ARG_INDEX, str(index))
        if isinstance(value, LocalSize):
            what = f"shared memory has place {len(parameters)}, after the parameters"
            raise refused(routine, ErrorCode.INVALID_ARG_VALUE, what)
        parameter, whole = parameters[index], len(kernel.block)
        content = value if isinstance(value, bytes) else _pointer(value)
        if index == 0 and isinstance(value, bytes) and 0 <= len(content) - whole < 16 and len(parameters) > 1:
            kernel.block[:] = content[:whole]
            kernel.unset.clear()
            kernel.owners.clear()
            return
        if len(content) != parameter.size:
            what = f"{len(content)} bytes; the parameter has {parameter.size}"
            raise refused(routine, ErrorCode.INVALID_ARG_SIZE, what)
        kernel.block[parameter.offset : parameter.offset + parameter.size] = content
        kernel.unset.discard(index)
        kernel.owners.pop(index, None)
        if isinstance(value, CudaBuffer):
            kernel.owners[index] = weakref.ref(value.owner)

    @in_context("clSetKernelExecInfo")
    def set_kernel_attribute(self, kernel: CudaKernel, name: int, value: int) -> None:
        """Set one of the function's attributes, or which cache it prefers, for all kernels of that name."""
        function, number = kernel.function, name - ATTRIBUTE
        if not (0 <= number <= CACHE_PREFERENCE and abs(value) < 1 << 31):
            raise refused("clSetKernelExecInfo", ErrorCode.INVALID_VALUE, f"{value} for attribute {name:#x}")
        if number == CACHE_PREFERENCE:
            driver.prefer_cache(function.handle, value)
            return
        driver.set_attribute(function.handle, number, value)
        if number == driver.MAX_DYNAMIC_SHARED_SIZE_BYTES:
            function.allowed = value

    @in_context("clGetKernelWorkGroupInfo")
    def work_group_info(self, kernel: CudaKernel, device: BackendDevice, name: int) -> InfoValue:
        """Return one of OpenCL's infos, or one of CUDA's attributes of a function."""
        if ATTRIBUTE <= name < ATTRIBUTE + 256:
            return driver.attribute_of(kernel.function.handle, name - ATTRIBUTE)
        group = _group(kernel.function)
        known: dict[int, InfoValue] = {
            GROUP_SIZE: group.work_group_size,
            COMPILED_SIZE: [*group.compile_work_group_size],
            LOCAL_MEM: group.local_mem_size,
            MULTIPLE: group.preferred_work_group_size_multiple,
            PRIVATE_MEM: group.private_mem_size,
        }
        if name not in known:
            raise refused("clGetKernelWorkGroupInfo", ErrorCode.INVALID_VALUE, hex(name))
        return known[name]

    def sub_group_info(
        self, kernel: CudaKernel, device: BackendDevice, name: int, given: Sequence[int]
    ) -> InfoValue:
        """Refuse: warps are no sub-groups of OpenCL's."""
        raise refused("clGetKernelSubGroupInfo", ErrorCode.INVALID_OPERATION, hex(name))


def _built(program: CudaProgram, routine: str) -> Module:
    if program.module is None:
        raise refused(routine, ErrorCode.INVALID_PROGRAM_EXECUTABLE, "the program is not built")
    return program.module


def _function(name: str, handle: int) -> Function:
    return Function(
        name=name,
        handle=handle,
        parameters=driver.parameters_of(handle),
        most_threads=driver.attribute_of(handle, MAX_THREADS),
        shared=driver.attribute_of(handle, SHARED_BYTES),
    )


def _describe(function: Function) -> KernelInfo:
    return KernelInfo(function.name, len(function.parameters), "", [], [_group(function)])


def _group(function: Function) -> WorkGroupInfo:
    private = driver.attribute_of(function.handle, LOCAL_BYTES)
    return WorkGroupInfo(function.most_threads, [0, 0, 0], function.shared, WARP, private)


def _pointer(value: CudaBuffer | Any) -> bytes:
    """Return a buffer's address as a parameter, 0 for a null buffer."""
    return (0 if value is None else value.address).to_bytes(POINTER_BYTES, "little")
