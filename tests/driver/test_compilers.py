"""What compilers tell, and how it agrees with what each of this machine's devices says of itself."""

import pytest

from .lease_file import devices_of, leased

pytestmark = pytest.mark.opencl


def test_what_compilers_tell_agrees_with_each_device(programs, opencl_pool, tmp_path):
    for device in devices_of(opencl_pool.url, opencl_pool.token):
        with leased(opencl_pool.url, opencl_pool.token, tmp_path, {"device": device["id"]}) as lease_file:
            programs.run("compilers", lease_file)
