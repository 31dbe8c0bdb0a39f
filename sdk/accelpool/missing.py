"""What PyOpenCL has and accelpool has not yet: so that its absence can be told from a typing error.

`docs/sdk.md` has the same table; a test compares them.
"""

from __future__ import annotations

MISSING: dict[str, tuple[str, ...]] = {
    "images and samplers": (
        "Image", "ImageDescriptor", "ImageFormat", "Sampler", "create_image", "enqueue_fill_image",
        "enqueue_map_image", "get_supported_image_formats", "image_from_array",
    ),
    "shared virtual memory": (
        "SVM", "SVMAllocation", "SVMMap", "SVMPointer", "csvm_empty", "csvm_empty_like",
        "enqueue_svm_memfill", "enqueue_svm_migrate_mem", "fsvm_empty", "fsvm_empty_like", "svm_empty",
        "svm_empty_like",
    ),
    "pipes": ("Pipe",),
    "linking and built-in kernels": (
        "create_program_with_built_in_kernels", "link_program", "program_kind", "unload_platform_compiler",
    ),
    "OpenGL": (
        "GLBuffer", "GLRenderBuffer", "GLTexture", "enqueue_acquire_gl_objects", "enqueue_release_gl_objects",
        "get_apple_cgl_share_group", "gl_context_info", "gl_object_type", "gl_texture_info", "have_gl",
    ),
    "the local driver": ("DeviceTopologyAmd", "enable_debugging"),
    "the upper layer": ("cache", "capture_call", "invoker", "ipython_ext"),
}  # fmt: skip

NAMES = {name: group for group, names in MISSING.items() for name in names}


def why_missing(name: str) -> str:
    """Return what to say of a name that the module `accelpool` has not."""
    if name in NAMES:
        return f"accelpool has no {name} yet ({NAMES[name]}): docs/sdk.md lists what is not there yet"
    return f"module 'accelpool' has no attribute {name!r}"
