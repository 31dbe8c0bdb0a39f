"""A pool of one source tree, as long as stdin is open: `bench.compare` runs this with that tree's Python.

    TREE/.venv/bin/python bench/lend_tree.py NAME_OF_DEVICE          with PYTHONPATH=TREE

It says {"url": ..., "token": ..., "device": ...} and uses nothing of `bench` that an older tree lacks.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from bench import pool


def main() -> None:
    """Start the tree's broker and node, say where they are, and end them with stdin."""
    with tempfile.TemporaryDirectory(prefix="accelpool-bench-") as name, pool.running(Path(name)) as running:
        device = running.device(sys.argv[1])
        print(json.dumps({"url": running.url, "token": running.token, "device": device["id"]}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
