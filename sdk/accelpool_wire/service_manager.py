"""What a service manager such as systemd is told: that this process is ready, or stops.

One datagram to the socket that NOTIFY_SOCKET names, as in sd_notify(3). Without one nothing is told.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping

log: logging.Logger = logging.getLogger(__name__)

READY, STOPPING = "READY=1", "STOPPING=1"
VARIABLE = "NOTIFY_SOCKET"
ABSTRACT = "@"


def tell(environ: Mapping[str, str], state: str) -> None:
    """Tell the service manager that has started this process, if there is one.

    A manager that does not listen keeps nobody from working: that is logged.

    Args:
        environ: The process's environment.
        state: `READY` or `STOPPING`.
    """
    address = environ.get(VARIABLE, "")
    if not address:
        return
    if address.startswith(ABSTRACT):
        address = "\0" + address.removeprefix(ABSTRACT)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stream:
            stream.sendto(state.encode(), address)
    except OSError as error:
        log.warning("the service manager at %s is not told %s: %s", environ[VARIABLE], state, error)
