"""A lease of a pool, and the file that tells the driver of it: what `accelpool run` will write."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

TTL_S = 86400  # nobody renews it, and a module may take long on a busy machine


@contextlib.contextmanager
def leased(url: str, token: str, folder: Path, asked: dict[str, Any]) -> Iterator[Path]:
    """Have a lease, and yield the file that names its endpoints."""
    headers = {"Authorization": f"Bearer {token}"}
    body = {"ttl_s": TTL_S, **asked}
    answer = requests.post(f"{url}/leases?wait_s=20", json=body, headers=headers, timeout=60)
    answer.raise_for_status()
    lease = answer.json()
    assert lease["state"] == "active", lease
    try:
        yield write_lease_file(folder / f"{lease['id']}.json", lease)
    finally:
        requests.delete(f"{url}/leases/{lease['id']}", headers=headers, timeout=60).raise_for_status()


@contextlib.contextmanager
def all_leased(url: str, token: str, folder: Path) -> Iterator[Path]:
    """Have a lease of all of a pool's devices."""
    with leased(url, token, folder, {"kind": "any", "count": len(devices_of(url, token))}) as path:
        yield path


def devices_of(url: str, token: str) -> list[dict[str, Any]]:
    """Return a pool's devices."""
    answer = requests.get(f"{url}/devices", headers={"Authorization": f"Bearer {token}"}, timeout=60)
    answer.raise_for_status()
    return answer.json()["items"]


def write_lease_file(path: Path, lease: dict[str, Any]) -> Path:
    """Write what the driver reads of a lease, readable by nobody else, in one step."""
    content = {"lease": lease["id"], "expires_at": lease["expires_at"], "endpoints": lease["endpoints"]}
    part = path.with_suffix(".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(content, file)
    part.replace(path)
    return path
