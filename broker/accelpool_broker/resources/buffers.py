"""/leases/{id}/buffers: memory on the device; contents are raw bytes, streamed."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from apiflask.schemas import FileSchema
from flask import Response, request

from accelpool_broker.resources import compute_schemas as schemas
from accelpool_broker.resources.context import OCTETS, caller, listing, services

blueprint = APIBlueprint("buffers", __name__, tag="Buffers")


@blueprint.post("/leases/<id>/buffers")
@blueprint.input(schemas.BufferIn)
@blueprint.output(schemas.BufferOut, status_code=201)
@blueprint.doc(summary="Make a buffer")
def post_buffer(id: str, json_data: dict[str, Any]) -> Any:
    """Make a buffer on the lease's device."""
    with services().compute.session(id, caller()) as session:
        buffer = session.create_buffer(json_data["size_bytes"])
    location = {"Location": f"/leases/{id}/buffers/{buffer}"}
    return {"id": buffer, "size_bytes": json_data["size_bytes"]}, 201, location


@blueprint.get("/leases/<id>/buffers/<buffer>")
@blueprint.output(schemas.BufferOut)
@blueprint.doc(summary="Show a buffer")
def get_buffer(id: str, buffer: str) -> dict[str, Any]:
    """Show a buffer."""
    with services().compute.session(id, caller()) as session:
        return {"id": buffer, "size_bytes": session.buffers.get(buffer).size_bytes}


@blueprint.get("/leases/<id>/buffers")
@blueprint.output(schemas.BufferList)
@blueprint.doc(summary="List the buffers of a lease")
def list_buffers(id: str) -> dict[str, Any]:
    """List the buffers of a lease, on one page."""
    with services().compute.session(id, caller()) as session:
        items = list(session.buffers.items.items())
    return listing([{"id": id, "size_bytes": buffer.size_bytes} for id, buffer in items], None)


@blueprint.put("/leases/<id>/buffers/<buffer>/content")
@blueprint.input(schemas.WriteQuery, location="query")
@blueprint.output(schemas.Written)
@blueprint.doc(summary="Write raw bytes to a buffer")
def put_content(id: str, buffer: str, query_data: dict[str, Any]) -> dict[str, Any]:
    """Write the body, raw bytes of a stated length or chunked, to the buffer from `offset` on."""
    with services().compute.session(id, caller()) as session:
        written = session.write(buffer, query_data["offset"], request.stream, request.content_length)
        size = session.buffers.get(buffer).size_bytes
    return {"id": buffer, "size_bytes": size, "written_bytes": written}


@blueprint.get("/leases/<id>/buffers/<buffer>/content")
@blueprint.input(schemas.ReadQuery, location="query")
@blueprint.output(FileSchema(type="string", format="binary"), content_type=OCTETS)
@blueprint.doc(summary="Read raw bytes of a buffer")
def get_content(id: str, buffer: str, query_data: dict[str, Any]) -> Response:
    """Read the buffer's bytes after all that was launched and written before."""
    with services().compute.session(id, caller()) as session:
        size, pieces = session.read(buffer, query_data["offset"], query_data["size"])
    answer = Response((bytes(piece) for piece in pieces), mimetype=OCTETS)
    answer.content_length = size
    return answer


@blueprint.delete("/leases/<id>/buffers/<buffer>")
@blueprint.output({}, status_code=204)
@blueprint.doc(summary="Give a buffer back")
def delete_buffer(id: str, buffer: str) -> tuple[str, int]:
    """Give a buffer back; launches that use it still may."""
    with services().compute.session(id, caller()) as session:
        session.delete_buffer(buffer)
    return "", 204
