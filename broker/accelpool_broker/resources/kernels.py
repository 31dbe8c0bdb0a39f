"""/kernels: the kernel library's catalogue."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint, Schema
from apiflask.fields import Integer, List, Nested, Raw, String
from apiflask.validators import OneOf

from accelpool_broker.resources.fields import about
from accelpool_broker.services import library
from accelpool_kernels import catalogue
from accelpool_kernels.description import OPENCL, Role

blueprint = APIBlueprint("kernels", __name__, tag="Kernels")


def _dimensions(what: str) -> List[Any]:
    dimension = Raw(metadata={"oneOf": [{"type": "integer"}, {"type": "string"}]})
    return List(dimension, metadata=about(what))


class ArgumentOut(Schema):
    """An argument of a kernel of the library."""

    name = String()
    type = String(metadata=about("of the scalar, or of an element of the array"))
    role = String(validate=OneOf([role.value for role in Role]))
    shape = _dimensions("of an array, in C order: elements, or which scalar says how many")
    summary = String()


class RuleOut(Schema):
    """How the NDRange of a kernel follows from its arguments."""

    global_size = String(metadata=about("in words"))
    covers = _dimensions("the elements to cover, or which scalar says how many")
    per_item = List(Integer(), metadata=about("neighbouring elements that one work-item computes"))
    local_size = List(Integer())


class KernelEntry(Schema):
    """A kernel of the library."""

    name = String()
    summary = String()
    apis = List(
        String(), metadata={"description": "what its code is written for, in the words of a demand's `api`"}
    )
    arguments = List(Nested(ArgumentOut))
    ndrange = Nested(RuleOut)
    source = String(metadata={"description": "where the formula comes from"})
    tolerance = String()


class KernelQuery(Schema):
    """Which code is asked for."""

    api = String(
        load_default=OPENCL,
        validate=OneOf(tuple(catalogue.FOLDERS)),
        metadata={"description": "what the code is to be written for"},
    )


class KernelDetail(KernelEntry):
    """A kernel of the library, with its code."""

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
@blueprint.input(KernelQuery, location="query")
@blueprint.output(KernelDetail)
@blueprint.doc(summary="Show a kernel of the library")
def get_kernel(name: str, query_data: dict[str, Any]) -> dict[str, Any]:
    """Show a kernel of the library, with its code: OpenCL C, or CUDA C++."""
    return {**library.entry(name).describe(), "code": library.source(name, query_data["api"])}
