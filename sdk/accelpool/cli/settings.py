"""Where the command line keeps things; the one place where it reads the environment.

variable           meaning
XDG_STATE_HOME     the folder of accelpool/, the pool's database and logs; by default ~/.local/state
PATH               where `ld` is looked for
ACCELPOOL_...      as for the SDK: see `accelpool.settings`
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from accelpool.settings import Settings

OWN_PREFIX = "ACCELPOOL_"


@dataclass(frozen=True, kw_only=True)
class CliSettings:
    """The command line's settings.

    Attributes:
        state_dir: Where `accelpool up` and `accelpool broker` keep their state.
        sdk: The SDK's settings.
        variables: What child processes see of the environment: all but names of ours.
        path: The value of PATH.
    """

    state_dir: Path
    sdk: Settings
    variables: Mapping[str, str] = field(repr=False)
    path: str | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> CliSettings:
        """Return the settings of an environment, by default this process's."""
        env = os.environ if environ is None else environ
        state = env.get("XDG_STATE_HOME") or Path(env.get("HOME") or "~").expanduser() / ".local" / "state"
        return cls(
            state_dir=Path(state) / "accelpool",
            sdk=Settings.from_environment(env),
            variables={name: value for name, value in env.items() if not name.startswith(OWN_PREFIX)},
            path=env.get("PATH"),
        )
