"""Messages of a client, made of a fuzzer's bytes: mostly such as a session can carry out, but not all.

Handles are few, so that messages meet; numbers come from what their names suggest, or are odd.
"""

from __future__ import annotations

import math
import types
import typing
from typing import Any, Union

import msgspec

from accelpool_wire import messages as m

from .chooser import Chooser

KINDS = tuple(kind for kind in m.kinds(m.ClientMessage) if kind not in (m.Hello, m.SessionQuery, m.Deliver))
LARGEST_PAYLOAD = 100_000
ODD = (
    -1,
    127,
    255,
    4095,
    65536,
    1 << 20,
    (1 << 31) - 1,
    1 << 31,
    1 << 32,
    (1 << 63) - 1,
    -(1 << 63),
    (1 << 64) - 1,
)
ODD_FROM = 244  # of the 256 values of a byte: the others choose what fits
SIZES = (1, 4, 16, 64, 128, 256, 4096, 65536, LARGEST_PAYLOAD)
SOURCES = (
    "kernel void k() {}",
    "kernel void m(global int *a, int n) {}\nkernel void n(local int *a) {}",
    '#include "h.h"\nkernel void k(int a, int b, int c, int d) {}',
    "int f() { return 1; }",
    "",
)
TEXTS = {
    "source": SOURCES,
    "options": ("", "-create-library", "-D X=1", "-I /etc", "\0"),
    "name": ("k", "m", "n", "accelpool.nothing", ""),
    "names": ("accelpool.nothing", "accelpool.nothing;accelpool.nothing", ";", ""),
    "header_names": ("h.h", "../h.h", "", "/etc/passwd"),
    "host": ("127.0.0.1", "127.0.0.1", "::1", ""),
    "session": ("S1", "S2"),
}
NUMBERS = {
    "size": SIZES,
    "offset": (0, 0, 1, 4, 128, 4096),
    "source_offset": (0, 1, 4, 128),
    "target_offset": (0, 1, 4, 128),
    "origin": (0, 0, 0, 1, 2, 128),
    "region": (1, 1, 2, 4, 8, 64),
    "extent": (1, 4, 8, 64, 0),
    "row_pitch": (0, 4, 16, 64, 256),
    "slice_pitch": (0, 64, 256, 1024),
    "global_size": (1, 4, 16, 64, 1024),
    "local_size": (1, 2, 4, 64, 1024),
    "flags": (0, 1, 2, 4, 32, 8),
    "properties": (0, 1, 2, 3, 4, 8, 0x1086, 0x1087),
    "image_type": (0x10F1, 0x10F2, 0x10F3, 0x10F4, 0x10F5, 0x10F6, 0x10F0),
    "channel_order": (0x10B0, 0x10B5, 0x10B2, 0x10B6, 0x10B1),
    "channel_type": (0x10D2, 0x10DE, 0x10DA, 0x10DD, 0x10D4),
    "addressing_mode": (0x1130, 0x1131, 0x1134, 0x1135),
    "filter_mode": (0x1140, 0x1141, 0x1142),
    "alignment": (1, 16, 128, 4096, 3),
    "status": (0, -1, -5, 1),
    "about": (0, 1, 2, 3, 4, 5),
    "sizes": (1, 18, 64),
    "device": (0, 0, 0, 1, 2),
    "devices": (0, 0, 0, 1, 2),
    "port": (1,),
    "first": (0, 1, 2),
    "constant": (0, 1),
}  # fmt: skip
KNOWN = {  # handles that are mostly known: what a session begins with, and what its messages make
    "context": (1, 1, 1, 2, 3),
    "queue": (1, 2, 1, 2, 3, 4),
    "image": (1, 1, 2, 3),
    "kernel": (1, 2, 1, 3),
    "program": (1, 1, 2, 3),
    "programs": (2, 3, 4, 1),
    "headers": (1, 2, 3),
}
INFO_NAMES = (0x1160, 0x1167, 0x1182, 0x1183, 0x1184, 0x11B0, 0x11B4, 0x2033)
HANDLES = (1, 2, 1, 2, 3, 4, 5, 6)
NEW_HANDLES = range(3, 15)
BYTES = {
    "color": (16, 16, 16, 4),
    "ticket": (16, 16, 64, 8),
    "pattern": (1, 4, 16, 128, 3),
    "value": (4, 8, 0, 9),
}


