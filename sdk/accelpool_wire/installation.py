"""How to install more of this distribution, which is on no package index: from where it came itself."""

from __future__ import annotations

import json
import os
import shlex
from importlib import metadata
from typing import Any
from urllib.parse import unquote, urlsplit

DISTRIBUTION = "accelpool"


def install_command(*extras: str) -> str:
    """Return the command that installs extras of this distribution, beside what is installed of it.

    Args:
        extras: Their names, as `pyproject.toml` has them.
    """
    return command_from(_origin(), extras)


def command_from(origin: dict[str, Any] | None, extras: tuple[str, ...]) -> str:
    """Return the command that installs extras from where a distribution came from.

    Args:
        origin: Its `direct_url.json` (PEP 610); None where nobody knows, or it is there no more.
        extras: Their names.
    """
    wanted = f"[{','.join(extras)}]"
    if origin is None:
        return f"pip install {shlex.quote('.' + wanted)} in a clone of {DISTRIBUTION}"
    if origin.get("dir_info", {}).get("editable"):
        return f"pip install --editable {shlex.quote(_path(origin['url']) + wanted)}"
    vcs = origin.get("vcs_info")
    url = f"{vcs['vcs']}+{origin['url']}@{vcs['commit_id']}" if vcs else origin["url"]
    return f"pip install {shlex.quote(f'{DISTRIBUTION}{wanted} @ {url}')}"


def _origin() -> dict[str, Any] | None:
    """Return where this distribution was installed from, as far as that is known and still there."""
    try:
        said = metadata.distribution(DISTRIBUTION).read_text("direct_url.json")
        origin: dict[str, Any] = json.loads(said or "null") or {}
    except (metadata.PackageNotFoundError, ValueError):
        return None
    return origin if _may_be_told(origin) else None


def _may_be_told(origin: dict[str, Any]) -> bool:
    """Whether a command may name an origin: it is still there, and has nothing secret in it.

    Installers leave passwords out (PEP 610), but may keep the signature of a URL, which is in its query.
    """
    url = urlsplit(origin.get("url", ""))
    if url.scheme == "file":
        return os.path.exists(unquote(url.path))  # unlike Path.exists, where it may not look, too
    is_plain = not url.password and not url.query and url.username in (None, "git")
    return bool(url.scheme) and is_plain and "subdirectory" not in origin


def _path(url: str) -> str:
    return unquote(urlsplit(url).path)
