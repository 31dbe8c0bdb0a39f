"""A command in the foreground: its signals, its job control and its exit code are this process's.

It is in this process's group, so a terminal sends both what it sends, and lets both read.

    a signal                           then
    from the terminal                  the command has it already; nothing
    sent to this process               passed on
    the command stops                  this process stops, too, so that the shell knows; `fg` wakes both
    this process is killed (SIGKILL)   the kernel kills the command

Nothing but that ends the command.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence

from accelpool.cli.child import ORPHAN, PR_SET_PDEATHSIG
from accelpool.cli.failures import CannotRun

PASSED_ON = frozenset(
    {
        signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2,
        signal.SIGTSTP, signal.SIGCONT,
    }
)  # fmt: skip
HEARD = PASSED_ON | {signal.SIGCHLD}
SI_KERNEL = 0x80  # <asm-generic/siginfo.h>: not sent by a process


def run(command: Sequence[str], variables: Mapping[str, str], look: Callable[[], None]) -> int:
    """Run a command to its end and return its exit code, 128 + n if signal n ended it.

    Afterwards the signals above stay blocked, so that nothing breaks off the orderly end of this process.

    Args:
        command: The program, by its path or as PATH has it, and its arguments.
        variables: Its environment.
        look: Called when a child of this process has ended.

    Raises:
        CannotRun: It does not start.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    child = _start(command, variables, mask)
    while True:
        look()
        code = _reap(child)
        if code is not None:
            return code if code >= 0 else 128 - code
        heard = signal.sigwaitinfo(HEARD)
        if heard.si_signo in PASSED_ON and (heard.si_code != SI_KERNEL or heard.si_signo == signal.SIGCONT):
            os.kill(child.pid, heard.si_signo)


def _start(
    command: Sequence[str], variables: Mapping[str, str], mask: set[int | signal.Signals]
) -> subprocess.Popen[bytes]:
    parent, prctl = os.getpid(), ctypes.CDLL(None).prctl

    def prepare() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(ORPHAN)
        for number in PASSED_ON:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    try:
        return subprocess.Popen(command, env=variables, preexec_fn=prepare)  # this process has no threads
    except OSError as error:
        raise CannotRun(f"{command[0]} cannot be run: {error.strerror}") from error


def _reap(child: subprocess.Popen[bytes]) -> int | None:
    """Return how the child has ended, None if it has not; stop as it has stopped."""
    pid, status = os.waitpid(child.pid, os.WNOHANG | os.WUNTRACED)
    if pid == 0:
        return None
    if os.WIFSTOPPED(status):
        if _has_terminal():  # else nobody would wake this process when the child is woken
            os.kill(os.getpid(), signal.SIGSTOP)
        return None
    child.returncode = os.waitstatus_to_exitcode(status)
    return child.returncode


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
