"""Infos of devices that PyOpenCL, as it is, does not tell."""

import pytest

EXTENSIONS, PRINTF_BUFFER_SIZE = 0x1030, 0x1049
IMAGE_PITCH_ALIGNMENT, IMAGE_BASE_ADDRESS_ALIGNMENT = 0x104A, 0x104B
SPIRV_SETS, SPIRV_EXTENSIONS, SPIRV_CAPABILITIES = range(0x12B9, 0x12BC)
SINGLE_FP_ATOMICS = 0x4231
DOT_PRODUCTS, DOT_PRODUCTS_OF_BYTES, DOT_PRODUCTS_OF_PACKED_BYTES, KERNEL_CLOCKS = range(0x1073, 0x1077)


@pytest.mark.usefixtures("no_cuda")
def test_a_device_says_how_much_printf_keeps(client, computes):
    if not computes:
        pytest.skip("a null device prints nothing")
    assert client.connection.devices[0].info[PRINTF_BUFFER_SIZE] >= 1 << 16


def test_a_device_with_images_over_buffers_says_how_they_are_aligned(client):
    info = client.connection.devices[0].info
    if "cl_khr_image2d_from_buffer" not in str(info.get(EXTENSIONS, "")).split():
        pytest.skip("it has no images over buffers")
    assert info[IMAGE_PITCH_ALIGNMENT] > 0
    assert info[IMAGE_BASE_ADDRESS_ALIGNMENT] > 0


def test_a_device_with_dot_products_says_which_and_how_quick_they_are(client):
    info = client.connection.devices[0].info
    if "cl_khr_integer_dot_product" not in str(info.get(EXTENSIONS, "")).split():
        pytest.skip("it has no dot products of integers")
    assert info[DOT_PRODUCTS] & 1  # all have those of packed bytes
    for quick in (info[DOT_PRODUCTS_OF_BYTES], info[DOT_PRODUCTS_OF_PACKED_BYTES]):
        assert len(quick) == 6
        assert set(quick) <= {0, 1}


def test_a_device_whose_kernels_have_a_clock_says_whose_it_is(client):
    info = client.connection.devices[0].info
    if "cl_khr_kernel_clock" not in str(info.get(EXTENSIONS, "")).split():
        pytest.skip("its kernels have no clock")
    assert info[KERNEL_CLOCKS] in range(8)


def test_a_device_says_what_its_spirv_may_have(client):
    info = client.connection.devices[0].info
    if "cl_khr_spirv_queries" not in str(info.get(EXTENSIONS, "")).split():
        pytest.skip("it tells nothing of its SPIR-V")
    assert "OpenCL.std" in info[SPIRV_SETS].split()
    assert all(name.startswith("SPV_") for name in info[SPIRV_EXTENSIONS].split())
    assert {4, 6} <= set(info[SPIRV_CAPABILITIES])  # addresses, kernels


def test_a_device_with_atomics_of_floats_says_which(client):
    info = client.connection.devices[0].info
    if "cl_ext_float_atomics" not in str(info.get(EXTENSIONS, "")).split():
        pytest.skip("it has no atomics of floats")
    assert info[SINGLE_FP_ATOMICS] >= 0
