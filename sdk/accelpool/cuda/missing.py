"""What `pycuda.driver` has and this has not: so that its absence can be told from a typing error."""

from __future__ import annotations

# Group: why, and the names.
ABSENT: dict[str, tuple[str, tuple[str, ...]]] = {
    "textures": ("a session has no arrays and no references to them, nor has CUDA 12 the latter", (
        "Array", "ArrayDescriptor", "ArrayDescriptor3D", "SurfaceReference", "TextureReference",
        "address_mode", "array3d_flags", "array_cubemap_face", "bind_array_to_texref", "filter_mode",
        "gpuarray_to_array", "make_multichannel_2d_array", "matrix_to_array", "matrix_to_texref",
        "memcpy_atoa", "memcpy_atod", "memcpy_dtoa", "np_to_array", "py_memcpy_atoh", "py_memcpy_htoa",
    )),
    "managed memory": ("a process and a device in another machine share none", (
        "ManagedAllocation", "ManagedAllocationOrStub", "managed_empty_like", "managed_zeros",
        "managed_zeros_like", "mem_attach_flags",
    )),
    "several devices or processes": ("a context has one device, and a session one process", (
        "IPCMemoryHandle", "Memcpy3DPeer", "ipc_mem_flags", "mem_get_ipc_handle", "memcpy_peer",
        "memcpy_peer_async", "mem_peer_register_flags", "pointer_attribute",
    )),
    "linking": ("nodes compile a source, or load code, as a whole", (
        "Linker", "jit_fallback", "jit_input_type", "jit_target",
    )),
    "CUDA graphs": ("they are not forwarded", ("Graph", "GraphExec", "GraphNode")),
    "OpenGL": ("its objects are in another machine's memory", (
        "BufferObject", "BufferObjectMapping", "RegisteredBuffer", "RegisteredImage", "RegisteredMapping",
        "gl_init", "graphics_register_flags", "make_gl_context", "map_flags",
    )),
    "the profiler": ("it is not attached to nodes' devices", ("initialize_profiler", "profiler_output_mode")),
}  # fmt: skip


def why_missing(name: str) -> str:
    """Return what to say of a name that the module `accelpool.cuda.driver` has not."""
    for group, (why, names) in ABSENT.items():
        if name in names:
            return f"accelpool.cuda.driver has no {name} ({group}): {why}"
    return f"module 'accelpool.cuda.driver' has no attribute {name!r}"
