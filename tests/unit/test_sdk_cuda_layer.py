"""How PyCUDA's Python layer is found, redirected, and missed; and that importing asks no pool."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys

import numpy as np
import pytest
from tests.unit.cuda_rig import FakeCuda, cuda_context, kernel

import accelpool.cuda
import accelpool.cuda.driver
from accelpool.cuda import upper_layer
from accelpool.testing import built
from accelpool_wire import messages as m

REDIRECTED = [
    ("import pycuda.driver as drv", "import accelpool.cuda.driver as drv"),
    ("import pycuda._driver as _drv", "import accelpool.cuda.driver as _drv"),
    ("from pycuda.compiler import SourceModule", "from accelpool.cuda.compiler import SourceModule"),
    ("from pycuda import elementwise", "from accelpool.cuda import elementwise"),
    ("import pycuda._mymako as mako", "import accelpool.cuda._mymako as mako"),
    (
        "import pycuda.driver",
        "from accelpool.cuda.driver import __name__ as _\nimport accelpool.cuda as pycuda",
    ),
    ("from .gpuarray import empty", "from .gpuarray import empty"),
    ("import pyopencl", "import pyopencl"),
]


@pytest.mark.parametrize(("theirs", "ours"), REDIRECTED)
def test_imports_are_redirected(theirs, ours):
    assert ast.unparse(upper_layer.LAYER.redirected(theirs)) == ours


@pytest.mark.parametrize("name", sorted(upper_layer.PUBLIC))
def test_without_pycuda_an_import_says_what_to_install(name, monkeypatch):
    monkeypatch.setattr(upper_layer, "pycuda_folder", lambda: None)
    monkeypatch.delitem(sys.modules, f"accelpool.cuda.{name}", raising=False)
    monkeypatch.delattr(accelpool.cuda, name, raising=False)
    with pytest.raises(ImportError, match=rf"pycuda\.{name} .* pip install .*\[cuda-arrays\]"):
        importlib.import_module(f"accelpool.cuda.{name}")
    assert not hasattr(accelpool.cuda, name)


def test_a_module_is_executed_from_where_pycuda_is(tmp_path, monkeypatch):
    (tmp_path / "scan.py").write_text("import pycuda.driver as drv\nfound = drv.mem_alloc")
    monkeypatch.setattr(upper_layer, "pycuda_folder", lambda: tmp_path)
    monkeypatch.delitem(sys.modules, "accelpool.cuda.scan", raising=False)
    module = importlib.import_module("accelpool.cuda.scan")
    del sys.modules["accelpool.cuda.scan"]  # not by monkeypatch, which would put it back
    vars(accelpool.cuda).pop("scan", None)
    assert module.found is accelpool.cuda.driver.mem_alloc
    assert module.__file__ == str(tmp_path / "scan.py")


def test_names_outside_the_table_are_nobodys():
    with pytest.raises(AttributeError, match=r"'accelpool\.cuda' has no attribute 'colour'"):
        accelpool.cuda.colour  # noqa: B018 - it asks
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'accelpool\.cuda\.gl'"):
        importlib.import_module("accelpool.cuda.gl")


@pytest.mark.skipif(upper_layer.pycuda_folder() is None, reason="PyCUDA's Python files are not here")
def test_pycudas_own_arrays_work_over_a_session():
    fake = FakeCuda()
    fake.answers[m.BuildProgram] = lambda _: built(
        *map(kernel, set(re.findall(r"void\s+(\w+)\s*\(", fake.sent(m.CreateProgramWithSource)[-1].source)))
    )
    with cuda_context(fake):
        gpuarray, cumath = accelpool.cuda.gpuarray, accelpool.cuda.cumath
        a = gpuarray.to_gpu(np.arange(1000, dtype=np.float32))
        (2 * a + a / 3).get()
        gpuarray.sum(a).get()
        cumath.sin(a[10:20]).get()
        a.reshape(40, 25)[3:20, 5:9].get()
        accelpool.cuda.tools.clear_context_caches()
    launches = fake.sent(m.EnqueueNDRangeKernel)
    assert len(launches) >= 4
    assert all(isinstance(launch.args[0], bytes) for launch in launches)


def test_importing_asks_no_pool_and_loads_no_driver():
    code = (
        "import sys, accelpool.cuda.driver, accelpool.cuda.compiler; "
        "assert not {'pycuda', 'pyopencl'} & set(sys.modules); "
        "assert accelpool.cuda.VERSION == (2026, 1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PATH": ""})
