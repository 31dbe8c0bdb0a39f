"""/kernels: the kernel library's catalogue."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, Schema
from apiflask.fields import Dict, List, Nested, Raw, String

from accelpool_kernels import catalogue
from accelpool_kernels.errors import UnknownKernel
from accelpool_wire.errors import NotFound

blueprint = APIBlueprint("kernels", __name__, tag="Kernels")


class KernelEntry(Schema):
    """A kernel of the library."""

    name = String()
    summary = String()
    arguments = List(Dict(keys=String(), values=Raw()))
    ndrange = Dict(keys=String(), values=Raw())
    source = String(metadata={"description": "where the formula comes from"})
    tolerance = String()


class KernelDetail(KernelEntry):
    """A kernel of the library, with its OpenCL C code."""

    code = String()


class KernelList(Schema):
    """All kernels of the library."""

    items = List(Nested(KernelEntry))
    next_cursor = String(allow_none=True)


@blueprint.get("/kernels")
@blueprint.output(KernelList)
@blueprint.doc(summary="List the kernel library")
def list_kernels() -> dict[str, Any]:
    """List all kernels of the library, on one page."""
    return {"items": [catalogue.entry(name).describe() for name in catalogue.names()], "next_cursor": None}


@blueprint.get("/kernels/<name>")
@blueprint.output(KernelDetail)
@blueprint.doc(summary="Show a kernel of the library")
def get_kernel(name: str) -> dict[str, Any]:
    """Show a kernel of the library, with its OpenCL C code."""
    try:
        return {**catalogue.entry(name).describe(), "code": catalogue.source(name)}
    except UnknownKernel as error:
        raise NotFound(str(error), instance=f"/kernels/{name}") from error
