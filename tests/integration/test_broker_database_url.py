"""Which database a broker takes, what it says of one that it cannot have, and brokers that are killed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from accelpool_broker.settings import Settings
from accelpool_broker.store import DatabaseUrlError, open_store
from accelpool_wire.errors import Unavailable

from ..conftest import wait_until
from ..postgres_rig import listeners
from .test_broker_process import Broker


@contextmanager
def running(state_dir: Path, *options: str) -> Iterator[Broker]:
    broker = Broker(state_dir, 0, *options)
    try:
        yield broker
    finally:
        if broker.process.poll() is None:
            broker.stop(signal.SIGKILL)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://me:secret@h/d", "begins with mysql://, expected postgresql://"),
        ("postgresql+asyncpg://me:secret@h/d", "begins with postgresql+asyncpg://"),
        ("sqlite://", "names no file"),
        ("me:secret@h", "is none, expected postgresql://"),
        ("postgresql://me:secret@h:port/d", "is none, expected postgresql://"),
        ("postgresql://me:secret@127.0.0.1:1/d", "cannot be opened: "),
        ("postgresql://me:secret@127.0.0.1:1/d?surprise=secret", "cannot be opened: "),
    ],
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(url: str, told: str) -> None:
    with pytest.raises((DatabaseUrlError, Unavailable)) as caught:
        open_store(url, None)
    assert told in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(Settings(database_url=url))


@pytest.mark.parametrize("is_option", [True, False])
def test_a_broker_without_its_database_does_not_start(
    tmp_path: Path, is_option: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = "postgresql://me:secret@127.0.0.1:1/d"
    args = [sys.executable, "-m", "accelpool_broker", "--port", "0", "--state-dir", str(tmp_path / "state")]
    if is_option:
        args += ["--database-url", url]
    else:
        monkeypatch.setenv("ACCELPOOL_DATABASE_URL", url)
    done = subprocess.run(args, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be opened: " in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_the_option_wins_over_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELPOOL_DATABASE_URL", f"sqlite:///{tmp_path / 'variable.sqlite'}")
    with running(tmp_path / "a"):
        assert (tmp_path / "variable.sqlite").exists()
    with running(tmp_path / "b", "--database-url", f"sqlite:///{tmp_path / 'option.sqlite'}"):
        assert (tmp_path / "option.sqlite").exists()
    assert not list(tmp_path.glob("*/broker.sqlite"))


def test_one_goes_on_when_the_other_is_killed(tmp_path: Path, postgres_url: str) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(running(tmp_path / "a", "--database-url", postgres_url))
        second = stack.enter_context(running(tmp_path / "b", "--database-url", postgres_url))
        first.register()
        held = first.call("POST", "/leases", {"ttl_s": 60})
        queued = first.call("POST", "/leases", {"ttl_s": 60})
        answers: list[Any] = []
        waiter = threading.Thread(
            target=lambda: answers.append(second.call("GET", f"/leases/{queued['id']}?wait_s=25"))
        )
        waiter.start()
        first.stop(signal.SIGKILL)
        assert second.call("PATCH", f"/leases/{held['id']}", {"ttl_s": 90})["state"] == "active"
        second.call("DELETE", f"/leases/{held['id']}")
        waiter.join(20)
        assert [answer["state"] for answer in answers] == ["active"]
        code, log = second.stop()
        assert code == 0
        assert "Traceback" not in log


def test_a_broker_killed_while_it_writes_keeps_nobody_from_writing(tmp_path: Path, postgres_url: str) -> None:
    """Its connection goes with it, and with that its lock."""
    holding = """
import sys
from accelpool_broker.store import open_store
with open_store(sys.argv[1], None).write() as tx:
    tx.form()
    print("writing", flush=True)
    sys.stdin.read()
"""
    with (
        running(tmp_path / "b", "--database-url", postgres_url) as broker,
        subprocess.Popen(
            [sys.executable, "-c", holding, postgres_url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as other,
    ):
        assert other.stdout is not None
        assert other.stdout.readline() == b"writing\n"
        other.kill()
        broker.register()
        assert broker.call("POST", "/leases", {})["state"] == "active"


def test_the_timers_of_all_know_what_one_has_granted(tmp_path: Path, postgres_url: str) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(running(tmp_path / "a", "--database-url", postgres_url))
        second = stack.enter_context(running(tmp_path / "b", "--database-url", postgres_url))
        first.register()
        wait_until(lambda: listeners(postgres_url) == 2)
        lease = first.call("POST", "/leases", {"ttl_s": 5})
        queued = first.call("POST", "/leases", {"ttl_s": 60})
        first.stop(signal.SIGKILL)
        granted = second.call("GET", f"/leases/{queued['id']}?wait_s=25")
        assert granted["state"] == "active"
        assert second.call("GET", f"/leases/{lease['id']}")["state"] == "expired"
