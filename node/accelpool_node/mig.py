"""MIG: the instances of a GPU that its operator has parted, each in a driver environment of its own. No I/O.

CUDA shows a process one MIG instance at most, and then no other GPU: CUDA_VISIBLE_DEVICES says which. So
there is an environment for each instance, and one for all GPUs that are whole.

Source: MIG user guide, "MIG device names" and "CUDA device enumeration"; CUDA C++ programming guide,
CUDA_VISIBLE_DEVICES.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from accelpool_node.drivers import CUDA, MIG_PREFIX, DriverEnvironment
from accelpool_node.gpus import HARDWARE, Gpu, Instance

VISIBLE = "CUDA_VISIBLE_DEVICES"
GPU, MIG = "GPU-", "MIG-"
NAME_DIGITS = 8
PARENT = "parent_hardware"


def with_instances(
    environments: Mapping[str, DriverEnvironment], gpus: Iterable[Gpu]
) -> dict[str, DriverEnvironment]:
    """Return a node's environments by name, with those in place of CUDA's that show all that it could.

    Where the operator's CUDA_VISIBLE_DEVICES has names these alone are shown; where it has numbers, which
    name no instance, it is left to CUDA, and to MPS's daemon where there is one: it serves a single instance.

    Args:
        environments: Those that were found, by name.
        gpus: As a monitor told them.
    """
    cuda = environments.get(CUDA)
    found = [] if cuda is None else _in_place_of(cuda, gpus)
    others = [one for one in environments.values() if one is not cuda]
    return {one.name: one for one in (*others, *found)}


def _in_place_of(cuda: DriverEnvironment, gpus: Iterable[Gpu]) -> list[DriverEnvironment]:
    gpus = [gpu for gpu in gpus if gpu.is_parted or _is_visible(gpu.uuid, cuda.variables)]
    instances = [one for gpu in gpus if gpu.is_parted for one in _of_instances(cuda, gpu)]
    if not instances or not _are_names(cuda.variables) or cuda.pipe:
        return [cuda]
    whole = [gpu.uuid for gpu in gpus if not gpu.is_parted]
    return [*([_showing(cuda, ",".join(whole))] if whole else []), *instances]


def parents_of(environments: Iterable[DriverEnvironment]) -> dict[str, str]:
    """Return the environments of MIG instances, and the places of their GPUs."""
    return {one.name: one.known[PARENT] for one in environments if PARENT in one.known}


def _of_instances(cuda: DriverEnvironment, gpu: Gpu) -> Iterator[DriverEnvironment]:
    sharing = Counter(instance.gpu_instance for instance in gpu.instances)
    for instance in gpu.instances:
        if _is_visible(instance.uuid, cuda.variables):
            yield replace(
                _showing(cuda, instance.uuid),
                name=MIG_PREFIX + instance.uuid.removeprefix(MIG)[:NAME_DIGITS],
                expected=f"the MIG instance {instance.uuid}",
                known=_known(gpu, instance),
                memory_parts=sharing[instance.gpu_instance],
            )


def _known(gpu: Gpu, instance: Instance) -> dict[str, str]:
    """Return what CUDA does not tell of an instance; its hardware is its own, so that nobody else's is it."""
    hardware = f"{gpu.place}/{instance.gpu_instance}/{instance.compute_instance}"
    profile = {"mig_profile": instance.profile} if instance.profile else {}
    return {HARDWARE: hardware, PARENT: gpu.place, **profile}


def _showing(cuda: DriverEnvironment, uuids: str) -> DriverEnvironment:
    return replace(cuda, variables={**cuda.variables, VISIBLE: uuids})


def _wanted(variables: Mapping[str, str]) -> Sequence[str] | None:
    """Return what the operator wants to be visible, None if that is all."""
    text = variables.get(VISIBLE)
    return None if text is None else [word.strip() for word in text.split(",")]


def _are_names(variables: Mapping[str, str]) -> bool:
    return all(word.startswith((GPU, MIG)) for word in _wanted(variables) or ())


def _is_visible(uuid: str, variables: Mapping[str, str]) -> bool:
    """Whether the operator lets a GPU or an instance be seen; the beginning of its name is enough."""
    wanted = _wanted(variables)
    return wanted is None or any(word not in ("", GPU, MIG) and uuid.startswith(word) for word in wanted)
