"""Puts the native OpenCL driver into a wheel, where ACCELPOOL_DRIVER=1 asks for it: one for this platform.

Without it the wheel is pure and brings the driver's sources, which `python -m accelpool_icd.build` compiles.
"""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

COMPILER = "ziglang>=0.14"
LIBRARY = "sdk/accelpool_icd/lib/libaccelpool.so"


class DriverHook(BuildHookInterface):
    """Builds the driver, and names the platform that it is for."""

    def _is_wanted(self) -> bool:
        return os.environ.get("ACCELPOOL_DRIVER") == "1"

    def dependencies(self) -> list[str]:
        """Return what the build needs beyond the usual."""
        return [COMPILER] if self._is_wanted() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the driver before the files are gathered."""
        if version == "editable":
            return
        if not self._is_wanted():
            self.app.display_info(
                "a pure wheel, without the native OpenCL driver: ACCELPOOL_DRIVER=1 builds it in"
            )
            return
        sys.path.insert(0, str(Path(self.root) / "sdk"))
        from accelpool_icd.build import GLIBC, build, zig

        build(zig(), Path(self.root) / LIBRARY)
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-manylinux_{GLIBC.replace('.', '_')}_{platform.machine()}"
        build_data["force_include"][LIBRARY] = LIBRARY.removeprefix("sdk/")
