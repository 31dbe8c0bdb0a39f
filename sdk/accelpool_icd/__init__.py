"""accelpool's native OpenCL client driver: where the library is that the ordinary OpenCL loader loads."""

from __future__ import annotations

from pathlib import Path

__all__ = ["library"]


def library() -> Path | None:
    """Return the driver's library, None where it is not built: a pure wheel comes without it."""
    path = Path(__file__).parent / "lib" / "libaccelpool.so"
    return path if path.exists() else None
