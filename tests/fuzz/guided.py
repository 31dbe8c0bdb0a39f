"""The process in which libFuzzer runs a target; `python -m tests.fuzz` starts it.

    python -m tests.fuzz.guided LAUNCHER TARGET LIBFUZZER_ARGUMENT...

LAUNCHER is a program that starts this with itself as the first argument: libFuzzer does so to merge.
"""

from __future__ import annotations

import importlib
import sys

import atheris

INSTRUMENTED = ["accelpool_wire", "accelpool_node"]


def main(launcher: str, target: str, *arguments: str) -> None:
    """Fuzz until libFuzzer ends the process."""
    with atheris.instrument_imports(include=INSTRUMENTED):
        run = importlib.import_module(f"tests.fuzz.{target}").run
    atheris.Setup([launcher, *arguments], run)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
