"""How the agent comes by its token.

given (--token-file)                     that one
kept in the state directory, and good    that one
else                                     a secret of its own making, with a join token: it is kept
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from typing import Protocol, TypeVar

from accelpool_node.agent.background import call_in_thread
from accelpool_node.agent.state_dir import StateDir
from accelpool_wire.errors import (
    Forbidden,
    Invalid,
    TooManyRequests,
    TransportError,
    Unauthorized,
    Unavailable,
)
from accelpool_wire.logs import of_error

log = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 2.0


class EnrolmentCalls(Protocol):
    """What enrolment needs of a broker; see `broker.Broker`."""

    def check_token(self) -> None:
        """Ask whether the token is known."""
        ...

    def enrol(self, sha256: str) -> None:
        """Make a secret the node's token, with a join token."""
        ...


async def node_token(
    connect: Callable[[str], EnrolmentCalls],
    state: StateDir,
    *,
    given: str,
    join_token: str,
    join_source: str = "",
) -> str:
    """Return the node's token; one that is new is kept in the state directory.

    Args:
        connect: Returns a connection to the broker with a token.
        state: The agent's directory.
        given: The token that the agent was started with, or "".
        join_token: The join token that it was started with, or "".
        join_source: Where that came from.

    Raises:
        Forbidden, Unauthorized: The join token does not let this node in.
        Invalid: There is no token of any sort.
    """
    kept = state.token()
    if given or (kept and not join_token):
        return given or kept
    if kept:
        is_good: bool = await _persist(lambda: _is_known(connect(kept)))
        if is_good:
            return kept
    if not join_token:
        raise Invalid("this node has no token yet: it needs a join token")
    made = state.new_token()
    try:
        await _persist(lambda: connect(join_token).enrol(hashlib.sha256(made.encode()).hexdigest()))
    except (Forbidden, Unauthorized) as error:
        raise type(error)(f"the join token of {join_source} does not let this node in: {error}") from error
    state.keep_token()
    log.info("enrolled: the node has a token of its own, in %s", state.path)
    return made


def _is_known(broker: EnrolmentCalls) -> bool:
    try:
        broker.check_token()
    except Unauthorized as error:
        log.warning("the token in the state directory is not good any more: %s", error, extra=of_error(error))
        return False
    return True


async def _persist(attempt: Callable[[], T]) -> T:
    """Try until the broker answers, with growing pauses."""
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return await call_in_thread(attempt)
        except (TransportError, Unavailable, TooManyRequests) as error:
            level = logging.WARNING if pause_s == FIRST_PAUSE_S else logging.DEBUG
            log.log(level, "%s", error, extra=of_error(error))
        await asyncio.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
