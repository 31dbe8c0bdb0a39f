"""What PyCUDA has and this has not, and why: so that an absence can be told from a typing error.

`docs/sdk-cuda.md` has the same as a table; a test compares both with a list of PyCUDA's names.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Absence:
    """Names of PyCUDA that a pool has nothing for.

    Attributes:
        what: What they are about.
        why: Why they are not here.
        names: Those that are missing, of `pycuda.driver` unless it says `module.name` with a small letter;
            a module alone ends with a dot.
        refused: Those that are here, and raise `LogicError`, not supported.
    """

    what: str
    why: str
    names: tuple[str, ...]
    refused: tuple[str, ...] = ()


UNLINKED = (
    "nodes build a source, or load code, as a whole: give `SourceModule` all sources as one, or link them "
    "elsewhere, by `nvcc --cubin`, and give the cubin to `module_from_file`"
)
ABSENT: tuple[Absence, ...] = (
    Absence(
        what="texture and surface references",
        why="no compiler since CUDA 12 knows `texture<>` or `surface<>`; PyCUDA's tests leave them out",
        names=(
            "SurfaceReference", "TextureReference", "address_mode", "bind_array_to_texref", "filter_mode",
            "matrix_to_texref", "sparse.",
        ),
        refused=("Function.param_set_texref", "Module.get_surfref", "Module.get_texref"),
    ),
    Absence(
        what="arrays",
        why="a kernel sees one by a reference, or by a texture object, which PyCUDA does not make",
        names=(
            "Array", "ArrayDescriptor", "ArrayDescriptor3D", "array3d_flags", "array_cubemap_face",
            "gpuarray_to_array", "make_multichannel_2d_array", "matrix_to_array", "memcpy_atoa",
            "memcpy_atod", "memcpy_dtoa", "np_to_array", "py_memcpy_atoh", "py_memcpy_htoa",
        ),
        refused=("Memcpy2D.set_dst_array", "Memcpy2D.set_src_array"),
    ),
    Absence(
        what="memory that host and device share",
        why="this process and a device in another machine share none",
        names=(
            "ManagedAllocation", "ManagedAllocationOrStub", "managed_empty_like", "managed_zeros",
            "managed_zeros_like", "mem_attach_flags",
        ),
        refused=(
            "DeviceAllocation.as_buffer", "HostPointer.get_device_pointer", "Memcpy2D.set_dst_unified",
            "Memcpy2D.set_src_unified", "PointerHolderBase.as_buffer", "managed_empty",
        ),
    ),
    Absence(
        what="handles for other processes",
        why="a session is one process's; another one asks for a session of its own",
        names=("IPCMemoryHandle", "ipc_mem_flags", "mem_get_ipc_handle"),
        refused=("Event.from_ipc_handle", "Event.ipc_handle"),
    ),
    Absence(
        what="access to peers' memory",
        why="kernels of a device reach no other one's; `memcpy_peer` does without",
        names=(),
        refused=("Context.disable_peer_access", "Context.enable_peer_access"),
    ),
    Absence(
        what="linking",
        why=UNLINKED,
        names=(
            "Linker.add_data", "Linker.add_file", "Linker.link_module", "compiler.DynamicModule.add_data",
            "compiler.DynamicModule.add_file", "compiler.DynamicModule.add_source",
            "compiler.DynamicModule.add_stdlib", "compiler.DynamicModule.link",
        ),
        refused=("Linker", "compiler.DynamicModule", "compiler.DynamicSourceModule"),
    ),
    Absence(
        what="the compiler as a program",
        why="there is none here, and none that starts programs on a node",
        names=("compiler.get_nvcc_version", "compiler.preprocess_source"),
    ),
    Absence(
        what="OpenGL",
        why="its objects are in another machine's memory",
        names=(
            "BufferObject", "BufferObjectMapping", "RegisteredBuffer", "RegisteredImage",
            "RegisteredMapping", "RegisteredObject", "gl.", "gl_init", "graphics_map_flags",
            "graphics_register_flags", "make_gl_context",
        ),
    ),
    Absence(
        what="the profiler, the debugger",
        why="neither is attached to a node's device",
        names=("debug.", "initialize_profiler", "profiler_output_mode"),
    ),
)  # fmt: skip


def why_missing(name: str, module: str = "driver") -> str:
    """Return what to say of a name that a module of `accelpool.cuda`, or with "" that package, has not."""
    known = {"driver": name, "": f"{name}."}.get(module, f"{module}.{name}")
    where = f"accelpool.cuda.{module}".rstrip(".")
    for absence in ABSENT:
        if known in absence.names:
            return f"{where} has no {name} ({absence.what}): {absence.why}"
    return f"module {where!r} has no attribute {name!r}"
