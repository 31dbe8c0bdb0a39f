"""Fixtures that several modules here share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..integration.scripted_device import Device


@pytest.fixture
def device() -> Iterator[Device]:
    """A session on a scripted device."""
    device = Device()
    yield device
    device.end_all()
