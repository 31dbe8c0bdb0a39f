"""Where the command line keeps things; the one place where it reads the environment.

variable           meaning
XDG_STATE_HOME     the folder of accelpool/, the pool's database and logs; by default ~/.local/state
XDG_RUNTIME_DIR    where the folders of lease files are made; by default TMPDIR, else /tmp
PATH               where `ld`, and a command to run, is looked for
SHELL              the shell of `accelpool shell`
ACCELPOOL_LEASE_FILE   the lease of this shell, from `accelpool acquire --shell`
ACCELPOOL_DRIVER_PATH  the native driver's library, if it is not where it is installed
ACCELPOOL_ISSUER_CA    the file of the authorities that vouch for an issuer of ID tokens, if not the system's
ACCELPOOL_ID_TOKEN     the ID token of the CI job that this is
ACTIONS_ID_TOKEN_REQUEST_URL, ACTIONS_ID_TOKEN_REQUEST_TOKEN   where GitHub gives it one
CI_JOB_STARTED_AT, CI_JOB_TIMEOUT   when GitLab has started it, and for how many seconds it may run
ACCELPOOL_...      as for the SDK: see `accelpool.settings`
"""

from __future__ import annotations

import os
import tempfile
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
        runtime_dir: Where the folders of lease files are made.
        variables: What child processes see of the environment: all but names of ours.
        inherited: The whole environment, for commands that are the user's own.
        path: The value of PATH.
        shell: The user's shell, or None.
        lease_file: The file of this shell's lease, or None.
        driver: Where the native driver is said to be, or None.
        issuer_ca: The file of the authorities that vouch for issuers; "" for those of the system.
        id_token: The ID token of the CI job that this is, or None.
        github_url: Where GitHub gives the job one, or None.
        github_token: With which token, or None.
        job_started_at: When GitLab has started the job, as it says it; or "".
        job_timeout_s: For how long it may run, as GitLab says it; or "".
    """

    state_dir: Path
    sdk: Settings
    runtime_dir: Path
    variables: Mapping[str, str] = field(repr=False)
    inherited: Mapping[str, str] = field(repr=False)
    path: str | None = None
    shell: str | None = None
    lease_file: Path | None = None
    driver: str | None = None
    issuer_ca: str = ""
    id_token: str | None = field(default=None, repr=False)
    github_url: str | None = None
    github_token: str | None = field(default=None, repr=False)
    job_started_at: str = ""
    job_timeout_s: str = ""

    @property
    def has_more_id_tokens(self) -> bool:
        """Whether the CI job that this is gets an ID token whenever it asks for one, each good once."""
        return bool(not self.id_token and self.github_url and self.github_token)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> CliSettings:
        """Return the settings of an environment, by default this process's."""
        env = os.environ if environ is None else environ
        state = env.get("XDG_STATE_HOME") or Path(env.get("HOME") or "~").expanduser() / ".local" / "state"
        lease_file = env.get("ACCELPOOL_LEASE_FILE")
        return cls(
            state_dir=Path(state) / "accelpool",
            runtime_dir=Path(env.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()).absolute(),
            sdk=Settings.from_environment(env),
            variables={name: value for name, value in env.items() if not name.startswith(OWN_PREFIX)},
            inherited=dict(env),
            path=env.get("PATH"),
            shell=env.get("SHELL"),
            lease_file=Path(lease_file) if lease_file else None,
            driver=env.get("ACCELPOOL_DRIVER_PATH") or None,
            issuer_ca=env.get("ACCELPOOL_ISSUER_CA") or "",
            id_token=env.get("ACCELPOOL_ID_TOKEN") or None,
            github_url=env.get("ACTIONS_ID_TOKEN_REQUEST_URL") or None,
            github_token=env.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN") or None,
            job_started_at=env.get("CI_JOB_STARTED_AT", ""),
            job_timeout_s=env.get("CI_JOB_TIMEOUT", ""),
        )
