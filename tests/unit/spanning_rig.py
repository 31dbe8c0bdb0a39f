"""What the tests of contexts over several nodes share: data, and questions about what was posted."""

import numpy as np

import accelpool as cl

DATA = np.arange(16, dtype=np.float32)
COPY = cl.mem_flags.COPY_HOST_PTR
READ_WRITE = cl.mem_flags.READ_WRITE


def forget(*fakes):
    """Forget what was posted so far."""
    for fake in fakes:
        fake.posted.clear()
        fake.payloads.clear()


def only(fake, kind):
    """Return the one posted message of a kind."""
    (found,) = [message for message in fake.posted if isinstance(message, kind)]
    return found


def count(fake, kind):
    """Return how many messages of a kind were posted."""
    return sum(isinstance(message, kind) for message in fake.posted)
