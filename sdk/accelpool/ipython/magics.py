"""The magics: `%accelpool` for the notebook's lease, `%%opencl` for kernels."""

from __future__ import annotations

import shlex
import sys
from typing import Any

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from IPython.core.magic_arguments import MagicArgumentParser

from accelpool.acquire_options import AcquireOptions
from accelpool.demand import KINDS, memory_of
from accelpool.errors import AccelpoolError, Invalid, RuntimeError
from accelpool.ipython.build_report import BuildFailed, report
from accelpool.ipython.idle_parker import IdleParker
from accelpool.ipython.lease_status import LeaseStatus
from accelpool.ipython.notebook_lease import NotebookLease
from accelpool.ipython.notebook_names import NotebookNames
from accelpool.program import Program
from accelpool_wire.codes import ErrorCode

ACTIONS = ("status", "park", "release")
OF_LEASE = ("count", "memory", "compute", "where", "device", "tenant", "priority", "preemptible", "wait")


@magics_class
class AccelpoolMagics(Magics):
    """What `%load_ext accelpool` registers.

    Args:
        shell: IPython's.
        lease: The notebook's lease.
        parker: What parks it.
    """

    def __init__(self, shell: InteractiveShell, lease: NotebookLease, parker: IdleParker) -> None:
        super().__init__(shell)
        self._shell = shell
        self._kernels = NotebookNames(
            shell.user_ns, "call the kernel otherwise, or `del {name}` before this cell"
        )
        self.lease = lease
        self.parker = parker

    def begin(self) -> None:
        """Follow the shell's cells."""
        self._shell.events.register("pre_run_cell", self.parker.cell_begins)
        self._shell.events.register("post_run_cell", self.parker.cell_ends)
        self.parker.begin()

    def end(self) -> None:
        """Follow them no more, and give the lease and the kernels' names back."""
        self._shell.events.unregister("pre_run_cell", self.parker.cell_begins)
        self._shell.events.unregister("post_run_cell", self.parker.cell_ends)
        self.parker.end()
        self._kernels.take_back()
        self.lease.release()

    @line_magic
    def accelpool(self, line: str) -> LeaseStatus:
        """Take, show, park or release the notebook's lease.

        ::

            %accelpool [gpu|cpu|accelerator|custom|any] [options]   take a lease: `ctx`, `queue`
            %accelpool [status]                                     show it
            %accelpool park                                         park it now; the next use takes it again
            %accelpool release                                      give it back for good

            --count N  --memory 2GiB  --compute 50%  --where EXPRESSION  --device ID
            --tenant NAME  --priority N  --preemptible  --wait SECONDS   as `accelpool.acquire` has them
            --idle MINUTES   park after so long without a cell; `off` for never       (10)
            --keep SIZE      park only with at most so much in buffers and images     (4GiB)
        """
        given = vars(_parser().parse_args(_words(line)))
        self._set(given)
        action = given["action"]
        options = {name: given[name] for name in OF_LEASE if given[name] is not None}
        if action not in KINDS and action is not None and options:
            raise UsageError(f"%accelpool {action} takes no {', '.join(options)}")
        try:
            if action == "release":
                self.lease.release()
            elif action == "park":
                self.lease.park()
            elif action in KINDS or options:
                self.lease.acquire(action or "any", **AcquireOptions(**options))  # type: ignore[typeddict-item]
        except AccelpoolError as error:
            raise UsageError(str(error)) from error
        return self.lease.status()

    def _set(self, given: dict[str, Any]) -> None:
        if given["idle"] is not None:
            self.lease.idle_s = _idle_seconds(given["idle"])
        if given["keep"] is not None:
            self.lease.keep_bytes = _size(given["keep"])

    @cell_magic
    def opencl(self, line: str, cell: str) -> None:
        """Build the cell, OpenCL C, for `ctx`, and have its kernels under their names.

        ::

            %%opencl [-o OPTIONS]...

        `-o "-cl-fast-relaxed-math -DN=4"` are the compiler's options. Where there is no `ctx` a lease on any
        device is taken. Kernels of earlier cells are replaced by those of the same names, nothing else of the
        notebook is.
        """
        options, rest = self.parse_options(line, "o:", list_all=True)
        if rest.strip():
            raise UsageError(f"%%opencl takes -o OPTIONS, not {rest.strip()!r}")
        try:
            program = _built(Program(self.lease.context(), cell), " ".join(options.get("o", [])))
            self._kernels.give({kernel.function_name: kernel for kernel in program.all_kernels()})
        except BuildFailed:
            raise
        except AccelpoolError as error:
            raise UsageError(str(error)) from error


def _built(program: Program, options: str) -> Program:
    """Return a program built; what the compiler warns of is shown.

    Raises:
        BuildFailed: It does not compile.
    """
    source = program.source
    try:
        program._compile(options)
    except RuntimeError as error:
        if error.code != ErrorCode.BUILD_PROGRAM_FAILURE:
            raise
        raise BuildFailed(error, source) from None
    for log in dict.fromkeys(program._logs()):
        if "warning" in log.lower():
            print(report(log, source), file=sys.stderr)  # noqa: T201 - a cell's output
    return program


def _parser() -> MagicArgumentParser:
    parser = MagicArgumentParser(prog="%accelpool", add_help=False)  # type: ignore[no-untyped-call]  # IPython's
    parser.add_argument("action", nargs="?", choices=(*KINDS, *ACTIONS))
    parser.add_argument("--count", type=int)
    parser.add_argument("--priority", type=int)
    parser.add_argument("--wait", type=float)
    parser.add_argument("--preemptible", action="store_true", default=None)
    for name in ("--memory", "--compute", "--where", "--device", "--tenant", "--idle", "--keep"):
        parser.add_argument(name)
    return parser


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise UsageError(f"%accelpool: {error}") from error


def _idle_seconds(text: str) -> float | None:
    if text == "off":
        return None
    try:
        minutes = float(text)
    except ValueError:
        minutes = -1.0
    if not minutes > 0:
        raise UsageError(f"--idle is in minutes, above 0, or `off`, not {text!r}")
    return minutes * 60


def _size(text: str) -> int:
    try:
        size = memory_of(text).get("memory_bytes")
    except Invalid as error:
        raise UsageError(f"--keep: {error}") from error
    if not isinstance(size, int):
        raise UsageError(f"--keep is an amount of memory such as 4GiB, not {text!r}")
    return size
