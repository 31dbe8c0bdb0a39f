"""What the user's environment says. The one place where the SDK reads it.

variable           meaning
ACCELPOOL_URL      the broker's URL
ACCELPOOL_TOKEN    the token for it
ACCELPOOL_INSECURE 1: nodes need no TLS, though the broker has it
ACCELPOOL_CA       the file of the authorities that vouch for the broker's certificate, if not the system's
ACCELPOOL_PROGRESS 1: progress bars also where stderr is no terminal; 0: none anywhere
XDG_CONFIG_HOME    the folder of accelpool/credentials.json, by default ~/.config
PYOPENCL_CTX       answers for `create_some_context`, as for PyOpenCL: "platform:device"
PYOPENCL_BUILD_OPTIONS  more options for every build, as for PyOpenCL
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from accelpool import credentials
from accelpool.credentials import Credentials
from accelpool.errors import AccelpoolError, Invalid, Unauthorized


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The environment's say, unchecked.

    Attributes:
        url: The broker's URL, or None.
        token: The token for it, or None.
        ca: The file of authorities, or None.
        is_insecure: Whether nodes need no TLS, though the broker has it.
        credentials_path: Where the credentials file is looked for.
        context_answers: Answers for `create_some_context`, or None.
        build_options: More options for every build.
        has_progress: Whether progress has bars; None for wherever there is a terminal.
    """

    url: str | None = None
    token: str | None = None
    ca: str | None = None
    is_insecure: bool = False
    credentials_path: Path
    context_answers: tuple[str, ...] | None = None
    build_options: tuple[str, ...] = ()
    has_progress: bool | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Settings:
        """Return the settings of an environment, by default this process's."""
        env = os.environ if environ is None else environ
        config = env.get("XDG_CONFIG_HOME") or str(Path(env.get("HOME") or "~").expanduser() / ".config")
        answers = env.get("PYOPENCL_CTX")
        return cls(
            url=env.get("ACCELPOOL_URL") or None,
            token=env.get("ACCELPOOL_TOKEN") or None,
            ca=str(Path(env["ACCELPOOL_CA"]).absolute()) if env.get("ACCELPOOL_CA") else None,
            is_insecure=env.get("ACCELPOOL_INSECURE") == "1",
            credentials_path=Path(config) / "accelpool" / "credentials.json",
            context_answers=None if answers is None else tuple(answers.split(":")),
            build_options=tuple(env.get("PYOPENCL_BUILD_OPTIONS", "").split()),
            has_progress={"1": True, "0": False}.get(env.get("ACCELPOOL_PROGRESS", "")),
        )

    def credentials(self, url: str | None = None, token: str | None = None) -> Credentials:
        """Return the pool to use: what is given, else the variables, else the credentials file.

        The file's token is used only for the file's URL.

        Raises:
            Invalid: The URL is none of a broker, or the token none of a pool.
            Unauthorized: No pool is known, or no token for it.
        """
        url, token = url or self.url, _checked_token(token or self.token)
        if url:
            check_broker_url(url)
        if url and token:
            return Credentials(
                url=url.rstrip("/"), token=token, ca=self.ca or "", is_insecure=self.is_insecure
            )
        saved = credentials.load(self.credentials_path)
        if saved is None:
            raise Unauthorized(
                f"{self._missing(url)}: start a pool on this machine with `accelpool up`, "
                "log in to one with `accelpool login --url URL`, "
                "or set ACCELPOOL_URL and ACCELPOOL_TOKEN to those of a running one"
            )
        if url and url.rstrip("/") != saved.url.rstrip("/"):
            raise Unauthorized(
                f"no token for {url}: {self.credentials_path} has one for {saved.url}; "
                "set ACCELPOOL_TOKEN, or in Python pass token=..."
            )
        ca = self.ca or saved.ca
        return Credentials(
            url=saved.url.rstrip("/"),
            token=token or saved.token,
            ca=ca,
            audience="" if token else saved.audience,
            is_insecure=self.is_insecure,
        )

    def _missing(self, url: str | None) -> str:
        what = f"no token for {url}" if url else "no pool is known"
        return f"{what} (there is no {self.credentials_path})"


def token_now(url: str) -> str:
    """Return the token that the environment has for a pool now, "" if none: it may have been rotated."""
    try:
        return Settings.from_environment().credentials(url).token
    except AccelpoolError:
        return ""


def _checked_token(token: str | None) -> str | None:
    """Return a token without the end of line that files have; what no header carries is refused unquoted."""
    token = token.strip() if token else None
    if token and not re.fullmatch("[!-~]+", token):
        what = "a token is ASCII letters, digits and signs, without spaces; this one has others"
        raise Invalid(what, parameter="token")
    return token


def check_broker_url(url: str) -> None:
    """Refuse what is no broker's URL.

    Raises:
        Invalid: It is none.
    """
    if not url.startswith(("http://", "https://")):
        hint = "" if "://" in url else f"; is it http://{url}?"
        raise Invalid(f"a broker's URL begins with http:// or https://, not {url!r}{hint}", parameter="url")
