"""A process that is confined as a worker is, and makes the system calls that it is told to.

For devices whose compilers take no inline assembly: what a kernel's machine code could do there. It loads the
driver first, as a worker does. Reads a line of seven numbers and a hexadecimal memory; writes the result.
"""

from __future__ import annotations

import ctypes
import os
import sys

from accelpool_node.discover import load_backend
from accelpool_node.sandbox.confine import confine
from accelpool_node.sandbox.limits import bound_memory
from accelpool_node.sandbox.policy import decode


def main() -> None:
    """Obey until there are no more lines."""
    backend, policy, share_bytes = sys.argv[1], decode(sys.argv[2]), int(sys.argv[3])
    confine(policy, os.environ, keep=())
    driver = load_backend(backend)
    driver.devices()
    bound_memory(share_bytes)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        pointers, content, *words = line.split()
        memory = ctypes.create_string_buffer(bytes.fromhex(content))
        base = ctypes.addressof(memory)
        arguments = [
            ctypes.c_long(int(word) + (base if int(pointers) >> place & 1 else 0))
            for place, word in enumerate(words)
        ]
        result = libc.syscall(*arguments)
        sys.stdout.write(f"{-ctypes.get_errno() if result == -1 else result}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
