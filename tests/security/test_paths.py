"""Names that climb out of where they belong: they name nothing, and nothing is read or written there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error

from ..integration.scripted_device import CONTEXT, Device
from .sessions import Tenant, tenant

CLIMBING = (
    "..", "../tokens.json", "../../etc/passwd", "/etc/passwd", "....//etc/passwd", "..\\tokens.json",
    "%2e%2e/tokens.json", "%252e%252e%252ftokens.json", "saxpy/../../../etc/passwd", "saxpy\0.cl", "./saxpy",
    "saxpy.cl", "cl/saxpy", "file:///etc/passwd", "~", "C:\\x", "\u2024\u2024/tokens.json",
)  # fmt: skip


@pytest.fixture(scope="module")
def http(null_pool: Any) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {null_pool.token}"
        yield session


@pytest.fixture(scope="module")
def one(null_pool: Any) -> Iterator[Tenant]:
    with tenant(null_pool, "paths") as found:
        yield found


def request(http: requests.Session, method: str, url: str, **options: Any) -> requests.Response:
    """Send a path as it is written: it is not tidied up first."""
    prepared = http.prepare_request(requests.Request(method, "http://pool", **options))
    prepared.url = url
    return http.send(prepared, timeout=60)


@pytest.mark.parametrize("name", CLIMBING)
@pytest.mark.parametrize(
    "path",
    [
        "/kernels/{}",
        "/nodes/{}",
        "/devices/{}",
        "/leases/{}",
        "/leases/{}/programs",
        "/docs/{}",
        "/static/{}",
    ],
)
@pytest.mark.parametrize("is_quoted", [True, False])
def test_no_path_leads_out(
    null_pool: Any, http: requests.Session, path: str, name: str, is_quoted: bool
) -> None:
    written = quote(name, safe="") if is_quoted else quote(name, safe="/%.~:\\")
    answer = request(http, "GET", null_pool.url + path.format(written))
    assert answer.status_code in (400, 401, 404, 405)
    assert null_pool.token not in answer.text
    assert "root:" not in answer.text


@pytest.mark.parametrize("name", CLIMBING)
def test_a_kernel_of_the_library_is_named_not_found_by_its_file(one: Tenant, name: str) -> None:
    assert one.call("POST", "/programs", json={"kernel": name}).status_code == 404


@pytest.mark.parametrize("name", [name for name in CLIMBING if name not in ("saxpy.cl", "cl/saxpy")])
def test_no_tenant_or_node_has_such_a_name(null_pool: Any, http: requests.Session, name: str) -> None:
    answer = request(http, "PUT", f"{null_pool.url}/tenants/{quote(name, safe='')}", json={})
    assert answer.status_code in (404, 422)
    answer = http.post(f"{null_pool.url}/leases", json={"tenant": name}, timeout=60)
    assert answer.status_code == 422
    token = (Path(null_pool.folder) / "node-1" / "token").read_text("ascii").strip()
    body = {"address": {"host": "127.0.0.1", "port": 1}, "boot_id": "b", "devices": []}
    url = f"{null_pool.url}/nodes/{quote(name, safe='')}"
    with requests.Session() as node:
        node.headers["Authorization"] = f"Bearer {token}"
        assert request(node, "PUT", url, json=body).status_code in (403, 404, 422)


# ---- headers of programs ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["/abs.h", "../up.h", "a/../../up.h", "a/b/../../../up.h", "..", "a/..", ".", "a/", "./../up.h"]
)
def test_a_headers_name_does_not_lead_out_of_its_folder(device: Device, name: str) -> None:
    device.say(m.CreateProgramWithSource(50, CONTEXT, f'#include "{name}"\nkernel void k() {{}}'))
    device.say(m.CreateProgramWithSource(51, CONTEXT, "int a;"))
    answer = device.ask(m.CompileProgram(50, [0], "", [51], [name]))
    assert isinstance(answer, m.Failed)
    assert answer.code == ErrorCode.INVALID_VALUE


@pytest.mark.parametrize("name", ["a.h", "a/b.h", "a/../b.h", "./b.h", "a/b/../c.h", "...h", "..a/b.h"])
def test_a_headers_name_may_move_about_in_its_folder(device: Device, name: str) -> None:
    device.say(m.CreateProgramWithSource(50, CONTEXT, f'#include "{name}"\nkernel void k() {{}}'))
    device.say(m.CreateProgramWithSource(51, CONTEXT, "int a;"))
    assert isinstance(device.ask(m.CompileProgram(50, [0], "", [51], [name])), m.Built)


@pytest.mark.opencl
@pytest.mark.parametrize("name", ["{}", "../" * 40 + "{}", "a/" + "../" * 40 + "{}"])
def test_no_header_is_written_elsewhere(opencl_pool: Any, tmp_path: Path, name: str) -> None:
    target = tmp_path / "written" / "by-a-tenant.h"
    with tenant(opencl_pool, "writer", kind="cpu") as one:
        client = one.client
        context = client.context()
        program = client.program(context, "kernel void k() {}")
        header = client.program(context, "int a;")
        message = m.CompileProgram(program, [0], "", [header], [name.format(target)])
        with contextlib.suppress(Error):
            client.connection.call(message, 30)
    assert not target.exists()
    assert not os.listdir(tmp_path)
