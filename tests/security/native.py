"""A hostile client: its kernel makes whatever system call it is told to, with inline assembly."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

from accelpool_node.agent.confinement import Jail
from accelpool_node.sandbox.syscalls import NUMBERS
from accelpool_wire.client import Connection
from accelpool_wire.errors import Error

from ..integration.wire_client import Client
from ..integration.worker_rig import Target

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
        words, memory, pointers = lay_out(name, arguments)
        client = self._client
        client.write(self._queue, self._words, struct.pack("8q", *words, 0))
        client.write(self._queue, self._memory, memory.ljust(MEMORY_BYTES, b"\0"))
        args = (self._words, self._memory, struct.pack("I", pointers))
        client.launch(self._queue, self._kernel, [1], *args)
        return struct.unpack("8q", client.read(self._queue, self._words, 64))[7]

    def works(self) -> bool:
        """Whether the session computes as before."""
        client = self._client
        client.write(self._queue, self._numbers, struct.pack("4i", 1, 2, 3, 4))
        kernel = client.kernel(self._program, "twice")
        client.launch(self._queue, kernel, [4], self._numbers)
        return struct.unpack("4i", client.read(self._queue, self._numbers, 16)) == (2, 4, 6, 8)


class Payload:
    """A process that is confined as a worker of a target is, and makes system calls.

    Args:
        target: Whose driver it loads.
        jail: Where it lives.
        share_bytes: Its session's share of memory.
    """

    def __init__(self, target: Target, jail: Jail, share_bytes: int) -> None:
        environment = target.environment
        command = [environment.python, str(Path(__file__).with_name("payload.py")), environment.backend]
        self.process = subprocess.Popen(
            [*command, jail.policy.encoded(), str(share_bytes)],
            env=jail.variables,
            cwd=jail.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._hear() == "ready"

    def call(self, name: str, *arguments: int | bytes) -> int:
        """Return the result of a system call; bytes are put in memory, and their address is passed."""
        words, memory, pointers = lay_out(name, arguments)
        assert self.process.stdin is not None
        self.process.stdin.write(f"{pointers} {(memory or bytes(16)).hex()} {' '.join(map(str, words))}\n")
        self.process.stdin.flush()
        return int(self._hear())

    def works(self) -> bool:
        """Whether it goes on as before."""
        return self.call("getpid") == self.process.pid

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.communicate()

    def _hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


def lay_out(name: str, arguments: Sequence[int | bytes]) -> tuple[list[int], bytes, int]:
    """Return a call as seven words, the memory that it points to, and which words are offsets into that."""
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
    return words + [0] * (7 - len(words)), memory, pointers


def can_attack(connection: Connection) -> bool:
    """Whether the device's compiler takes the kernel."""
    try:
        return Attacker(connection).call("getpid") > 0
    except Error:
        return False
