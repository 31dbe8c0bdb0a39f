"""What the runs of others' programs stand on: one device, found locally and through the driver."""

import json
import sys

import pytest

from ..sides import chosen, opened

pytestmark = pytest.mark.opencl

LIST = """
import json, os, pyopencl
platforms = pyopencl.get_platforms()
found = {platform.name: [device.name for device in platform.get_devices()] for platform in platforms}
print(json.dumps([found, "ACCELPOOL_LEASE" in os.environ]))
"""


def test_a_program_finds_the_same_device_on_each_side(tmp_path):
    target = chosen(None)
    with opened(tmp_path, target) as sides:
        for side in (sides.local, sides.driver):
            log = tmp_path / side.name
            assert side.run([sys.executable, "-c", LIST], tmp_path, log, limit_s=60) == 0, log.read_text()
            platforms, has_lease = json.loads(log.read_text())
            assert platforms[side.platform] == [target.device]
            assert has_lease == (side is sides.driver)
