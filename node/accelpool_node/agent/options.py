"""The agent's options, and the settings that they make, with the environment and the files that they name."""

from __future__ import annotations

import argparse
import math
import os
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from accelpool_node import drivers
from accelpool_node.agent.addresses import check_way, is_secure, read_address
from accelpool_node.agent.metrics_address import read_metrics_address
from accelpool_node.agent.settings import Settings
from accelpool_node.agent.state_dir import TOKEN
from accelpool_node.mps import ComputeShares, find_pipe
from accelpool_node.sandbox.policy import Mode
from accelpool_wire import logs
from accelpool_wire.errors import Invalid

TOKEN_VARIABLE = "ACCELPOOL_NODE_TOKEN"  # noqa: S105 - the name, not the token
JOIN_VARIABLE = "ACCELPOOL_JOIN_TOKEN"
CA_VARIABLE = "ACCELPOOL_CA"
ENVIRONMENTS = "accelpool/environments.toml"
WILDCARDS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - refused as an address for clients
Add: TypeAlias = Callable[..., object]


def read_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options; those that are not of the right form end the process with status 2."""
    return _parser().parse_args(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m accelpool_node", description="Put this machine's devices into a pool."
    )
    for add_group in (_add_ways, _add_devices, _add_confinement, _add_telling):
        add_group(parser.add_argument)
    return parser


def _add_ways(add: Add) -> None:
    """Add where broker, node and clients meet, and how they trust each other."""
    add("--broker", default="http://127.0.0.1:8750", metavar="URL", help="where the broker answers")
    add("--name", default=socket.gethostname(), help="the node's name (default: the host's)")
    add("--state-dir", type=Path, metavar="DIR", help="the agent's own directory")
    add("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="the data plane's address")
    add("--advertise", metavar="HOST[:PORT]", help="the address that clients are told")
    add("--tls", action="store_true", help="have clients come over TLS (default: unless all is on loopback)")
    add(
        "--tls-cert",
        type=Path,
        metavar="FILE",
        help="a certificate for that (default: one made at the start)",
    )
    add("--tls-key", type=Path, metavar="FILE", help="its key")
    add("--insecure", action="store_true", help="do without TLS, wherever clients and broker are")
    add(
        "--ca",
        type=Path,
        metavar="FILE",
        help=f"who vouches for the broker's certificate (default: ${CA_VARIABLE})",
    )
    add(
        "--join-token-file",
        type=Path,
        metavar="FILE",
        help=f"holds a join token, which gets the node its own (default: ${JOIN_VARIABLE})",
    )
    add(
        "--token-file",
        type=Path,
        metavar="FILE",
        help=f"holds the node's token, instead of the state directory (default: ${TOKEN_VARIABLE})",
    )


def _add_devices(add: Add) -> None:
    """Add what is lent, and how."""
    add(
        "--backend",
        default="auto",
        help="auto, opencl, cuda; null:COUNT, null-cuda:COUNT, null-both:COUNT for devices that need nothing",
    )
    add(
        "--environments",
        type=Path,
        metavar="FILE",
        help=f"more driver environments (default: $XDG_CONFIG_HOME/{ENVIRONMENTS}, if there)",
    )
    add("--warm", type=int, default=1, metavar="COUNT", help="idle workers per driver environment")
    add(
        "--pass-env",
        action="append",
        default=[],
        metavar="NAME",
        help="a variable that workers may see; repeatable",
    )
    add(
        "--compute-shares",
        type=ComputeShares,
        choices=tuple(ComputeShares),
        default=ComputeShares.TURNS,
        help="how sessions share a CUDA device: by turns, or side by side, through a running MPS daemon",
    )


def _add_confinement(add: Add) -> None:
    """Add what confines the processes of sessions."""
    add(
        "--sandbox",
        type=Mode,
        choices=tuple(Mode),
        default=Mode.AUTO,
        help="require: do not start unless workers are wholly confined; auto: as far as can be; off",
    )
    add(
        "--worker-user",
        default="auto",
        metavar="USER",
        help="as root: who workers are: NAME, NUMBER, FIRST-LAST for one each, auto, or none to stay root",
    )
    add(
        "--cgroup",
        default="",
        metavar="DIR",
        help="a cgroup v2 directory for groups of workers; auto: the agent's own, if it may write there",
    )
    add(
        "--bubblewrap",
        nargs="?",
        const="bwrap",
        default="",
        metavar="PROGRAM",
        help="start workers inside bubblewrap (default: bwrap, as found on the PATH)",
    )
    add("--disk", type=float, default=8.0, metavar="GIB", help="what workers may have on disk, together")


def _add_telling(add: Add) -> None:
    """Add what the agent tells, and to whom."""
    add("--metrics", metavar="HOST:PORT", help="where Prometheus reads the node's metrics (default: nowhere)")
    add(
        "--metrics-token-file",
        type=Path,
        metavar="FILE",
        help="holds the bearer token that it has to show there",
    )
    add("--discover", action="store_true", help="print the devices as JSON and exit")
    add(
        "--log-format",
        type=logs.LogFormat,
        choices=tuple(logs.LogFormat),
        help=f"what the log's lines are (default: ${logs.VARIABLE}, else text)",
    )
    add("--verbose", action="store_true")


def read_settings(options: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """Return the settings.

    Raises:
        Invalid: An option cannot be used.
    """
    listen_at = read_address(options.listen)
    advertise = read_address(options.advertise, default_port=0) if options.advertise else (listen_at[0], 0)
    _check(options, advertise[0])
    state_dir = options.state_dir or _default_state_dir(options.name, environ)
    is_kept = (state_dir / TOKEN).exists()
    tokens = ("", "", "") if options.discover else _read_tokens(options, environ, is_kept=is_kept)
    token, join_token, metrics_token = tokens
    if not (token or join_token or options.discover or is_kept):
        raise Invalid(
            "a node token is needed, or a join token to get one: --join-token-file FILE, or "
            f"{JOIN_VARIABLE} in the environment; `accelpool node join-token create` makes one"
        )
    return Settings(
        broker_url=options.broker,
        name=options.name,
        state_dir=state_dir,
        token=token,
        join_token=join_token,
        join_source=str(options.join_token_file or JOIN_VARIABLE),
        token_files=tuple(
            file for file in (options.token_file, options.join_token_file, options.metrics_token_file) if file
        ),
        backend=options.backend,
        listen=listen_at,
        advertise=advertise,
        is_secure=is_secure(options, listen_at[0], advertise[0]),
        tls_cert=options.tls_cert,
        tls_key=options.tls_key,
        ca=options.ca or (Path(environ[CA_VARIABLE]) if environ.get(CA_VARIABLE) else None),
        environments=options.environments or _default_environments(environ),
        warm=options.warm,
        sandbox=options.sandbox,
        worker_user=options.worker_user,
        cgroup=options.cgroup,
        bubblewrap=options.bubblewrap,
        mps_pipe=find_pipe(options.compute_shares, environ, options.sandbox, options.bubblewrap),
        metrics=read_metrics_address(options, metrics_token),
        disk_bytes=int(options.disk * (1 << 30)),
        variables=drivers.child_variables(environ, options.pass_env),
    )


def _check(options: argparse.Namespace, host: str) -> None:
    """Refuse options that cannot be, by themselves or together.

    Args:
        options: All of them.
        host: What clients are told.
    """
    if host in WILDCARDS and not options.discover:
        raise Invalid(f"clients cannot connect to {host}: say --advertise HOST")
    if not options.discover:
        check_way(options.broker, is_insecure=options.insecure)
    if options.warm < 0:
        raise Invalid(f"--warm is 0 or more, not {options.warm}")
    if not 0 < options.disk < math.inf:
        raise Invalid(f"--disk is more than 0, not {options.disk:g}")
    if not re.fullmatch(r"auto|opencl|cuda|null(-cuda|-both)?:[0-9]{1,3}", options.backend):
        raise Invalid(
            "--backend is auto, opencl, cuda, null:COUNT, null-cuda:COUNT or null-both:COUNT, "
            f"not {options.backend}"
        )


def _read_tokens(
    options: argparse.Namespace, environ: Mapping[str, str], *, is_kept: bool
) -> tuple[str, str, str]:
    """Return the node's token, a join token, and the metrics' token, "" for what there is none of.

    Args:
        options: All of them.
        environ: The agent's environment.
        is_kept: Whether the state directory holds a token: then a join token's file may be gone.
    """
    token = _read_token(options.token_file, TOKEN_VARIABLE, "token", environ)
    join, metrics = options.join_token_file, options.metrics_token_file
    is_needless = join is not None and (is_kept or bool(token)) and not join.exists()
    return (
        token,
        "" if is_needless else _read_token(join, JOIN_VARIABLE, "join token", environ),
        _read_token(metrics, "", "token", environ) if metrics else "",
    )


def _default_state_dir(name: str, environ: Mapping[str, str]) -> Path:
    home = environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "accelpool" / f"node-{name.replace(os.sep, '-')}"


def _default_environments(environ: Mapping[str, str]) -> Path | None:
    home = environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    file = Path(home) / ENVIRONMENTS
    return file if file.exists() else None


def _read_token(file: Path | None, variable: str, what: str, environ: Mapping[str, str]) -> str:
    """Return the token of a file, else of a variable, else ""."""
    try:
        token = (file.read_text() if file else environ.get(variable, "")).strip()
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else error
        raise Invalid(f"the {what} file {file} cannot be read: {told}") from error
    if not token.isascii() or not token.isprintable() or (file and not token):
        raise Invalid(f"{file or variable} holds no {what}: one line of printable characters is expected")
    return token
