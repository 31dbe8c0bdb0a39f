"""Every kernel of the library in CUDA C++, on every GPU present, against its NumPy twin."""

from __future__ import annotations

from typing import Any

import pytest

from ..cuda_launcher import CudaLauncher
from ..kernel_library import KernelLibraryCases

pytestmark = pytest.mark.cuda


@pytest.fixture
def launcher(context: Any) -> CudaLauncher:
    return CudaLauncher()


class TestKernelLibrary(KernelLibraryCases):
    """On CUDA devices."""
