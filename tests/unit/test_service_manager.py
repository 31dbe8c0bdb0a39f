"""What a service manager hears."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import pytest

from accelpool_wire import service_manager


def test_it_hears_that_the_process_is_ready(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        service_manager.tell({"NOTIFY_SOCKET": str(tmp_path / "notify")}, service_manager.READY)
        assert manager.recv(64) == b"READY=1"


def test_its_socket_may_be_an_abstract_one() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("")  # the kernel chooses a name
        name = manager.getsockname().removeprefix(b"\0").decode()
        service_manager.tell({"NOTIFY_SOCKET": f"@{name}"}, service_manager.STOPPING)
        assert manager.recv(64) == b"STOPPING=1"


def test_a_manager_that_does_not_listen_keeps_nobody_from_working(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        service_manager.tell({"NOTIFY_SOCKET": str(tmp_path / "gone")}, service_manager.READY)
    assert "is not told READY=1" in caplog.text


def test_without_a_manager_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    service_manager.tell({}, service_manager.READY)
    assert caplog.text == ""
