"""What PyOpenCL has and accelpool has not: so that its absence can be told from a typing error.

`docs/sdk.md` has the same tables; a test compares them.
"""

from __future__ import annotations

MISSING: dict[str, tuple[str, ...]] = {
    "linking and built-in kernels": (
        "create_program_with_built_in_kernels", "link_program", "program_kind", "unload_platform_compiler",
    ),
}  # fmt: skip

# What will not be here: its names, and why.
ABSENT: dict[str, tuple[str, tuple[str, ...]]] = {
    "OpenGL": ("its objects are in another machine's memory; PyOpenCL without OpenGL has no such names", (
        "GLBuffer", "GLRenderBuffer", "GLTexture", "enqueue_acquire_gl_objects", "enqueue_release_gl_objects",
        "get_apple_cgl_share_group", "gl_context_info", "gl_object_type", "gl_texture_info",
    )),
    "PyOpenCL's inside": ("no programs are cached here, and kernels are called in another way", (
        "cache", "invoker",
    )),
}  # fmt: skip

NAMES = {name: group for group, names in MISSING.items() for name in names}


def why_missing(name: str) -> str:
    """Return what to say of a name that the module `accelpool` has not."""
    if name in NAMES:
        return f"accelpool has no {name} yet ({NAMES[name]}): docs/sdk.md lists what is not there yet"
    for group, (why, names) in ABSENT.items():
        if name in names:
            return f"accelpool has no {name} ({group}): {why}"
    return f"module 'accelpool' has no attribute {name!r}"
