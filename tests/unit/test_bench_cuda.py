"""What the bench does otherwise for CUDA: its groups and metrics, and how it launches."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from accelpool_kernels.description import CUDA, OPENCL

from .bench_modules import module

APIS = (OPENCL, CUDA)
accelerator, main = module("accelerator"), module("__main__").main
groups, metrics = module("plan").groups, module("metrics").metrics


class Launched:
    """A kernel that notes how it is launched."""

    def __init__(self) -> None:
        self.by: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})

    def __call__(self, *args: Any, **options: Any) -> None:
        self.by = (args, options)


@pytest.fixture
def driver():
    """A module with the names of PyCUDA's driver."""
    context = SimpleNamespace(synchronize=lambda: None)
    return SimpleNamespace(Context=context, memcpy_htod=lambda *_: None, memcpy_dtoh=lambda *_: None)


def launched(driver, global_size, local_size):
    kernel = Launched()
    accelerator.CudaQueue(driver).launcher(kernel, global_size, local_size)("a", 1)
    args, options = kernel.by
    assert args == ("a", 1)
    return options["grid"], options["block"]


@pytest.mark.parametrize(
    ("global_size", "local_size", "expected"),
    [
        ((4096,), (256,), ((16, 1, 1), (256, 1, 1))),
        ((64, 32), (16, 8), ((4, 4, 1), (16, 8, 1))),
        ((8, 4, 2), (2, 2, 2), ((4, 2, 1), (2, 2, 2))),
        ((1,), None, ((1, 1, 1), (1, 1, 1))),
    ],
)
def test_a_grid_has_as_many_threads_as_an_ndrange_has_work_items(driver, global_size, local_size, expected):
    assert launched(driver, global_size, local_size) == expected


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("is_quick", [True, False])
def test_each_metric_has_a_group_that_runs(api, is_quick):
    running = {group.name for group in groups(api, is_quick=is_quick)}
    assert {metric.group for metric in metrics(api)} <= running


def test_cuda_has_the_large_computations_besides():
    opencl, cuda = ({group.name for group in groups(api, is_quick=True)} for api in APIS)
    assert cuda - opencl == {"large_matmul", "large_stencil", "large_nbody"}
    assert opencl <= cuda


@pytest.mark.parametrize("api", APIS)
def test_what_there_is_to_measure_is_listed_without_a_device(api, capsys):
    assert main(["--api", api, "--list"]) == 0
    assert capsys.readouterr().out.split() == [metric.name for metric in metrics(api)]


@pytest.fixture
def pycuda(monkeypatch, driver):
    """PyCUDA's modules, with one device that is called Some GPU."""
    made = SimpleNamespace(pop=lambda: None, detach=lambda: None)
    gpu = SimpleNamespace(name=lambda: "Some GPU", make_context=lambda: made)
    driver.init, driver.Device = lambda: None, lambda _: gpu
    driver.Device.count = lambda: 1
    modules = {"pycuda.driver": driver, "pycuda.compiler": SimpleNamespace()}
    monkeypatch.setattr(accelerator.importlib, "import_module", modules.__getitem__)
    return made


@pytest.mark.parametrize("name", ["", "Some GPU"])
def test_a_local_device_is_the_first_or_the_one_of_a_name(pycuda, name):
    found = accelerator.local_accelerator(CUDA, "", name)
    assert isinstance(found, accelerator.CudaAccelerator)
    assert found.context() is pycuda
    found.give_back()


def test_a_local_device_that_is_not_there_is_named(pycuda):
    with pytest.raises(SystemExit, match="no CUDA device 'Other' here"):
        accelerator.local_accelerator(CUDA, "", "Other")
