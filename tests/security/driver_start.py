"""A process that is confined by a policy, and does what CUDA's driver does as it starts, and more than that.

It writes what came of each attempt, as JSON: "done", or the error's name.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable

from accelpool_node.sandbox.confine import confine
from accelpool_node.sandbox.policy import decode

NAME = b"\0cuda-uvmfd-%d"


def main() -> None:
    """Confine this process by the first policy given; then try, or have a child that has the others try."""
    policy, others = decode(sys.argv[1]), sys.argv[2:]
    confine(policy, os.environ, keep=())
    if others:
        subprocess.run([sys.executable, "-m", "tests.security.driver_start", *others], check=True)
        return
    attempts: dict[str, Callable[[], object]] = {
        "listen": _listen,
        "name a thread": _name_a_thread,
        "make a memfd": lambda: os.memfd_create("cuda"),
        "share memory": _share_memory,
        "be found as a file": lambda: _socket().bind(f"{policy.folder}/socket"),
        "make a stream": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
        "serve": lambda: _listen().accept(),
        "connect": lambda: _socket().connect(_listen().getsockname()),
        "go through MPS": lambda: _socket().connect(f"{policy.pipe}/control"),
        "write MPS's pipe": lambda: os.open(f"{policy.pipe}/log", os.O_RDWR),
        "save itself from the OOM killer": lambda: _write(threading.get_native_id(), "oom_score_adj", b"-1"),
        "start a program": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    }
    sys.stdout.write(json.dumps({name: _outcome(attempt) for name, attempt in attempts.items()}))


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


def _socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)


def _listen() -> socket.socket:
    listener = _socket()
    listener.bind(NAME % os.getpid() + os.urandom(4).hex().encode())
    listener.listen(1)
    listener.setblocking(False)
    return listener


def _name_a_thread() -> None:
    """Name another thread of this process, as pthread_setname_np does: by its file."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        _write(thread.native_id, "comm", b"cuda-EvtHandlr")
    finally:
        over.set()
        thread.join()


def _write(thread: int | None, name: str, content: bytes) -> None:
    """Write a thread's file as CUDA's driver does: emptied first, made if it were not there (driver 580)."""
    file = os.open(f"/proc/self/task/{thread}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    try:
        os.write(file, content)
    finally:
        os.close(file)


def _share_memory() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_long
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    if libc.mmap(None, 4096, 3, 0x21, -1, 0) == -1:  # PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS
        raise OSError(ctypes.get_errno(), "mmap")


if __name__ == "__main__":
    main()
