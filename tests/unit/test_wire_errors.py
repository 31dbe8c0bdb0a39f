"""The error tree, problems by name, and OpenCL's codes in PyOpenCL's split."""

from __future__ import annotations

import inspect
import re

import pytest

from accelpool_wire import errors
from accelpool_wire.codes import NAMES, ErrorCode, error_name
from accelpool_wire.errors import (
    PROBLEM_BASE,
    PROBLEMS,
    AccelpoolError,
    Error,
    ProblemError,
    error_for,
    problem,
)

CLASSES = {
    name: found
    for name, found in vars(errors).items()
    if inspect.isclass(found) and issubclass(found, AccelpoolError)
}


def drawn_tree() -> dict[str, str]:
    """Return each class drawn in the docstring of `errors`, with its parent."""
    parents: dict[str, str] = {}
    above: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^((?:[│ ] {3})*(?:[├└]─ )?)([A-Z]\w+(?:, [A-Z]\w+)*)(?:   .*)?$", line)
        if found:
            depth, names = (len(found[1]) + 1) // 4, found[2].split(", ")
            parents.update((name, above[depth - 1] if depth else "") for name in names)
            above[depth:] = [names[0]]
    return parents


def test_tree_in_the_docstring_is_the_tree_of_classes() -> None:
    def named_parent(name: str) -> str:
        parent = CLASSES[name].__bases__[0].__name__
        return parent if parent in CLASSES else ""

    drawn = drawn_tree()
    assert set(drawn) == set(CLASSES)
    actual = {name: named_parent(name) for name in CLASSES}
    actual["LeaseNotFound"] = "ProblemError"  # drawn beside its base NotFound, to save a level
    assert drawn == actual


@pytest.mark.parametrize("name", CLASSES)
def test_every_error_says_when_it_happens(name: str) -> None:
    assert (CLASSES[name].__doc__ or "").strip().endswith(".")


# ---- problems --------------------------------------------------------------------------------------------


def test_every_problem_has_a_name_of_its_own() -> None:
    kinds = {kind for kind in CLASSES.values() if issubclass(kind, ProblemError) and kind is not ProblemError}
    assert set(PROBLEMS.values()) == kinds
    assert len(PROBLEMS) == len(kinds)


@pytest.mark.parametrize("name", PROBLEMS)
def test_problem_is_found_by_its_name_and_by_its_uri(name: str) -> None:
    for written in (name, PROBLEM_BASE + name):
        found = problem(written, "it happened", instance="/leases/1", position=3)
        assert type(found) is PROBLEMS[name]
        assert (found.uri, found.detail, found.instance, found.members) == (
            PROBLEM_BASE + name,
            "it happened",
            "/leases/1",
            {"position": 3},
        )
        assert str(found) == "it happened"


def test_unknown_problem_keeps_its_name() -> None:
    found = problem("brand-new", "what")
    assert (type(found), found.type, found.status) == (ProblemError, "brand-new", 500)
    assert ProblemError.type == "problem"


# ---- OpenCL's codes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (1, "Error"),
        (0, "Error"),
        (-1, "RuntimeError"),
        (-3, "RuntimeError"),
        (-4, "MemoryError"),
        (-5, "RuntimeError"),
        (-29, "RuntimeError"),
        (-30, "LogicError"),
        (-72, "LogicError"),
        (-1001, "LogicError"),
    ],
)
def test_code_decides_the_class(code: int, expected: str) -> None:
    error = error_for("clDoIt", code, "why")
    assert type(error) is getattr(errors, expected)
    assert (error.routine, error.code, error.what) == ("clDoIt", code, "why")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (error_for("clFinish", -36), "clFinish failed: INVALID_COMMAND_QUEUE"),
        (error_for("clFinish", -36, "no queue 7"), "clFinish failed: INVALID_COMMAND_QUEUE - no queue 7"),
        (error_for("clFinish", -9999), "clFinish failed: error -9999"),
    ],
)
def test_message_says_what_failed(error: Error, text: str) -> None:
    assert str(error) == text


@pytest.mark.parametrize("code", [*NAMES, -9999])
def test_three_codes_mean_that_memory_is_short(code: int) -> None:
    assert error_for("f", code).is_out_of_memory() is (code in (-4, -5, -6))


@pytest.mark.parametrize(("code", "name"), [(0, "SUCCESS"), (-11, "BUILD_PROGRAM_FAILURE"), (7, "error 7")])
def test_codes_have_names(code: int, name: str) -> None:
    assert error_name(code) == name


def test_codes_are_pyopencls() -> None:
    cl = pytest.importorskip("pyopencl", reason="PyOpenCL is not installed")
    theirs = {name: value for name, value in vars(cl.status_code).items() if isinstance(value, int)}
    core = {name: value for name, value in theirs.items() if name.isupper() and value > -1000}
    assert len(core) > 50
    assert core == {name: getattr(ErrorCode, name) for name in core}


def test_split_is_pyopencls() -> None:
    cl = pytest.importorskip("pyopencl", reason="PyOpenCL is not installed")
    provoked = []
    for make in (cl.Event.from_int_ptr, cl.Context.from_int_ptr, cl.Buffer.from_int_ptr):
        with pytest.raises(cl.Error) as caught:
            make(0)
        provoked.append(caught.value)
    for error in provoked:
        ours = error_for(error.routine, error.code)
        assert [kind.__name__ for kind in type(ours).__mro__][:2] == [
            kind.__name__ for kind in type(error).__mro__
        ][:2]


@pytest.mark.opencl
def test_split_of_device_failures_is_pyopencls() -> None:
    cl = pytest.importorskip("pyopencl", reason="PyOpenCL is not installed")
    try:
        context = cl.Context([cl.get_platforms()[0].get_devices()[0]])
    except (cl.Error, IndexError) as error:
        pytest.skip(f"no OpenCL device: {error}")
    event = cl.UserEvent(context)
    event.set_status(ErrorCode.OUT_OF_RESOURCES)
    with pytest.raises(cl.RuntimeError) as caught:
        event.wait()
    assert type(error_for("clWaitForEvents", caught.value.code)).__name__ == "RuntimeError"
    assert (
        type(error_for("clCreateBuffer", ErrorCode.MEM_OBJECT_ALLOCATION_FAILURE)).__name__ == "MemoryError"
    )
    assert cl.MemoryError.__mro__[1] is cl.Error
