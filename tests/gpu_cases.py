"""GPUs as the management library may tell them: one whole, and one in MIG mode with two instances."""

from __future__ import annotations

from typing import Any

from accelpool_node.gpus import Gpu, Instance, Readings

GIB = 1 << 30
BOARD: dict[str, Any] = {"temperature_c": 41.0, "power_w": 245.7, "clock_hz": 1_410_000_000}
GPUS = [
    Gpu(
        uuid="GPU-8932f937-d72c-4106-c12f-20bd9faed9f6",
        place="0000:19:03",
        readings=Readings(utilization=0.87, memory_utilization=0.12, memory_used_bytes=5 * GIB, **BOARD),
    ),
    Gpu(
        uuid="GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77",
        place="0001:3b:00",
        is_parted=True,
        instances=[
            Instance(
                uuid="MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f",
                profile="1g.5gb",
                gpu_instance=9,
                compute_instance=0,
                readings=Readings(memory_used_bytes=GIB, **BOARD),
            ),
            Instance(
                uuid="MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb",
                profile="3g.20gb",
                gpu_instance=2,
                compute_instance=0,
                readings=Readings(memory_used_bytes=2 * GIB, **BOARD),
            ),
        ],
        readings=Readings(memory_used_bytes=9 * GIB, **BOARD),
    ),
]
