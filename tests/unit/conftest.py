"""What most tests of the SDK begin with: a connection that needs no pool, a context on it, a queue."""

from __future__ import annotations

import pytest

import accelpool as cl
from accelpool.testing import FakeConnection, fake_context


@pytest.fixture
def fake():
    return FakeConnection()


@pytest.fixture
def fakes():
    """The connections of a context over two nodes."""
    return [FakeConnection(), FakeConnection()]


@pytest.fixture
def ctx(fake):
    return fake_context(fake)


@pytest.fixture
def queue(ctx):
    return cl.CommandQueue(ctx)
