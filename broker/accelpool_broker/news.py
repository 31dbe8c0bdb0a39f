"""What a change of the pool's state is news of, for those who wait: in this broker, and in others.

On its way to other brokers it is JSON, {"by": SENDER, "news": {...}}, in a NOTIFY of PostgreSQL.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

MAX_BYTES = 7999  # what PostgreSQL delivers


@dataclass(frozen=True, kw_only=True)
class News:
    """What one change touched.

    Attributes:
        leases: Ids of leases that changed state.
        ended: Ids of leases that ended.
        nodes: Names of nodes that should run something else now.
        accounts: Whether accounts or tokens changed.
        events: Whether anything happened that is told of.
        wake_at: When time alone will bring about the next change that came of this one.
        is_everything: Whether anything else may have changed, too.
    """

    leases: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()
    nodes: frozenset[str] = frozenset()
    accounts: bool = False
    events: bool = False
    wake_at: float | None = None
    is_everything: bool = False


NOTHING = News()
EVERYTHING = News(is_everything=True)


@dataclass(frozen=True, kw_only=True)
class _Message:
    by: str
    news: News


def encode(news: News, sender: str) -> str:
    """Return news as a message; what is too long for one becomes `EVERYTHING`."""
    message = msgspec.json.encode(_Message(by=sender, news=news))
    if len(message) > MAX_BYTES:
        message = msgspec.json.encode(_Message(by=sender, news=EVERYTHING))
    return message.decode()


def decode(message: str) -> tuple[str, News]:
    """Return a message's sender and news; of a message of another form, nobody and `EVERYTHING`."""
    try:
        read = msgspec.json.decode(message, type=_Message)
    except msgspec.DecodeError:
        return "", EVERYTHING
    return read.by, read.news
