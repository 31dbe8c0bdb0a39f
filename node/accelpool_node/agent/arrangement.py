"""Who an agent's children are and where they live, decided once, when it starts.

An agent that is an ordinary user has children who are that user. One that is root gives each a user of its
own, if that user can read what it needs; their folders are then where it gets to.
"""

from __future__ import annotations

import glob
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from accelpool_node import cuda_toolkit, drivers, environments
from accelpool_node.agent import users
from accelpool_node.agent.confinement import Confinement
from accelpool_node.agent.enclosure import Enclosure
from accelpool_node.agent.settings import Settings
from accelpool_node.drivers import DriverEnvironment
from accelpool_node.mps import OPTION
from accelpool_node.sandbox.policy import Mode
from accelpool_wire.errors import Invalid

log = logging.getLogger(__name__)

Environments: TypeAlias = dict[str, DriverEnvironment]
OPEN_DIR, OPEN_FILE = 0o755, 0o644


def arrange(settings: Settings, state: Path, enclosure: Enclosure) -> tuple[Confinement, Environments]:
    """Return what confines the children, and the driver environments.

    Args:
        settings: The agent's.
        state: Its own directory.
        enclosure: What is around the children.

    Raises:
        Invalid: What the operator wants cannot be had.
        OSError: A directory cannot be made.
    """
    wanted = users.parse(settings.worker_user)
    if os.geteuid() != 0:
        if wanted:
            raise Invalid("--worker-user needs an agent that is root")
        return _arranged(settings, state, enclosure, users.Users())
    if settings.mps_pipe and wanted != () and settings.sandbox is not Mode.OFF:
        one = "MPS serves one user at a time: start the agent as an ordinary one, or with --worker-user none"
        raise Invalid(f"{OPTION}: {one}")
    if settings.sandbox is Mode.OFF or wanted == ():
        return _arranged(settings, state, enclosure, users.Users(why_none="no user for it is wanted"))
    arranged = _with_users(settings, state, enclosure, users.DEFAULT if wanted is None else wanted)
    if not isinstance(arranged, str):
        return arranged
    if wanted is not None:
        raise Invalid(f"--worker-user {settings.worker_user}: {arranged}")
    log.warning("workers stay root: %s", arranged)
    return _arranged(settings, state, enclosure, users.Users(why_none=arranged))


def _with_users(
    settings: Settings, state: Path, enclosure: Enclosure, numbers: Sequence[int]
) -> tuple[Confinement, Environments] | str:
    """Return what there is with a user for each child, or why that cannot be."""
    why = users.why_not(sys.executable, numbers[0], settings.variables, files=())
    if why:
        return why
    home = users.shared_folder(state)
    try:
        users.make_shared(home)
        who = users.Users(numbers=numbers)
        confinement, prepared = _arranged(settings, state, enclosure, who, home)
        return _why_not(prepared, numbers[0], home) or (confinement, prepared)
    except OSError as error:
        return str(error)


def _arranged(
    settings: Settings, state: Path, enclosure: Enclosure, who: users.Users, home: Path | None = None
) -> tuple[Confinement, Environments]:
    home = home or state
    prepared = environments_of(settings, home)
    nodes = {node for environment in prepared.values() for node in environment.nodes}
    confinement = Confinement(
        settings.sandbox,
        home / "work",
        secrets=[state, *_secret_files(settings)],
        users=who.numbers,
        groups=users.groups_of(nodes) if who.numbers else (),
        why_no_user=who.why_none,
        enclosure=enclosure,
    )
    confinement.clear()
    return confinement, prepared


def _secret_files(settings: Settings) -> list[Path]:
    """Return the files of the node's key and tokens; a pipe or a device lies in no folder of code."""
    files = [settings.tls_key] if settings.tls_key else []
    return [file.absolute() for file in (*files, *settings.token_files) if file.is_file()]


def environments_of(settings: Settings, home: Path) -> Environments:
    """Return the driver environments by name; their directories are made.

    Raises:
        Invalid: The operator's file cannot be used.
    """
    variables, pipe = settings.variables, settings.mps_pipe
    if settings.backend == "cuda":
        found = [drivers.cuda_environment(variables, is_expected=True, pipe=pipe)]
    elif settings.backend.startswith("null-both:"):
        count = settings.backend.removeprefix("null-both:")
        found = [
            drivers.null_environment(f"null:{count}", variables),
            drivers.null_environment(f"null-cuda:{count}", variables, "null-cuda"),
        ]
    elif settings.backend.startswith("null"):
        found = [drivers.null_environment(settings.backend, variables)]
    else:
        icds = drivers.find_icds(Path(sys.prefix))
        configured = environments.read(settings.environments) if settings.environments else []
        found = environments.prepare(home, icds, configured, variables)
        if settings.backend == "auto" and cuda_toolkit.has_driver() and cuda_toolkit.has_pycuda():
            found.append(drivers.cuda_environment(variables, is_expected=False, pipe=pipe))
    if pipe and not any(environment.pipe for environment in found):
        raise Invalid(f"{OPTION}: there is no CUDA here, whose devices could be shared so")
    return {environment.name: environment for environment in found}


def _why_not(prepared: Mapping[str, DriverEnvironment], user: int, home: Path) -> str:
    """Return why a user cannot have one of some environments, "" if it can have all."""
    for folder, _, files in os.walk(home / "drivers"):
        Path(folder).chmod(OPEN_DIR)
        for file in files:
            (Path(folder) / file).chmod(OPEN_FILE)
    reasons = (_trial(environment, user) for environment in prepared.values())
    return next((why for why in reasons if why), "")


def _trial(environment: DriverEnvironment, user: int) -> str:
    vendors = environment.variables.get("OCL_ICD_VENDORS", "")
    files = sorted(glob.glob(f"{glob.escape(vendors)}/*.icd")) if vendors else []
    return users.why_not(environment.python, user, environment.variables, files)
