"""What a confined process may do, and what came of it."""

from __future__ import annotations

import os
from enum import StrEnum

import msgspec

from accelpool_node.sandbox.folders import ROOT


class Mode(StrEnum):
    """How much of a sandbox there has to be."""

    REQUIRE = "require"  # all of it, or the process does not go on
    AUTO = "auto"  # what there is on this machine
    OFF = "off"


class Policy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a process may do; its agent says so on its command line.

    Attributes:
        mode: How much of it there has to be.
        folder: Where it may write; "" for nowhere.
        read: What it may read besides its own code and drivers.
        devices: Nodes of devices that it may use, and folders of them.
        programs: What it may run. Without any it starts no process.
        secrets: What nobody confined may read: if its code lies around it, that is told.
        user: The user and group that it becomes; 0 to stay who it is.
        groups: Others of its groups then.
        why_no_user: Why it stays root, where it does.
        is_parent: Whether it starts processes of ours, and ends them.
        is_cpu: Whether all its devices are CPUs: memory is then counted, and none is shared.
        group: The control group that its agent put it into; "" for none.
        bounds: What that bounds.
        wrapper: The first process of its namespace, bubblewrap's, by name; "" if it has no namespace.
        pipe: The directory of MPS's daemon, to whose socket it may connect; "" for none.
        lacks: What of its sandbox its agent could not give it, and why, by name.
    """

    mode: Mode = Mode.AUTO
    folder: str = ""
    read: list[str] = []
    devices: list[str] = []
    programs: list[str] = []
    secrets: list[str] = []
    user: int = 0
    groups: list[int] = []
    why_no_user: str = ""
    is_parent: bool = False
    is_cpu: bool = True
    group: str = ""
    bounds: list[str] = []
    wrapper: str = ""
    pipe: str = ""
    lacks: dict[str, str] = {}

    @property
    def has_nvidia(self) -> bool:
        """Whether it may use NVIDIA's GPUs, whose driver needs more than others to start."""
        return any(device.startswith("/dev/nvidia") for device in self.devices)

    def encoded(self) -> str:
        """Return it as JSON, for a command line."""
        return msgspec.json.encode(self).decode()

    def of_parent(self, python: str) -> Policy:
        """Return the policy of who starts processes of ours under this one, by a Python."""
        programs = [*self.programs, os.path.realpath(python)]
        read = [
            *self.read,
            "/proc",
        ]  # what is refused here is refused to children, who have a /proc/self each
        return msgspec.structs.replace(self, is_parent=True, programs=programs, read=read)

    def of_child(self, folder: str) -> Policy:
        """Return the policy of a child with another folder, and the same root folder for drivers."""
        return msgspec.structs.replace(
            self, folder=folder, read=[*self.read, os.path.join(self.folder, ROOT)]
        )


def decode(text: str) -> Policy:
    """Return the policy of a command line.

    Raises:
        ValueError: It is none.
    """
    return msgspec.json.decode(text, type=Policy)


class Level(StrEnum):
    """How much of the sandbox there is."""

    FULL = "full"
    PARTIAL = "partial"
    OFF = "off"


class User(StrEnum):
    """Who a confined process is."""

    OWN = "own"  # nobody else is
    AGENT = "agent"  # an ordinary user, as its agent
    ROOT = "root"  # as its agent


class Sandbox(msgspec.Struct, frozen=True, kw_only=True):
    """What is active; leases may ask for it as `device.attributes.sandbox`.

    Attributes:
        level: How much of it there is.
        landlock: The version of the kernel's Landlock that is used, 0 for none.
        seccomp: Whether system calls are filtered.
        no_new_privs: Whether programs cannot have more rights than who runs them.
        is_hidden: Whether other processes of its user cannot look into it.
        has_capabilities: Whether it has rights that ordinary users have not.
        limits: Whether its resources are limited.
        bubblewrap: Whether it sees nothing but what it may use, in namespaces of its own.
        cgroup: What its control group bounds: "memory", "pids".
        user: Who it is.
        missing: What is not there, and why.
    """

    level: Level = Level.OFF
    landlock: int = 0
    seccomp: bool = False
    no_new_privs: bool = False
    is_hidden: bool = False
    has_capabilities: bool = True
    limits: bool = False
    bubblewrap: bool = False
    cgroup: list[str] = []
    user: User = User.ROOT
    missing: list[str] = []
