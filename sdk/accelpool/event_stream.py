"""What happens in a pool, as it happens: the broker's event stream, without gaps and without repetitions.

The form is that of https://html.spec.whatwg.org/multipage/server-sent-events.html, of which `id` and `data`
are used. Each event has a number. Whoever connects again says which was the last that came (Last-Event-ID),
and gets those after it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from accelpool.errors import AccelpoolError, RemoteProtocolError, TooManyRequests, TransportError, Unavailable
from accelpool.rest import RestClient

PATH = "/events"
PAUSE_S = 0.5
PAUSE_MAX_S = 10.0

Event = dict[str, Any]


def follow(
    rest: RestClient,
    wanted: Mapping[str, str | int | float],
    after: int | None,
    say: Callable[[AccelpoolError], object] = lambda _: None,
) -> Iterator[Event]:
    """Return events as they happen, for ever; a connection that breaks is made again.

    Args:
        rest: The way to the broker.
        wanted: Which events: the query's `lease`, `node` and `kind`.
        after: After which number; None for those from now on.
        say: Told why the connection broke, once until it is there again.

    Raises:
        ProblemError: The broker said no, and will next time.
        RemoteProtocolError: What answered is no event stream.
    """
    last = newest(rest) if after is None else after
    pause_s = PAUSE_S
    while True:
        try:
            headers = {"Accept": "text/event-stream", "Last-Event-ID": str(last)}
            with rest.lines(PATH, params=wanted, headers=headers) as lines:
                for number, event in read(lines):
                    pause_s = PAUSE_S
                    last = max(last, number)
                    if event is not None:
                        yield event
        except (TransportError, Unavailable, TooManyRequests) as error:
            if pause_s == PAUSE_S:
                say(error)
            asked = getattr(error, "members", {}).get("retry_after_s")
            rest.sleep(max(pause_s, asked or 0.0))
        else:
            rest.sleep(pause_s)  # the broker has ended it: it restarts, perhaps
        pause_s = min(PAUSE_MAX_S, 2 * pause_s)


def newest(rest: RestClient) -> int:
    """Return the number of the newest event, 0 if there is none yet."""
    page = rest.request("GET", PATH, params={"limit": 1}).body
    return max((int(event["number"]) for event in page["items"]), default=0)


def read(lines: Iterable[str]) -> Iterator[tuple[int, Event | None]]:
    """Return the events of a stream's lines, with their numbers.

    A number without an event tells up to where there is nothing more. An event that is cut off is none.

    Raises:
        RemoteProtocolError: A number or an event is none.
    """
    number, parts = 0, list[str]()
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id" and line:
            number = _number(value)
        elif name == "data" and line:
            parts.append(value)
        elif not line:
            if number or parts:
                yield number, _event("\n".join(parts)) if parts else None
            number, parts = 0, []


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise RemoteProtocolError(f"an event's id is a number, not {text[:40]!r}")
    return int(text)


def _event(text: str) -> Event:
    try:
        event = json.loads(text)
    except ValueError as error:
        raise RemoteProtocolError(f"an event's data is a JSON object, not {text[:40]!r}") from error
    if not isinstance(event, dict):
        raise RemoteProtocolError(f"an event's data is a JSON object, not {text[:40]!r}")
    return event
