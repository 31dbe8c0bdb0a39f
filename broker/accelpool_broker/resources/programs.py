"""/leases/{id}/programs: build OpenCL C or CUDA C++, a kernel of the library, or a binary."""

from __future__ import annotations

from typing import Any, cast

from apiflask import APIBlueprint
from apiflask.schemas import FileSchema
from flask import Response, request
from marshmallow import ValidationError, missing

from accelpool_broker.problems import what_is_wrong
from accelpool_broker.resources import compute_schemas as schemas
from accelpool_broker.resources.context import OCTETS, caller, listing, services
from accelpool_broker.services import library
from accelpool_broker.services.compute_objects import Program
from accelpool_broker.services.kernel_args import parameters
from accelpool_kernels.description import OPENCL
from accelpool_wire.errors import Invalid, NotFound

blueprint = APIBlueprint("programs", __name__, tag="Programs")


@blueprint.post("/leases/<id>/programs")
@blueprint.input(schemas.ProgramIn, validation=False)
@blueprint.output(schemas.ProgramOut, status_code=201)
@blueprint.doc(
    summary="Build a program",
    description="JSON has its source, or its name in the kernel library; an octet stream is its binary.",
)
def post_program(id: str, json_data: Any) -> Any:
    """Build a program; an octet stream has no JSON, so the body is checked here."""
    if request.mimetype == OCTETS:
        binary = request.get_data()
        if not binary:
            raise Invalid("the body is empty: a program's binary was expected")
        with services().compute.session(id, caller()) as session:
            program = session.load(binary)
            return _created(id, program, session.programs.get(program))
    given = _checked(json_data)
    name = given["kernel"]
    if name is not None:
        _library_source(name, OPENCL)  # one that is unknown needs no session
    with services().compute.session(id, caller()) as session:
        source = given["source"] if name is None else _library_source(name, session.api)
        program = session.build(source, given["options"], name)
        return _created(id, program, session.programs.get(program))


@blueprint.get("/leases/<id>/programs/<program>")
@blueprint.output(schemas.ProgramOut)
@blueprint.doc(summary="Show a program")
def get_program(id: str, program: str) -> dict[str, Any]:
    """Show a program."""
    with services().compute.session(id, caller()) as session:
        return _body(program, session.programs.get(program))


@blueprint.get("/leases/<id>/programs")
@blueprint.output(schemas.ProgramList)
@blueprint.doc(summary="List the programs of a lease")
def list_programs(id: str) -> dict[str, Any]:
    """List the programs of a lease, on one page."""
    with services().compute.session(id, caller()) as session:
        return listing([_body(*item) for item in list(session.programs.items.items())], None)


@blueprint.get("/leases/<id>/programs/<program>/binary")
@blueprint.output(FileSchema(type="string", format="binary"), content_type=OCTETS)
@blueprint.doc(summary="Read a program's binary for its first device")
def get_binary(id: str, program: str) -> Response:
    """Read a program's binary for its first device."""
    with services().compute.session(id, caller()) as session:
        return Response(session.binary(program), mimetype=OCTETS)


@blueprint.delete("/leases/<id>/programs/<program>")
@blueprint.output({}, status_code=204)
@blueprint.doc(summary="Give a program back")
def delete_program(id: str, program: str) -> tuple[str, int]:
    """Give a program back."""
    with services().compute.session(id, caller()) as session:
        session.delete_program(program)
    return "", 204


def _library_source(name: str, api: str) -> str:
    try:
        return library.source(name, api)
    except NotFound as error:
        raise NotFound(error.detail, instance=request.path) from error


def _checked(body: Any) -> dict[str, Any]:
    try:
        return cast(dict[str, Any], schemas.ProgramIn().load({} if body is missing else body))
    except ValidationError as error:
        told = error.messages_dict
        raise Invalid(what_is_wrong("json", told), errors={"json": told}) from error


def _created(lease: str, id: str, program: Program) -> tuple[dict[str, Any], int, dict[str, str]]:
    return _body(id, program), 201, {"Location": f"/leases/{lease}/programs/{id}"}


def _body(id: str, program: Program) -> dict[str, Any]:
    return {
        "id": id,
        "kernels": [
            {
                "name": kernel.name,
                "arg_count": kernel.num_args,
                "args": [
                    {
                        "position": place,
                        "name": parameter.name,
                        "type": parameter.type,
                        "address": parameter.address,
                    }
                    for place, parameter in enumerate(parameters(kernel))
                ],
            }
            for kernel in program.infos.values()
        ],
        "build_log": program.build_log,
    }
