"""What the SDK has in common with PyOpenCL has its parameters, in its order, with its defaults."""

import ast
import inspect
from pathlib import Path

import pytest

import accelpool

pyopencl = pytest.importorskip("pyopencl")

# Ours is wider or named otherwise on purpose; docs/sdk.md says why.
EXCEPTIONS = {
    ("CommandQueue.__init__", "properties"),  # None means none
    ("Kernel.__call__", "global_work_size"),  # named as PyOpenCL's generated code names it: global_size
    ("Kernel.__call__", "local_work_size"),
    ("Kernel.__call__", "global_size"),
    ("Kernel.__call__", "local_size"),
}


def stub_functions():
    """Return PyOpenCL's stubs by qualified name; overloads, which repeat a name, are left out."""
    tree = ast.parse(Path(pyopencl.__file__).with_name("_cl.pyi").read_text())
    found = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found.setdefault(node.name, []).append(node)
        if isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and not method.decorator_list:
                    found.setdefault(f"{node.name}.{method.name}", []).append(method)
    return {name: nodes[0].args for name, nodes in found.items() if len(nodes) == 1}


def stub_parameters(args):
    """Return (name, default as text, or None) of all parameters that can be named."""
    plain = args.args
    defaults = [None] * (len(plain) - len(args.defaults)) + [ast.unparse(d) for d in args.defaults]
    pairs = list(zip([a.arg for a in plain], defaults, strict=True))
    pairs += [
        (a.arg, None if d is None else ast.unparse(d))
        for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True)
    ]
    return [pair for pair in pairs if pair[0] != "self"]


def our_parameters(function):
    parameters = inspect.signature(function).parameters.values()
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [
        (p.name, None if p.default is p.empty else repr(p.default))
        for p in parameters
        if p.kind in named and p.name != "self"
    ]


def without_exceptions(name, parameters):
    return [pair for pair in parameters if (name, pair[0]) not in EXCEPTIONS]


COMPILED = {
    name: args
    for name, args in stub_functions().items()
    if name.split(".")[0] in accelpool.__all__
    and ("." not in name or name.split(".")[1] in vars(getattr(accelpool, name.split(".")[0])))
    and not name.endswith(("__eq__", "__hash__", "__repr__", "__getitem__"))
}
PYTHON = [
    "choose_devices",
    "create_image",
    "create_some_context",
    "enqueue_barrier",
    "enqueue_copy",
    "enqueue_fill",
    "enqueue_fill_buffer",
    "enqueue_marker",
    "image_from_array",
    "Program.build",
    "Kernel.set_scalar_arg_dtypes",
    "Kernel.get_work_group_info",
]


@pytest.mark.parametrize("name", sorted(COMPILED))
def test_parameters_of_compiled_functions_are_pyopencls(name):
    function = accelpool
    for part in name.split("."):
        function = getattr(function, part)
    theirs = without_exceptions(name, stub_parameters(COMPILED[name]))
    assert without_exceptions(name, our_parameters(function)) == theirs


@pytest.mark.parametrize("name", PYTHON)
def test_parameters_of_python_functions_are_pyopencls(name):
    ours, theirs = accelpool, pyopencl
    for part in name.split("."):
        ours, theirs = getattr(ours, part), getattr(theirs, part)
    assert our_parameters(ours) == our_parameters(theirs)


def test_the_most_used_functions_are_among_those_compared():
    assert {"Buffer.__init__", "Buffer.get_sub_region", "enqueue_nd_range_kernel", "Kernel.__call__"} <= set(
        COMPILED
    )


def test_an_errors_class_follows_from_its_code_as_in_pyopencl():
    for name, code in vars(pyopencl.status_code).items():
        if type(code) is int and code < 0 and not name.startswith("_"):
            expected = "MemoryError" if code == -4 else "LogicError" if code <= -30 else "RuntimeError"
            error = accelpool.errors.error_for("clFinish", code)
            assert type(error) is getattr(accelpool, expected)
            assert (error.code, error.routine) == (code, "clFinish")
            assert issubclass(getattr(pyopencl, expected), pyopencl.Error)


def test_device_properties_are_pyopencls():
    theirs = {name.lower() for name in vars(pyopencl.device_info) if not name.startswith("_")} - {"to_string"}
    assert {name for name in theirs if not hasattr(accelpool.Device, name)} == set()
