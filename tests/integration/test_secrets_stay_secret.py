"""Nothing that broker and agent log, at their most talkative, and nothing in the audit log is a secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests

import accelpool as cl

from ..conftest import Pool


@pytest.mark.parametrize(("has_tls", "log_format"), [(False, "text"), (True, "json")])
def test_no_secret_is_in_any_log(tmp_path: Path, has_tls: bool, log_format: str) -> None:
    pool = Pool(folder=tmp_path, backend="null:1", is_verbose=True, has_tls=has_tls, log_format=log_format)
    pool.start()
    try:
        secrets = use(pool)
    finally:
        pool.stop()
    logs = {file.name: file.read_text() for file in tmp_path.glob("*.log")}
    assert set(logs) == {"broker.log", "agent-1.log"}
    assert min(map(len, logs.values())) > 100
    found = [(name, secret[:12]) for name, log in logs.items() for secret in secrets if secret in log]
    assert found == []


def use(pool: Pool) -> list[str]:
    """Do with a pool all that has to do with secrets; return them."""
    secrets: list[str] = [pool.token]

    def call(method: str, path: str, body: Any = None, token: str = "") -> Any:
        header = {"Authorization": f"Bearer {token or pool.token}"}
        answer = requests.request(
            method, pool.url + path, json=body, headers=header, timeout=60, verify=pool.ca or True
        )
        return answer.json() if answer.content else None

    call("POST", "/accounts", {"name": "mira", "tenants": ["vision"]})
    made = call("POST", "/tokens", {"name": "t", "account": "mira"})
    rotated = call("POST", f"/tokens/{made['id']}/rotate", {"overlap_s": 60})
    joining = call("POST", "/join-tokens", {})
    lease = call("POST", "/leases?wait_s=20", {"ttl_s": 60}, rotated["token"])
    call("POST", f"/leases/{lease['id']}/buffers", {"size_bytes": 16}, rotated["token"])
    call("DELETE", f"/leases/{lease['id']}", token=rotated["token"])
    with cl.Broker(pool.url, made["token"], pool.ca) as broker, broker.acquire(wait=20) as context:
        cl.CommandQueue(context).finish()
    for path in ("/leases", f"/leases/{lease['id']}", "/nowhere"):
        call("GET", path, token="apu_somebody-elses")
    call("POST", "/nodes/other/enrol", {"sha256": "0" * 63}, joining["token"])
    call("DELETE", f"/tokens/{made['id']}")
    call("GET", "/leases", token=made["token"])
    secrets += [made["token"], rotated["token"], joining["token"], lease["endpoints"][0]["token"]]
    secrets += ["apu_somebody-elses", (pool.folder / "node-1" / "token").read_text().strip()]
    secrets += (pool.folder / "broker" / "signing.key").read_text().splitlines()[1:-1]
    for file in pool.folder.glob("ca/*.key"):
        secrets += file.read_text().splitlines()[1:-1]
    audit = json.dumps(call("GET", "/audit?limit=500"))
    assert [secret for secret in secrets if secret in audit] == []
    return secrets
