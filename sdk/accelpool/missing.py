"""What PyOpenCL has and accelpool has not: so that its absence can be told from a typing error.

`docs/sdk.md` has the same table; a test compares them.
"""

from __future__ import annotations

# Group: why, and the names.
ABSENT: dict[str, tuple[str, tuple[str, ...]]] = {
    "OpenGL": ("its objects are in another machine's memory; PyOpenCL without OpenGL has no such names", (
        "GLBuffer", "GLRenderBuffer", "GLTexture", "enqueue_acquire_gl_objects", "enqueue_release_gl_objects",
        "get_apple_cgl_share_group", "gl_context_info", "gl_object_type", "gl_texture_info",
    )),
    "PyOpenCL's inside": ("no programs are cached here, and kernels are called in another way", (
        "cache", "invoker",
    )),
}  # fmt: skip


# Names of early versions of PyOpenCL, which old examples have, with what does their work since.
FORMER: dict[str, str] = dict.fromkeys(
    (
        "enqueue_copy_buffer", "enqueue_copy_buffer_to_image", "enqueue_copy_image",
        "enqueue_copy_image_to_buffer", "enqueue_read_buffer", "enqueue_read_image", "enqueue_write_buffer",
        "enqueue_write_image",
    ),
    "enqueue_copy(queue, dest, src)",
)  # fmt: skip


def why_missing(name: str) -> str:
    """Return what to say of a name that the module `accelpool` has not."""
    for group, (why, names) in ABSENT.items():
        if name in names:
            return f"accelpool has no {name} ({group}): {why}"
    instead = f": {FORMER[name]} does that" if name in FORMER else ""
    return f"module 'accelpool' has no attribute {name!r}{instead}"
