"""Builds the driver: `python -m accelpool_icd.build`, with the `ziglang` wheel's compiler or another one.

The library lands in `lib/` beside this file, which is not in the repository. It is built for glibc 2.17: it
loads wherever Python's manylinux2014 wheels do.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from pathlib import Path

from accelpool_wire.version import __version__

GLIBC = "2.17"
HERE = Path(__file__).parent
SOURCES = sorted((HERE / "src").rglob("*.c"))
LIBRARY = HERE / "lib" / "libaccelpool.so"
FLAGS = ["-std=gnu11", "-O2", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra"]
# Loaders unload drivers at the end of the process, when their threads may still run: nodelete. They have
# functions of the same names, which ours are not to be bound to: Bsymbolic.
LINK = ["-shared", "-pthread", "-Wl,-z,nodelete", "-Wl,-z,now", "-Wl,-Bsymbolic"]


def zig() -> list[str]:
    """Return the command of the compiler in the `ziglang` wheel, for an old glibc."""
    target = f"{platform.machine()}-linux-gnu.{GLIBC}"
    return [sys.executable, "-m", "ziglang", "cc", "-target", target, "-g0", "-s"]


def build(compiler: list[str], target: Path = LIBRARY, flags: list[str] | None = None) -> Path:
    """Compile all sources into a library and return it.

    Args:
        compiler: A command that takes gcc's options.
        target: Where to; replaced in one step.
        flags: Options beyond the usual ones, such as a sanitizer's.

    Raises:
        subprocess.CalledProcessError: The compiler failed; it said why on stderr.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(f".{os.getpid()}")
    version = f'-DACCELPOOL_VERSION="{__version__}"'
    subprocess.run(
        [*compiler, *FLAGS, version, *(flags or []), *map(str, SOURCES), *LINK, "-o", str(part)], check=True
    )
    part.replace(target)
    return target


def main() -> None:
    """Build the library where the package looks for it."""
    parser = argparse.ArgumentParser(
        prog="python -m accelpool_icd.build", description="Build the driver's library."
    )
    parser.add_argument("--cc", help="another compiler, such as gcc, instead of the ziglang wheel's")
    arguments = parser.parse_args()
    print(build([arguments.cc] if arguments.cc else zig()))  # noqa: T201 - its result


if __name__ == "__main__":
    main()
