"""Infos of devices that PyOpenCL, as it is, does not tell."""

import pytest

EXTENSIONS, PRINTF_BUFFER_SIZE = 0x1030, 0x1049
IMAGE_PITCH_ALIGNMENT, IMAGE_BASE_ADDRESS_ALIGNMENT = 0x104A, 0x104B


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
