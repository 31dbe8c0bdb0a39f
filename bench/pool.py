"""A pool of the bench's own: broker and agent on free ports of loopback, with a state directory."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

import accelpool
from accelpool_kernels.description import CUDA, OPENCL
from accelpool_node.drivers import child_variables, cuda_environment, find_icds, prepare_opencl

START_LIMIT_S = 120.0
BUILDER_LIMIT_S = 40.0
END_LIMIT_S = 20.0
LOOK_EVERY_S = 0.2
NODE = "bench"


class PoolError(Exception):
    """The pool cannot be started, or has no such device."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """A running pool.

    Attributes:
        url: The broker's.
        token: A user's.
        log: The agent's log.
    """

    url: str
    token: str
    log: Path

    def device(self, name: str) -> dict[str, Any]:
        """Return the pool's device whose name contains a text, the first that works for "".

        Raises:
            PoolError: There is none; the error lists what there is.
        """
        with accelpool.connect(self.url, self.token) as broker:
            devices = _until_some(broker)
        working = [device for device in devices if not device["fault"]]
        fitting = [device for device in working if name.lower() in device["name"].lower()]
        if not fitting:
            known = "; ".join(f"{d['name']}: {d['fault'] or 'works'}" for d in devices) or "none at all"
            raise PoolError(f"no working device {name!r}; there are: {known}")
        return fitting[0]

    def await_builder(self, environment: str) -> bool:
        """Wait until the builder of a driver environment serves; it starts with the first build there.

        Returns:
            Whether it does within a time.
        """
        until = time.monotonic() + BUILDER_LIMIT_S
        serves = re.compile(rf"builder \d+ of {re.escape(environment)} serves")
        while not serves.search(self.log.read_text(errors="replace")):
            if time.monotonic() > until:
                return False
            time.sleep(LOOK_EVERY_S)
        return True


@contextmanager
def running(
    directory: Path, api: str = OPENCL, sandbox: str = "auto", *, has_tls: bool = False
) -> Iterator[Pool]:
    """Run a pool as long as the context lasts.

    Args:
        directory: An existing empty directory; logs and state are put there.
        api: What its devices are used through: "opencl" or "cuda".
        sandbox: The agent's `--sandbox`.
        has_tls: Whether the node's data plane does TLS.

    Raises:
        PoolError: The pool does not start; the error has the end of the log.
    """
    state = directory / "broker"
    broker = ("accelpool_broker", "--host", "127.0.0.1", "--port", "0", "--state-dir", str(state))
    with _program(broker, directory / "broker.log") as url:
        token = json.loads((state / "tokens.json").read_text())["user"]
        token_file = directory / "join.token"
        token_file.touch(mode=0o600)
        token_file.write_text(join_token(url, token, NODE))
        agent = (
            *("accelpool_node", "--broker", url, "--name", NODE, "--state-dir", str(directory / "node")),
            *("--listen", "127.0.0.1:0", "--join-token-file", str(token_file)),
            *("--backend", api, "--sandbox", sandbox),
            *(("--tls",) if has_tls else ()),
        )
        with _program(agent, directory / "agent.log"):
            yield Pool(url=url, token=token, log=directory / "agent.log")


def join_token(url: str, token: str, node: str) -> str:
    """Return a join token for a node, made with an admin's token."""
    header = {"Authorization": f"Bearer {token}"}
    answer = requests.post(f"{url}/join-tokens", json={"node": node}, headers=header, timeout=START_LIMIT_S)
    answer.raise_for_status()
    return str(answer.json()["token"])


def local_variables(environment: str, directory: Path) -> dict[str, str]:
    """Return the variables of a driver environment, the same as a worker's but for the caches' place."""
    if environment == CUDA:
        return dict(cuda_environment(child_variables(os.environ), is_expected=True).variables)
    environments = prepare_opencl(directory, find_icds(Path(sys.prefix)), child_variables(os.environ))
    return next(dict(made.variables) for made in environments if made.name == environment)


@contextmanager
def _program(arguments: Sequence[str], log: Path) -> Iterator[Any]:
    """Run `python -m arguments` until the context ends; yield what it says when it is ready."""
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
        )
    try:
        yield _ready(process, log)
    finally:
        process.terminate()
        try:
            process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(process: subprocess.Popen[bytes], log: Path) -> Any:
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START_LIMIT_S)
    line = process.stdout.readline() if ready else b""
    try:
        return json.loads(line)["ready"]
    except (ValueError, KeyError, TypeError):
        end = log.read_text(errors="replace")[-2000:]
        raise PoolError(f"{process.args} did not get ready; it said {line!r} and logged:\n{end}") from None


def _until_some(broker: accelpool.Broker) -> list[dict[str, Any]]:
    """Return the pool's devices once the agent has told of them."""
    until = time.monotonic() + START_LIMIT_S
    while not (devices := broker.devices()) and time.monotonic() < until:
        time.sleep(LOOK_EVERY_S)
    return devices
