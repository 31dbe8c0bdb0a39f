"""Backends by themselves: one interface in one order, and only OpenCL's errors."""

from __future__ import annotations

import ast
import inspect
import subprocess
from pathlib import Path

import pytest

from accelpool_node.backends import base, null

from ..integration.worker_rig import START_S, Target, opencl_targets
from . import backend_exercise

BACKENDS = Path(inspect.getfile(base)).parent.parent
PARTS = {"devices": "Devices", "memory": "MemoryObjects", "svm": "SharedVirtualMemory", "images": "Images",
         "programs": "Programs", "commands": "Commands", "rectangles": "Rectangles",
         "events": "Events"}  # fmt: skip


def methods(backend: str, part: str) -> dict[str, list[str]]:
    """Return the public methods of a part with their parameters, in order, without importing it."""
    tree = ast.parse((BACKENDS / backend / f"{part}.py").read_text())
    found = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == PARTS[part])
    functions = [node for node in found.body if isinstance(node, ast.FunctionDef)]
    return {
        function.name: [arg.arg for arg in function.args.args]
        for function in functions
        if not function.name.startswith("_")
    }


def test_the_parts_are_all_that_a_backend_has() -> None:
    assert {part.__name__ for part in base.Backend.__bases__} == {*PARTS.values(), "Protocol"}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("backend", ["opencl", "cuda", "null"])
def test_every_backend_has_the_same_methods_in_the_same_order(backend: str, part: str) -> None:
    assert list(methods(backend, part).items()) == list(methods("base", part).items())


def test_every_method_of_the_interface_says_what_it_returns() -> None:
    for name in (name for part in PARTS for name in methods("base", part)):
        assert inspect.getdoc(getattr(base.Backend, name)), name


def test_every_device_that_a_driver_shows_is_tested() -> None:
    faults = [f"{target.id} ({target.fault[:100]})" for target in opencl_targets() if target.fault]
    if faults:
        pytest.skip(f"left out, as its probe failed: {'; '.join(faults)}")


def test_null_devices_are_as_many_as_asked_for() -> None:
    assert [device.name for device in null.NullBackend(3).devices()] == ["null-0", "null-1", "null-2"]


def test_a_backend_used_directly_keeps_its_promises(target: Target) -> None:
    environment = target.environment
    command = [environment.python, backend_exercise.__file__, environment.backend, target.device]
    run = subprocess.run(
        command, env=dict(environment.variables), capture_output=True, text=True, timeout=START_S
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == backend_exercise.NAMES
