"""Run an agent: `python -m accelpool_node --help`."""

from __future__ import annotations

import os
import sys

from accelpool_node.agent.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
