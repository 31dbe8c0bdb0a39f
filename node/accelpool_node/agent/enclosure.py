"""What is around an agent's children, where the operator wants more than they can do to themselves."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from accelpool_node.agent.settings import Settings
from accelpool_node.sandbox import bubblewrap, cgroups
from accelpool_node.sandbox.bubblewrap import Bubblewrap
from accelpool_node.sandbox.cgroups import CHILD, Group, Groups
from accelpool_wire.errors import Invalid

log = logging.getLogger(__name__)

AUTO = "auto"


@dataclass(frozen=True, kw_only=True)
class Enclosure:
    """What is around children.

    Attributes:
        groups: Where each gets a control group of its own, or None.
        bubblewrap: What each is started in, or None.
        lacks: What was wanted and is not there, and why, by name.
    """

    groups: Groups | None = None
    bubblewrap: Bubblewrap | None = None
    lacks: Mapping[str, str] = field(default_factory=dict)

    def group(self, number: str) -> Group | None:
        """Return a new group for a child, or None if children have none.

        Raises:
            OSError: It cannot be made.
        """
        return self.groups.make(f"{CHILD}{number}") if self.groups else None


NOTHING = Enclosure()


@contextlib.contextmanager
def enclose(settings: Settings) -> Iterator[Enclosure]:
    """Return what is around children while the context is entered.

    Raises:
        Invalid: A directory for groups that was named cannot be used, or there is no bubblewrap.
    """
    try:
        wrapped = bubblewrap.find(settings.bubblewrap) if settings.bubblewrap else None
    except OSError as error:
        raise Invalid(f"--bubblewrap: {error}") from error
    with contextlib.ExitStack() as held:
        groups, why = _groups(settings.cgroup, held) if settings.cgroup else (None, "")
        if why:
            log.warning("groups of children bound less than they could: %s", why)
        yield Enclosure(groups=groups, bubblewrap=wrapped, lacks={"cgroup": why} if why else {})


def _groups(wanted: str, held: contextlib.ExitStack) -> tuple[Groups | None, str]:
    """Return the delegated directory, and what is missing, if anything."""
    try:
        path = cgroups.delegated() if wanted == AUTO else Path(wanted).resolve()
        groups = held.enter_context(Groups(path))
    except OSError as error:
        why = error.strerror or str(error)
        if wanted == AUTO:
            return None, why
        raise Invalid(f"--cgroup {wanted}: {why}") from error
    return groups, groups.missing
