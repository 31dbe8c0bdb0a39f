"""SPIR-V modules for tests, assembled by hand.

Source: SPIR-V specification, sections 2.3 and 3; OpenCL's environment for SPIR-V, section 2.
"""

from __future__ import annotations

import struct

MAGIC, VERSION_1_0 = 0x07230203, 0x00010000
VOID, UINT, POINTER, FUNCTION_TYPE, CONSTANT, MAIN, OUT, LABEL, BOUND = range(1, 10)
CAPABILITY, MEMORY_MODEL, ENTRY_POINT, DECORATE, SPEC_CONSTANT = 17, 14, 15, 71, 50
TYPE_VOID, TYPE_INT, TYPE_POINTER, TYPE_FUNCTION = 19, 21, 32, 33
BEGIN, PARAMETER, BEGIN_BLOCK, STORE, RETURN, END = 54, 55, 248, 62, 253, 56
ADDRESSES, KERNEL, PHYSICAL64, OPENCL, CROSS_WORKGROUP, SPEC_ID, ALIGNED = 4, 6, 2, 2, 5, 1, 2


def instruction(opcode: int, *words: int) -> list[int]:
    """Return an instruction's words."""
    return [(len(words) + 1) << 16 | opcode, *words]


def text(value: str) -> tuple[int, ...]:
    """Return a string as words: with a zero at its end, filled with zeros."""
    content = value.encode() + b"\0"
    content += b"\0" * (-len(content) % 4)
    return struct.unpack(f"<{len(content) // 4}I", content)


def filling_module(kernel: str = "fill", spec_id: int = 7, default: int = 42) -> bytes:
    """Return `kernel void fill(global uint *out) { *out = constant; }`, a specialization constant's value."""
    words = [
        *(MAGIC, VERSION_1_0, 0, BOUND, 0),
        *instruction(CAPABILITY, ADDRESSES),
        *instruction(CAPABILITY, KERNEL),
        *instruction(MEMORY_MODEL, PHYSICAL64, OPENCL),
        *instruction(ENTRY_POINT, 6, MAIN, *text(kernel)),
        *instruction(DECORATE, CONSTANT, SPEC_ID, spec_id),
        *instruction(TYPE_VOID, VOID),
        *instruction(TYPE_INT, UINT, 32, 0),
        *instruction(TYPE_POINTER, POINTER, CROSS_WORKGROUP, UINT),
        *instruction(TYPE_FUNCTION, FUNCTION_TYPE, VOID, POINTER),
        *instruction(SPEC_CONSTANT, UINT, CONSTANT, default),
        *instruction(BEGIN, VOID, MAIN, 0, FUNCTION_TYPE),
        *instruction(PARAMETER, POINTER, OUT),
        *instruction(BEGIN_BLOCK, LABEL),
        *instruction(STORE, OUT, CONSTANT, ALIGNED, 4),
        *instruction(RETURN),
        *instruction(END),
    ]
    return struct.pack(f"<{len(words)}I", *words)
