"""Whose readings are whose."""

from __future__ import annotations

from accelpool_node.gpus import Readings, place_of, readings_of

from ..gpu_cases import GPUS

WHOLE, PARTED = (gpu.readings for gpu in GPUS)
PART = GPUS[1].instances[0].readings


def readings(**attributes: object) -> Readings | None:
    return readings_of(GPUS, {"d": attributes}).get("d")


def test_a_device_has_the_readings_of_the_gpu_of_its_uuid() -> None:
    assert readings(uuid="8932f937d72c4106c12f20bd9faed9f6", hardware="0001:3b:00") is WHOLE


def test_a_device_without_a_known_uuid_has_those_of_its_place() -> None:
    assert readings(uuid="0" * 32, hardware="0000:19:03") is WHOLE
    assert readings(hardware=place_of(1, 0x3B, 0)) is PARTED


def test_a_mig_instance_has_its_own() -> None:
    assert readings(uuid="c6d4f1ef42e45de391c745d71c87eb3f", hardware="0001:3b:00") is PART


def test_what_is_no_gpu_of_nvidias_has_none() -> None:
    assert readings(name="EPYC") is None
    assert readings(uuid="", hardware="") is None
    assert readings(uuid=[1, 2], hardware="0000:ff:00") is None
