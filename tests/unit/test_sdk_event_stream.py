"""The broker's event stream: whole events, and none twice or missed after a break."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import pytest

from accelpool.errors import Forbidden, ReadError, RemoteProtocolError, Unavailable
from accelpool.event_stream import follow, read
from accelpool.rest import Answer


def frame(number: int) -> list[str]:
    return [f"id: {number}", f"data: {json.dumps({'number': number})}", ""]


class Broker:
    """Answers with streams from a list; each is lines, and what they end with."""

    def __init__(self, *streams: list[str | Exception], newest: int = 0) -> None:
        self.streams = list(streams)
        self.newest = newest
        self.asked: list[str] = []
        self.slept: list[float] = []

    def request(self, method: str, path: str, **options: object) -> Answer:
        items = [{"number": self.newest}] if self.newest else []
        return Answer(body={"items": items}, retry_after_s=None)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    @contextmanager
    def lines(self, path: str, *, params: object, headers: dict[str, str]) -> Iterator[Iterator[str]]:
        self.asked.append(headers["Last-Event-ID"])
        stream = self.streams.pop(0)
        if stream and isinstance(stream[0], Exception):
            raise stream[0]
        yield self._lines(stream)

    def _lines(self, stream: list[str | Exception]) -> Iterator[str]:
        for line in stream:
            if isinstance(line, Exception):
                raise line
            yield line


def numbers(broker: Broker, count: int, after: int | None = None) -> list[int]:
    return [event["number"] for event in islice(follow(broker, {}, after), count)]


def test_after_a_break_it_goes_on_where_it_was() -> None:
    broker = Broker([*frame(4), *frame(5), ReadError("broke")], [*frame(6), *frame(7)])
    assert numbers(broker, 4, after=3) == [4, 5, 6, 7]
    assert broker.asked == ["3", "5"]


def test_an_event_that_was_cut_off_comes_again() -> None:
    broker = Broker([*frame(4), "id: 5", 'data: {"num', ReadError("broke")], frame(5))
    assert numbers(broker, 2, after=3) == [4, 5]
    assert broker.asked == ["3", "4"]


def test_a_number_alone_says_from_where_to_go_on() -> None:
    broker = Broker([": nothing new", "id: 90", ""], frame(91))
    assert numbers(broker, 1, after=3) == [91]
    assert broker.asked == ["3", "90"]


def test_what_happens_before_the_first_connection_stands_is_not_missed() -> None:
    broker = Broker([ReadError("broke")], frame(43), newest=42)
    assert numbers(broker, 1) == [43]
    assert broker.asked == ["42", "42"]


def test_a_broker_that_is_away_is_asked_less_and_less_and_the_user_told_once() -> None:
    told: list[Exception] = []
    broker = Broker(*([Unavailable("later")] for _ in range(7)), frame(1))
    assert next(follow(broker, {}, 0, told.append))["number"] == 1
    assert broker.slept == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert len(told) == 1


def test_what_the_broker_refuses_is_not_tried_again() -> None:
    with pytest.raises(Forbidden):
        next(follow(Broker([Forbidden("no")]), {}, 0))


@pytest.mark.parametrize("lines", [["id: x", "data: {}", ""], ["data: nothing", ""], ["data: []", ""]])
def test_what_is_no_event_is_refused(lines: list[str]) -> None:
    with pytest.raises(RemoteProtocolError):
        list(read(lines))
