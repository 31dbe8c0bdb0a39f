"""A hostile client: its kernel makes whatever system call it is told to, with inline assembly."""

from __future__ import annotations

import struct

from accelpool_node.sandbox.syscalls import NUMBERS
from accelpool_wire.client import Connection
from accelpool_wire.errors import Error

from ..integration.wire_client import Client

# x86-64's convention: the number in rax, arguments in rdi, rsi, rdx, r10, r8, r9, the result in rax.
SOURCE = """
__kernel void call(__global long *words, __global uchar *memory, uint pointers)
{
    long a[7];
    for (int i = 0; i < 7; ++i)
        a[i] = words[i] + (((pointers >> i) & 1) ? (long)memory : 0);
    long result;
    __asm__ volatile("movq %5, %%r10\\n movq %6, %%r8\\n movq %7, %%r9\\n syscall"
                     : "=a"(result)
                     : "a"(a[0]), "D"(a[1]), "S"(a[2]), "d"(a[3]), "r"(a[4]), "r"(a[5]), "r"(a[6])
                     : "rcx", "r11", "r10", "r8", "r9", "memory");
    words[7] = result;
}

__kernel void twice(__global int *a) { a[get_global_id(0)] *= 2; }
"""
NOT_WATCHED = {
    "socket": 41,
    "connect": 42,
    "ptrace": 101,
    "chmod": 90,
    "chown": 92,
    "shmget": 29,
    "keyctl": 250,
    "unshare": 272,
    "mount": 165,
    "bpf": 321,
    "perf_event_open": 298,
    "process_vm_readv": 310,
    "io_uring_setup": 425,
    "userfaultfd": 323,
    "pidfd_open": 434,
    "setuid": 105,
    "init_module": 175,
    "kexec_load": 246,
    "reboot": 169,
    "personality": 135,
    "tkill": 200,
    "setsid": 112,
}
MEMORY_BYTES = 4096


class Attacker:
    """A session whose kernel makes system calls.

    Args:
        connection: The session.
    """

    def __init__(self, connection: Connection) -> None:
        self._client = Client(connection)
        context = self._client.context()
        self._queue = self._client.queue(context)
        self._program = self._client.program(context, SOURCE)
        self._client.build(self._program)
        self._kernel = self._client.kernel(self._program, "call")
        self._words = self._client.buffer(context, 64)
        self._memory = self._client.buffer(context, MEMORY_BYTES)
        self._numbers = self._client.buffer(context, 16)

    def call(self, name: str, *arguments: int | bytes) -> int:
        """Return the result of a system call; bytes are put in memory, and their address is passed."""
        number = NOT_WATCHED.get(name) or NUMBERS[name][0]
        assert number is not None
        words, memory, pointers = [number], b"", 0
        for place, argument in enumerate(arguments, start=1):
            if isinstance(argument, bytes):
                words.append(len(memory))
                memory += argument.ljust(-(-len(argument) // 16) * 16, b"\0")
                pointers |= 1 << place
            else:
                words.append(argument)
        words += [0] * (8 - len(words))
        client = self._client
        client.write(self._queue, self._words, struct.pack("8q", *words))
        client.write(self._queue, self._memory, memory.ljust(MEMORY_BYTES, b"\0"))
        args = (self._words, self._memory, struct.pack("I", pointers))
        client.launch(self._queue, self._kernel, [1], *args)
        return struct.unpack("8q", client.read(self._queue, self._words, 64))[7]

    def memory(self) -> bytes:
        """Return what the last call's bytes have become."""
        return self._client.read(self._queue, self._memory, MEMORY_BYTES)

    def works(self) -> bool:
        """Whether the session computes as before."""
        client = self._client
        client.write(self._queue, self._numbers, struct.pack("4i", 1, 2, 3, 4))
        kernel = client.kernel(self._program, "twice")
        client.launch(self._queue, kernel, [4], self._numbers)
        return struct.unpack("4i", client.read(self._queue, self._numbers, 16)) == (2, 4, 6, 8)


def can_attack(connection: Connection) -> bool:
    """Whether the device's compiler takes the kernel."""
    try:
        return Attacker(connection).call("getpid") > 0
    except Error:
        return False
