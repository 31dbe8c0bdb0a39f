"""Whose readings are whose."""

from __future__ import annotations

from accelpool_node.gpus import Gpu, Instance, Readings, place_of, readings_of

WHOLE, BOARD, PART = (Readings(temperature_c=celsius) for celsius in (40.0, 50.0, 60.0))
GPUS = [
    Gpu(uuid="GPU-8932F937-d72c-4106-c12f-20bd9faed9f6", place="0000:19:03", readings=WHOLE),
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
                readings=PART,
            )
        ],
        readings=BOARD,
    ),
]


def readings(**attributes: object) -> Readings | None:
    return readings_of(GPUS, {"d": attributes}).get("d")


def test_a_device_has_the_readings_of_the_gpu_of_its_uuid() -> None:
    assert readings(uuid="8932f937d72c4106c12f20bd9faed9f6", hardware="0001:3b:00") is WHOLE


def test_a_device_without_a_known_uuid_has_those_of_its_place() -> None:
    assert readings(uuid="0" * 32, hardware="0000:19:03") is WHOLE
    assert readings(hardware=place_of(1, 0x3B, 0)) is BOARD


def test_a_mig_instance_has_its_own() -> None:
    assert readings(uuid="c6d4f1ef42e45de391c745d71c87eb3f", hardware="0001:3b:00") is PART


def test_what_is_no_gpu_of_nvidias_has_none() -> None:
    assert readings(name="EPYC") is None
    assert readings(uuid="", hardware="") is None
    assert readings(uuid=[1, 2], hardware="0000:ff:00") is None
