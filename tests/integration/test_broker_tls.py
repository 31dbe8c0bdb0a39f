"""The broker over TLS, with certificates of `accelpool ca`: who is trusted, what is refused, how keys
change."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization

from accelpool.cli.certificate_authority import CertificateAuthority
from accelpool.cli.failures import CommandFailed
from accelpool.errors import ConnectError, Invalid
from accelpool.rest import RestClient
from accelpool.settings import Settings
from accelpool_broker.testing import registration
from accelpool_node.agent.broker import Broker as NodesBroker
from accelpool_node.agent.contract import Address, Registration

from ..conftest import wait_until
from .broker_tls_rig import HOSTS, certificate_at, issued, options, started, stop
from .test_broker_process import Broker


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    made = CertificateAuthority(tmp_path_factory.mktemp("ca") / "ca")
    made.create()
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An authority of the test's own, and a certificate for this machine."""
    return issued(tmp_path / "ca")


@pytest.fixture(scope="module")
def standing_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for tests that change nothing of it."""
    return issued(tmp_path_factory.mktemp("standing") / "ca")


@pytest.fixture
def broker(folder: Path, tmp_path: Path) -> Iterator[Broker]:
    yield from started(folder, tmp_path / "state")


@pytest.fixture(scope="module")
def standing(standing_folder: Path) -> Iterator[Broker]:
    """A broker for tests that change nothing of its certificate."""
    yield from started(standing_folder, standing_folder.with_name("state"))


def test_clients_that_trust_the_authority_are_served_over_tls(
    standing: Broker, standing_folder: Path
) -> None:
    assert standing.url.startswith("https://127.0.0.1:")
    client = RestClient(standing.url, standing.tokens["user"], str(standing_folder / "ca.pem"))
    assert client.request("GET", "/devices").body["items"] == []
    client.close()


def test_a_name_of_the_certificate_will_do_as_well(standing: Broker, standing_folder: Path) -> None:
    client = RestClient(
        f"https://localhost:{standing.port}", standing.tokens["user"], str(standing_folder / "ca.pem")
    )
    assert client.request("GET", "/devices").body["items"] == []
    client.close()


def test_clients_that_trust_somebody_else_say_nothing(
    standing: Broker, authority: CertificateAuthority
) -> None:
    unknown = f"the certificate of the broker at {standing.url} is from no authority "
    for ca, told in (
        (str(authority.cert), unknown + rf"in {authority.cert} \(ACCELPOOL_CA\): .+"),
        ("", unknown + r"that this machine knows: .*; ACCELPOOL_CA names the file of the pool's own"),
    ):
        assert re.fullmatch(told, refused(standing.url, ca))


def test_a_file_of_authorities_that_cannot_be_used_is_told(standing: Broker, standing_folder: Path) -> None:
    for name, told in (
        ("none.pem", "cannot be read: No such file or directory"),
        ("ca.key", "holds no certificate in PEM"),
    ):
        file = standing_folder / name
        assert refused(standing.url, str(file)) == f"the file of authorities {file} (ACCELPOOL_CA) {told}"


def test_a_client_that_says_the_wrong_scheme_or_name_is_told_the_right_one(
    standing: Broker, standing_folder: Path, tmp_path: Path
) -> None:
    ca = str(standing_folder / "ca.pem")
    plain = standing.url.replace("https", "http")
    assert refused(plain, ca) == f"the broker at {plain} does TLS: say {standing.url}"
    with socket.create_server(("127.0.0.2", 0)) as server:
        door = threading.Thread(target=hand_on, args=(server, standing.port), daemon=True)
        door.start()
        other = f"https://127.0.0.2:{server.getsockname()[1]}"
        assert refused(other, ca) == (
            f"the certificate of the broker at {other} is for other names: say one of its names, "
            "or have it made for this one, too: `accelpool ca issue DIR --host NAME`"
        )
    without = Broker(tmp_path / "without", 0, has_node=False)
    try:
        secured = without.url.replace("http", "https")
        assert refused(secured, ca) == (
            f"what answers at {secured} does no TLS: a broker that does none is at {without.url}"
        )
    finally:
        stop(without)


def refused(url: str, ca: str) -> str:
    """Return what a client is told that comes to no broker."""
    client = RestClient(url, "t", ca)
    with pytest.raises(ConnectError) as caught:
        client.request("GET", "/devices")
    client.close()
    return str(caught.value)


def hand_on(server: socket.socket, port: int) -> None:
    """Let one client come to a port of 127.0.0.1 by another address."""
    stream, _ = server.accept()
    with stream, socket.create_connection(("127.0.0.1", port), 60) as broker:
        stream.settimeout(60)
        broker.settimeout(60)
        broker.sendall(stream.recv(65536))
        with contextlib.suppress(OSError):
            while part := broker.recv(65536):
                stream.sendall(part)


def test_an_agent_registers_over_tls(
    standing: Broker, standing_folder: Path, authority: CertificateAuthority
) -> None:
    address = Address(host="h", port=7, certificate_sha256="ab" * 32)
    registration = Registration(address=address, version="1", boot_id="b", devices=[])
    NodesBroker(standing.url, "n1", standing.tokens["node"], standing_folder / "ca.pem").register(
        registration
    )
    client = RestClient(standing.url, standing.tokens["user"], str(standing_folder / "ca.pem"))
    (node,) = client.request("GET", "/nodes").body["items"]
    assert node["address"] == {"host": "h", "port": 7, "certificate_sha256": "ab" * 32}
    client.close()
    plain = standing.url.replace("https", "http")
    for url, ca, error, told in (
        (standing.url, authority.cert, ConnectError, rf"no authority in {authority.cert} \(--ca\)"),
        (
            standing.url,
            standing_folder / "none.pem",
            Invalid,
            r"none\.pem \(--ca\) cannot be read: No such file",
        ),
        (standing.url, None, Invalid, "no authority that this machine knows: .*; --ca names the file"),
        (plain, standing_folder / "ca.pem", Invalid, f"does TLS: say {standing.url}"),
    ):
        with pytest.raises(error, match=told):
            NodesBroker(url, "n1", standing.tokens["node"], ca).register(registration)


def test_nothing_but_http_1_1_is_spoken_over_tls(standing: Broker, standing_folder: Path) -> None:
    context = ssl.create_default_context(cafile=standing_folder / "ca.pem")
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", standing.port), 60) as stream,
        context.wrap_socket(stream, server_hostname="127.0.0.1") as secured,
    ):
        assert secured.selected_alpn_protocol() == "http/1.1"
        secured.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert not secured.recv(100).startswith(b"\0")  # a frame of HTTP/2


def test_an_older_tls_and_the_clear_are_refused(standing: Broker, standing_folder: Path) -> None:
    context = ssl.create_default_context(cafile=standing_folder / "ca.pem")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", standing.port), 60) as stream, pytest.raises(ssl.SSLError):
        context.wrap_socket(stream, server_hostname="127.0.0.1")
    with socket.create_connection(("127.0.0.1", standing.port), 60) as stream:
        stream.sendall(b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n")
        assert not stream.recv(100).startswith(b"HTTP")


def test_the_certificate_is_read_again_at_sighup_and_no_request_is_lost(broker: Broker, folder: Path) -> None:
    before = certificate_at(broker.port, folder / "ca.pem")
    client = RestClient(broker.url, broker.tokens["user"], str(folder / "ca.pem"))
    node = RestClient(broker.url, broker.tokens["node"], str(folder / "ca.pem"))
    node.request("PUT", "/nodes/n1", json=registration("gpu"))
    for _ in range(2):
        lease = client.request("POST", "/leases", json={"kind": "any"})
    answers: list[object] = []

    def wait_long() -> None:
        answer = client.request("GET", f"/leases/{lease.body['id']}", params={"wait_s": 3}, wait_s=3)
        answers.append(answer.body["state"])

    waiting = threading.Thread(target=wait_long)
    waiting.start()
    CertificateAuthority(folder).issue(HOSTS)
    broker.process.send_signal(signal.SIGHUP)
    wait_until(lambda: certificate_at(broker.port, folder / "ca.pem") != before)
    waiting.join()
    assert answers == ["queued"]
    client.close()
    node.close()


def test_a_certificate_that_cannot_be_used_does_not_replace_one_that_can(
    broker: Broker, folder: Path
) -> None:
    before = certificate_at(broker.port, folder / "ca.pem")
    (folder / "127.0.0.1.pem").write_text("not a certificate")
    broker.process.send_signal(signal.SIGHUP)
    for _ in range(5):
        assert certificate_at(broker.port, folder / "ca.pem") == before


def test_a_broker_that_is_told_to_end_while_it_reads_a_certificate_ends(broker: Broker, folder: Path) -> None:
    file = folder / "127.0.0.1.pem"
    file.unlink()
    os.mkfifo(file)
    broker.process.send_signal(signal.SIGHUP)
    with contextlib.suppress(BrokenPipeError), file.open("w") as content:  # it reads
        broker.process.send_signal(signal.SIGTERM)
        content.write("not a certificate")  # unless the signal has interrupted it
    assert broker.process.wait(timeout=60) == 0


def test_a_new_authority_is_trusted_beside_the_old_one(broker: Broker, folder: Path) -> None:
    before = certificate_at(broker.port, folder / "ca.pem")
    CertificateAuthority(folder).renew()
    assert certificate_at(broker.port, folder / "ca.pem") == before  # the old one's
    CertificateAuthority(folder).issue(HOSTS)
    broker.process.send_signal(signal.SIGHUP)
    wait_until(lambda: certificate_at(broker.port, folder / "ca.pem") != before)


# ---- what cannot be started ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--host", "0.0.0.0"], "say --insecure"),
        (["--host", "::"], "say --insecure"),
        (["--tls-cert", "x"], "belong together"),
        (["--tls-cert", "x", "--tls-key", "y"], "x cannot be read: No such file or directory"),
        (["--tls-cert", "/dev/null", "--tls-key", "y"], "y cannot be read: No such file or directory"),
        (
            ["--tls-cert", "/dev/null", "--tls-key", "/dev/null"],
            "/dev/null and /dev/null are no certificate and its key",
        ),
        (["--tls-cert", "x", "--tls-key", "y", "--insecure"], "does without TLS"),
    ],
)
def test_a_broker_that_would_show_its_tokens_does_not_start(
    tmp_path: Path, given: list[str], words: str
) -> None:
    args = [sys.executable, "-m", "accelpool_broker", "--port", "0", "--state-dir", str(tmp_path), *given]
    ended = subprocess.run(args, capture_output=True, text=True, timeout=60)
    assert (ended.returncode, words in ended.stderr) == (2, True), ended.stderr


def test_a_key_that_needs_a_password_is_not_asked_for(folder: Path, tmp_path: Path) -> None:
    file = folder / "127.0.0.1.key"
    key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    way = serialization.BestAvailableEncryption(b"secret")
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, way))
    args = [sys.executable, "-m", "accelpool_broker", "--port", "0", "--state-dir", str(tmp_path / "state")]
    ended = subprocess.run([*args, *options(folder)], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, "are no certificate and its key" in ended.stderr) == (2, True), ended.stderr


def test_an_insecure_broker_on_any_address_starts(tmp_path: Path) -> None:
    running = Broker(tmp_path / "state", 0, "--host", "0.0.0.0", "--insecure", has_node=False)
    assert running.url.startswith("http://0.0.0.0:")
    client = RestClient(f"http://127.0.0.1:{running.port}", running.tokens["user"])
    assert client.request("GET", "/devices").body["items"] == []
    client.close()
    stop(running)


# ---- the authority ---------------------------------------------------------------------------------------


def test_keys_are_for_their_owner_alone(folder: Path) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {"ca.key": 0o600, "ca.pem": 0o644, "127.0.0.1.key": 0o600, "127.0.0.1.pem": 0o644}


def test_an_authority_is_not_made_twice(folder: Path) -> None:
    with pytest.raises(CommandFailed, match="accelpool ca renew"):
        CertificateAuthority(folder).create()


def test_there_is_nothing_to_issue_by_before(tmp_path: Path) -> None:
    for act in (lambda ca: ca.issue(HOSTS), lambda ca: ca.renew()):
        with pytest.raises(CommandFailed, match="accelpool ca create"):
            act(CertificateAuthority(tmp_path))


@pytest.mark.parametrize("host", ["", "a b", "-x", "../../etc", "a/b", "x" * 300])
def test_a_host_that_is_none_is_refused(folder: Path, host: str) -> None:
    with pytest.raises(CommandFailed, match="a name or an address"):
        CertificateAuthority(folder).issue([host])


@pytest.mark.parametrize("host", ["ca", "CA", "Ca"])
def test_a_certificate_takes_no_place_of_the_authoritys(tmp_path: Path, host: str) -> None:
    made = CertificateAuthority(tmp_path)
    made.create()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(CommandFailed, match=r"ca\.pem .* the authority's: name another host first"):
        made.issue([host, "pool.example"])
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    made.issue(["pool.example", host])
    assert made.cert.read_bytes() == before["ca.pem"]


def test_a_certificate_holds_no_longer_than_its_authority(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    made = CertificateAuthority(tmp_path, now).create(days=10)
    assert CertificateAuthority(tmp_path, now).issue(["h"]).expires_at == made.expires_at
    with pytest.raises(CommandFailed, match="has expired"):
        CertificateAuthority(tmp_path, now + timedelta(days=11)).issue(["h"])


def test_an_expired_authority_is_not_carried_on(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    CertificateAuthority(tmp_path, now).create(days=10)
    CertificateAuthority(tmp_path, now + timedelta(days=5)).renew()
    assert (tmp_path / "ca.pem").read_text().count("BEGIN CERTIFICATE") == 2
    CertificateAuthority(tmp_path, now + timedelta(days=11)).renew()
    assert (tmp_path / "ca.pem").read_text().count("BEGIN CERTIFICATE") == 2


def test_an_expired_certificate_is_refused(tmp_path: Path, folder: Path) -> None:
    past = datetime.now(UTC) - timedelta(days=2)
    CertificateAuthority(folder, past).issue(HOSTS, days=1)
    running = Broker(tmp_path / "state", 0, *options(folder), has_node=False)
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        certificate_at(running.port, folder / "ca.pem")
    stop(running)


def test_the_command_makes_all_of_it(tmp_path: Path) -> None:
    folder = str(tmp_path / "ca")
    script = "from accelpool.cli.main import app; app()"

    def run(*arguments: str) -> str:
        ended = subprocess.run(
            [sys.executable, "-c", script, "ca", *arguments], capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    assert "ACCELPOOL_CA" in run("create", folder)
    issued = json.loads(run("issue", folder, "--host", "pool.example", "--host", "10.0.0.1", "--json"))
    assert issued["cert"].endswith("/ca/pool.example.pem")
    assert f"--tls-key {folder}/h.key" in run("issue", folder, "--host", "h", "--days", "3")
    assert "issue the brokers' certificates anew" in run("renew", folder)


def test_the_environment_names_the_authorities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    variables = {"ACCELPOOL_URL": "https://h", "ACCELPOOL_TOKEN": "t", "ACCELPOOL_CA": "ca.pem"}
    found = Settings.from_environment(variables).credentials()
    assert found.ca == str(tmp_path / "ca.pem")
