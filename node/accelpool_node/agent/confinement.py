"""What the agent decides about its children's sandboxes: folders, users, what each may use.

The children confine themselves: see `accelpool_node.sandbox`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from accelpool_node.agent.background import call_in_thread
from accelpool_node.agent.devices import NodeDevice
from accelpool_node.agent.enclosure import NOTHING, Enclosure
from accelpool_node.drivers import DriverEnvironment
from accelpool_node.mps import LACK
from accelpool_node.sandbox import folders, paths
from accelpool_node.sandbox.bubblewrap import Bubblewrap
from accelpool_node.sandbox.cgroups import Group
from accelpool_node.sandbox.policy import Mode, Policy

log = logging.getLogger(__name__)

POCL = "Portable Computing Language"


@dataclass(frozen=True, kw_only=True)
class Jail:
    """What an agent makes around a child before it starts it.

    Attributes:
        folder: Its own.
        policy: What it may do; to that it confines itself.
        variables: Its environment.
        group: Its control group, if it has one.
        bubblewrap: What it is to be started in, if anything.
    """

    folder: Path
    policy: Policy
    variables: dict[str, str]
    group: Group | None = None
    bubblewrap: Bubblewrap | None = None

    @property
    def bounds_tasks(self) -> bool:
        """Whether the kernel bounds its processes and threads: those of its user, or of its group."""
        return bool(self.policy.user or "pids" in self.policy.bounds)


class Confinement:
    """The sandboxes of an agent's children.

    Args:
        mode: How much of one there has to be.
        folder: Where each child gets a folder of its own; emptied at first.
        secrets: What no child may read.
        users: Numbers of users that are nobody's, one for each child; none to have them stay who they are.
        groups: Other groups of theirs.
        why_no_user: Why there are none, where there should be.
        enclosure: What is around them.
    """

    def __init__(
        self,
        mode: Mode,
        folder: Path,
        *,
        secrets: Sequence[Path] = (),
        users: Sequence[int] = (),
        groups: Sequence[int] = (),
        why_no_user: str = "",
        enclosure: Enclosure = NOTHING,
    ) -> None:
        self._mode = mode
        self._folder = folder
        self._secrets = [str(secret) for secret in secrets]
        self._free_users = list(users)
        self._has_users = bool(users)
        self._groups = list(groups)
        self._why_no_user = why_no_user
        self._enclosure = enclosure
        self._made = 0
        self._removing: set[asyncio.Task[None]] = set()

    def clear(self) -> None:
        """Remove what an earlier agent left.

        Raises:
            OSError: It cannot be removed.
        """
        folders.remove(self._folder)

    def begin(self, environment: DriverEnvironment) -> Jail:
        """Make room for a child.

        Raises:
            OSError: There is none.
        """
        if self._has_users and not self._free_users:
            raise BlockingIOError("every user that is there for workers has one")
        user = self._free_users.pop(0) if self._has_users else 0
        self._made += 1
        folder, group = self._folder / str(self._made), None
        try:
            group = self._enclosure.group(str(self._made))
            folders.make(folder, user)
        except OSError:
            if group:
                group.remove()
            self._let_go(user)
            raise
        return Jail(
            folder=folder,
            policy=self._policy(environment, folder, user, group),
            variables={**environment.variables, **folders.variables(folder)},
            group=group,
            bubblewrap=self._enclosure.bubblewrap,
        )

    def end(self, jail: Jail) -> None:
        """Clear up after a child, which has ended."""
        task = asyncio.create_task(self._clear_up(jail))
        self._removing.add(task)
        task.add_done_callback(self._removing.discard)

    async def finish(self) -> None:
        """Wait until what is being cleared up is gone."""
        await asyncio.gather(*self._removing, return_exceptions=True)

    async def _clear_up(self, jail: Jail) -> None:
        """Remove its group and its folder; its user is the next one's once nothing of it is left."""
        try:
            await call_in_thread(lambda: _remove(jail))
        except OSError as error:
            log.warning("what a process had is left behind in %s: %s", jail.folder, error)
        else:
            self._let_go(jail.policy.user)

    def _let_go(self, user: int) -> None:
        if user:
            self._free_users.append(user)

    def _policy(self, environment: DriverEnvironment, folder: Path, user: int, group: Group | None) -> Policy:
        return Policy(
            mode=self._mode,
            folder=str(folder),
            read=[*paths.found(paths.SYSTEM), *environment.read],
            devices=paths.found(environment.nodes),
            programs=paths.linkers(environment.variables.get("PATH", "")) if environment.links else [],
            secrets=self._secrets,
            user=user,
            groups=self._groups,
            why_no_user=self._why_no_user,
            is_cpu=environment.is_cpu,
            group=group.path.name if group else "",
            bounds=list(group.bounds) if group else [],
            wrapper=self._enclosure.bubblewrap.name if self._enclosure.bubblewrap else "",
            pipe=environment.pipe,
            lacks={**self._enclosure.lacks, **({"mps": LACK} if environment.pipe else {})},
        )


def _remove(jail: Jail) -> None:
    if jail.group:
        jail.group.remove()
    folders.remove(jail.folder)


def narrowed(environment: DriverEnvironment, devices: Iterable[NodeDevice]) -> DriverEnvironment:
    """Return an environment whose children may use what its devices need, and no more."""
    found = [device.report for device in devices if device.backend_name]
    if not found:
        return environment
    is_cpu = environment.is_cpu or all(report.kind == "cpu" for report in found)
    return dataclasses.replace(
        environment,
        is_cpu=is_cpu,
        nodes=[node for node in environment.nodes if not is_cpu or node not in paths.DEVICES],
        links=any(report.attributes.get("platform_name") == POCL for report in found),
    )
