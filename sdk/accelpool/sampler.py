"""Samplers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

from accelpool.constants import addressing_mode, filter_mode, sampler_info, sampler_properties
from accelpool.context import Context
from accelpool.errors import LogicError
from accelpool.info import Info
from accelpool.objects import SessionObject
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.image_layout import devices_with_images

MODES = {
    sampler_properties.NORMALIZED_COORDS: range(2),
    sampler_properties.ADDRESSING_MODE: range(addressing_mode.NONE, addressing_mode.MIRRORED_REPEAT + 1),
    sampler_properties.FILTER_MODE: range(filter_mode.NEAREST, filter_mode.LINEAR + 1),
}
DEFAULTS = {
    sampler_properties.NORMALIZED_COORDS: 1,
    sampler_properties.ADDRESSING_MODE: addressing_mode.CLAMP,
    sampler_properties.FILTER_MODE: filter_mode.NEAREST,
}


class Sampler(SessionObject):
    """How a kernel reads an image. Making one awaits no answer.

    Args:
        context: Where it is used.
        normalized: Whether coordinates are from 0 to 1; or, alone, a sequence of `sampler_properties`, each
            followed by its value.
        addressing: What is found outside the image: an `addressing_mode`.
        filtering: What is found between pixels: a `filter_mode`.

    Raises:
        LogicError: INVALID_VALUE: a property or value that is not possible; INVALID_OPERATION: no device of
            the context has images.
    """

    __slots__ = ("_context", "_modes", "_properties")

    @overload
    def __init__(self, context: Context, properties: Sequence[int], /) -> None: ...

    @overload
    def __init__(self, context: Context, normalized: bool, addressing: int, filtering: int, /) -> None: ...

    def __init__(self, context: Context, normalized: Any, /, *modes: int) -> None:
        if not isinstance(context, Context):
            raise TypeError(f"Sampler: context is a Context, not {context!r}")
        if not modes and not isinstance(normalized, (bool, int)):
            properties = [int(part) for part in normalized]
        elif (
            len(modes) == 2 and isinstance(normalized, bool) and all(isinstance(part, int) for part in modes)
        ):
            values = (int(normalized), int(modes[0]), int(modes[1]))
            properties = [part for pair in zip(MODES, values, strict=True) for part in pair]
        else:
            raise TypeError(
                "Sampler takes a context and properties, or a context, a bool, an addressing_mode and a "
                f"filter_mode, not {(normalized, *modes)!r}"
            )
        devices_with_images((device._info for device in context._devices), "Sampler")
        chosen = {**DEFAULTS, **_checked(properties)}
        session = context._session
        self._session = session
        self._context = context
        self._properties = [*properties, 0]
        self._modes = chosen
        handle = session.new_handle()
        is_normalized, addressing, filtering = (chosen[name] for name in MODES)
        session.post(m.CreateSampler(handle, context._handle, bool(is_normalized), addressing, filtering))
        self._handle = handle

    def get_info(self, arg: int, /) -> Any:
        """Return the value of a `sampler_info` number.

        Raises:
            LogicError: INVALID_VALUE: there is no such info.
        """
        if arg in self._modes:
            return self._modes[arg]
        if arg == sampler_info.CONTEXT:
            return self._context
        if arg == sampler_info.PROPERTIES:
            return list(self._properties)
        if arg == sampler_info.REFERENCE_COUNT:
            return 1
        name = sampler_info.to_string(arg, "%d")
        routine = "Sampler.get_info" if name.isdigit() else "clGetSamplerInfo"
        raise LogicError(routine, ErrorCode.INVALID_VALUE, f"a sampler has no {name} here")

    reference_count: Info[int] = Info(sampler_info.REFERENCE_COUNT)
    context: Info[Context] = Info(sampler_info.CONTEXT)
    normalized_coords: Info[int] = Info(sampler_info.NORMALIZED_COORDS)
    addressing_mode: Info[int] = Info(sampler_info.ADDRESSING_MODE)
    filter_mode: Info[int] = Info(sampler_info.FILTER_MODE)
    mip_filter_mode: Info[int] = Info(sampler_info.MIP_FILTER_MODE)
    lod_min: Info[float] = Info(sampler_info.LOD_MIN)
    lod_max: Info[float] = Info(sampler_info.LOD_MAX)
    properties: Info[list[int]] = Info(sampler_info.PROPERTIES)
    mip_filter_mode_khr: Info[int] = Info(sampler_info.MIP_FILTER_MODE_KHR)
    lod_min_khr: Info[float] = Info(sampler_info.LOD_MIN_KHR)
    lod_max_khr: Info[float] = Info(sampler_info.LOD_MAX_KHR)

    def __repr__(self) -> str:
        return f"<accelpool.Sampler {self._handle}>"


def _checked(properties: list[int]) -> dict[int, int]:
    """Return values by property."""
    names, values = properties[::2], properties[1::2]
    found = dict(zip(names, values, strict=False))
    if len(names) != len(values) or len(found) != len(names):
        what = f"{properties}: each property comes once, with its value"
        raise LogicError("Sampler", ErrorCode.INVALID_VALUE, what)
    for name, value in found.items():
        if name not in MODES or value not in MODES[name]:
            what = f"property {sampler_properties.to_string(name, '%#x')} with value {value:#x}"
            raise LogicError("Sampler", ErrorCode.INVALID_VALUE, what)
    return found
