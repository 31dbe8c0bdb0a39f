"""Programs from the builder: built once for all sessions, and the same as those that a worker builds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from accelpool_node.builder.control import Counts
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error

from ..conftest import wait_until
from ..integration.wire_client import Client
from .conftest import SOURCE

LIMIT_S = 60.0
HEADER = "an_accelpool_header.h"
SMALL = "#ifndef N\n#define N 2\n#endif\n__kernel void twice(__global int *a) { a[get_global_id(0)] *= N; }\n"


@pytest.fixture
def source(request: pytest.FixtureRequest) -> str:
    """A source that no other test builds."""
    return f"{SMALL}// {request.node.name}\n"


def made(counted: Callable[[], tuple[int, int]], *expected: int) -> None:
    """Wait until there were so many hits and misses: a driver may make products after the worker's build."""
    wait_until(lambda: counted() == expected, LIMIT_S)


def but_its_time(counts: Counts) -> Counts:
    """Return counts without the seconds, to which builds of tests before are added when they end."""
    return structs.replace(counts, build_s=0.0)


def build(client: Client, source: str, options: str = "") -> m.Built:
    return client.build(client.program(client.context(), source), options)


def by_name(built: m.Built) -> dict[str, m.KernelInfo]:
    return {kernel.name: kernel for kernel in built.kernels}


def test_the_second_session_with_the_same_source_builds_nothing(connect, counted, source):
    first = build(connect(), source)
    made(counted, 0, 1)
    assert by_name(build(connect(), source)) == by_name(first)
    made(counted, 1, 1)


def test_the_second_program_of_a_session_builds_nothing(connect, counted, source):
    client = connect()
    first = build(client, source)
    made(counted, 0, 1)
    assert by_name(build(client, source)) == by_name(first)
    made(counted, 1, 1)


def test_a_program_of_the_builder_is_described_as_one_built_by_the_worker(connect, counted, client, context):
    source = f"{SOURCE}// all of it\n"
    own = client.build(client.program(context, source))
    for hits in range(2):
        found = build(connect(), source)
        assert by_name(found) == by_name(own)
        assert [log.strip() for log in found.logs] == [log.strip() for log in own.logs]
        made(counted, hits, 1)


def test_a_program_of_the_builder_computes(connect, counted, source, computes):
    for hits in range(2):
        client = connect()
        context = client.context()
        queue, program = client.queue(context), client.program(context, source)
        client.build(program)
        buffer = client.buffer(context, content=(21).to_bytes(4, "little"))
        client.launch(queue, client.kernel(program, "twice"), [1], buffer)
        result = int.from_bytes(client.read(queue, buffer, 4), "little")
        assert result == (42 if computes else 21)
        made(counted, hits, 1)


def test_other_options_and_other_source_are_built(connect, counted, source):
    client = connect()
    for count, build_of in enumerate(
        ((source, ""), (source, "-DN=1"), (source, "-DN=2"), (f"{source} ", "")), 1
    ):
        build(client, *build_of)
        made(counted, 0, count)  # a worker may have two builds under way


def test_a_source_that_does_not_build_fails_as_without_a_builder(connect, client, context, builder):
    nonsense = "this does not compile"
    failures, kept = [], builder.counts().entries
    for session, in_context in ((client, context), *((one := connect(), one.context()) for _ in range(2))):
        with pytest.raises(Error) as caught:
            session.build(session.program(in_context, nonsense))
        failures.append((caught.value.code, caught.value.routine))
    assert set(failures) == {(ErrorCode.BUILD_PROGRAM_FAILURE, "clBuildProgram")}
    assert builder.counts().entries == kept


def test_a_source_that_reads_files_is_built_by_its_worker(connect, counted, builder, source, tmp_path: Path):
    (tmp_path / HEADER).write_text("")
    before = but_its_time(builder.counts())
    build(connect(), f'{source}\n#ifdef NEVER\n#include "{HEADER}"\n#endif\n')
    build(connect(), source, f"-I{tmp_path}")
    assert but_its_time(builder.counts()) == before


def test_a_program_of_the_builder_can_be_built_anew_while_it_has_no_kernels(connect, counted, source):
    client = connect()
    build(client, source)
    made(counted, 0, 1)
    program = client.program(client.context(), source)
    client.build(program)
    made(counted, 1, 1)
    client.build(program, "-DN=3")
    kernel = client.kernel(program, "twice")
    client.sync()
    client.release(kernel)
    assert by_name(client.build(program, "-w"))["twice"].num_args == 1
    made(counted, 1, 1)


def test_a_program_of_the_builder_that_has_kernels_is_built_no_more(connect, counted, source):
    client = connect()
    build(client, source)
    made(counted, 0, 1)
    program = client.program(client.context(), source)
    client.build(program)
    client.kernel(program, "twice")
    made(counted, 1, 1)
    with pytest.raises(Error) as caught:
        client.build(program, "-DN=3")
    assert caught.value.code == ErrorCode.INVALID_OPERATION


def test_the_binaries_of_a_program_of_the_builder_make_programs(connect, counted, source):
    client = connect()
    context = client.context()
    build(client, source)
    made(counted, 0, 1)
    program = client.program(context, source)
    built = client.build(program)
    (binary,) = client.connection.fetch_binaries(program)
    again = client.program_from_binary(context, binary)
    assert by_name(client.build(again)).keys() == by_name(built).keys()
    made(counted, 1, 1)


def test_counts_are_all_that_a_builder_tells_of_what_it_keeps():
    assert set(Counts.__struct_fields__) == {"hits", "misses", "declined", "build_s", "entries", "bytes"}
