"""An agent that takes its null devices for a GPU, and has a monitor, without a driver's nodes in /dev.

Its command line is that of `python -m accelpool_node`.
"""

import os
import sys
from dataclasses import replace

from accelpool_node import drivers
from accelpool_node.agent import main

PLACE = "0000:19:03"

if __name__ == "__main__":
    null_environment = drivers.null_environment
    drivers.null_environment = lambda *args: replace(null_environment(*args), known={"hardware": PLACE})
    main.is_wanted = lambda backend: True
    sys.exit(main.main(sys.argv[1:], os.environ))
