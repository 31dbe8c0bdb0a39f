"""As `autoinit`: a lease has one context, which is its primary one."""

from __future__ import annotations

from accelpool.cuda.autoinit import context, device

__all__ = ["context", "device"]