def message(chooser: Chooser) -> m.Message:
    """Return the next message."""
    kind = chooser.one_of(KINDS)
    fields = msgspec.structs.fields(kind)
    values = {field.name: _value(chooser, field.name, field.type) for field in fields}
    if kind.__name__.startswith(("Create", "Link")) and chooser.byte() < ODD_FROM:
        values[fields[0].name] = chooser.one_of(NEW_HANDLES)
    return kind(**values)


def payload_size(chooser: Chooser, made: m.Message) -> int:
    """Return how long a message's payload is: mostly what fits, or none."""
    if not type(made).has_payload:
        return 0
    how = chooser.below(16)
    if how < 4:
        return 0
    size = chooser.one_of(SIZES) if how == 4 else _fitting(made)
    return min(max(size, 0), LARGEST_PAYLOAD)


def _fitting(made: m.Message) -> int:
    if isinstance(made, m.CreateProgramWithBinary):
        return sum(made.sizes)
    if isinstance(made, m.EnqueueWriteImage):
        return 4 * math.prod(made.region)
    if isinstance(made, m.CreateImage):
        return 4 * math.prod(max(count, 1) for count in made.extent)
    if isinstance(made, m.EnqueueWriteBufferRect):
        return math.prod(made.region)
    return made.size if isinstance(made, m.CreateBuffer) else 64


def _value(chooser: Chooser, name: str, kind: Any) -> Any:
    """Return a value of a type, as a field's name suggests it."""
    origin = typing.get_origin(kind)
    if origin in (Union, types.UnionType):
        parts = typing.get_args(kind)
        if type(None) in parts and len(parts) == 2:
            return _value(chooser, name, parts[0]) if chooser.byte() & 1 else None
        return _value(chooser, name, chooser.one_of(parts))
    if origin is list:
        (item,) = typing.get_args(kind)
        return [_value(chooser, name, item) for _ in range(_length(chooser, name))]
    if origin is dict:
        return {_number(chooser, "svm"): _number(chooser, "offset") for _ in range(chooser.below(3))}
    if kind is int:
        return _number(chooser, name)
    if kind is str:
        return chooser.one_of(TEXTS[name])
    if kind is bytes:
        size = chooser.one_of(BYTES.get(name, (4, 8, 1)))
        return bytes([chooser.byte() & 3]) * size
    if kind is bool:
        return bool(chooser.byte() & 1)
    if kind is type(None):
        return None
    return kind(**{part.name: _value(chooser, part.name, part.type) for part in msgspec.structs.fields(kind)})


def _length(chooser: Chooser, name: str) -> int:
    """Return how long a list is: three where there are three axes, else a few."""
    if name in ("region", "extent") or name.endswith("origin"):
        return 3 if chooser.byte() < ODD_FROM else chooser.below(5)
    return (1, 2, 3, 0, 1, 2, 8, 9)[chooser.below(8)]


def _number(chooser: Chooser, name: str) -> int:
    choice = chooser.byte()
    if choice >= ODD_FROM:
        return ODD[choice % len(ODD)]
    if name == "event":
        return choice % 12  # 0: none
    if name == "name":
        return INFO_NAMES[choice % len(INFO_NAMES)]
    name = (
        name.removeprefix("source_").removeprefix("target_") if name.endswith(("origin", "pitches")) else name
    )
    fitting = NUMBERS.get("row_pitch" if name == "pitches" else name) or KNOWN.get(name, HANDLES)
    return fitting[choice % len(fitting)]
