"""A channel over TLS: what is as over a plain stream, records cut anyhow, and what is no record."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from accelpool_wire.errors import ReadError, Timeout
from accelpool_wire.frames import PREFIX, FrameReader
from accelpool_wire.tls_channel import TlsChannel

from ..tls_rig import secured_pair

PATIENCE_S = 30.0
BULK_BYTES = 256 << 20


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def channel(stream: ssl.SSLSocket) -> TlsChannel:
    return TlsChannel(stream, FrameReader(body_limit=1 << 20, payload_limit=1 << 40))


@pytest.fixture
def pair() -> Iterator[tuple[TlsChannel, TlsChannel]]:
    ours, theirs = map(channel, secured_pair())
    yield ours, theirs
    ours.close()
    theirs.close()


def receive(receiver: TlsChannel, size: int) -> bytes:
    """Return the payload of the next frame, which has that size."""
    place = memoryview(bytearray(size))
    while receiver.reader.next_body() is None:
        receiver.receive(PATIENCE_S)
    receiver.reader.payload_into(place)
    while receiver.reader.payload_missing:
        receiver.receive(PATIENCE_S)
    return bytes(place)


@pytest.mark.slow
def test_large_transfers_go_both_ways_at_once(
    pair: tuple[TlsChannel, TlsChannel], threads: ThreadPoolExecutor
) -> None:
    contents = [os.urandom(1 << 20) * (BULK_BYTES >> 20) for _ in pair]
    sent = [
        threads.submit(each.send, [PREFIX.pack(1, BULK_BYTES) + b"b", content])
        for each, content in zip(pair, contents, strict=True)
    ]
    received = [threads.submit(receive, each, BULK_BYTES) for each in pair]
    assert received[0].result(60) == contents[1]
    assert received[1].result(60) == contents[0]
    assert [each.result(60) for each in sent] == [None, None]
    assert pair[0].bytes_sent == pair[1].bytes_received == BULK_BYTES + 13


@pytest.mark.parametrize("size", [1, 2, 16383, 16384, 16385, 16386, 32769, 300_000])
def test_any_size_arrives_whole(
    pair: tuple[TlsChannel, TlsChannel], threads: ThreadPoolExecutor, size: int
) -> None:
    content = os.urandom(size)
    for _ in range(3):
        received = threads.submit(receive, pair[1], size)
        pair[0].send([PREFIX.pack(1, size) + b"b", memoryview(content)])
        assert received.result(PATIENCE_S) == content


def test_small_parts_leave_in_one_record(pair: tuple[TlsChannel, TlsChannel]) -> None:
    pair[0].send([PREFIX.pack(1, 1) + b"b", b"", b"x"])
    pair[1].receive(PATIENCE_S)
    assert pair[1].bytes_received == 14


def test_what_is_decrypted_already_is_not_waited_for(pair: tuple[TlsChannel, TlsChannel]) -> None:
    size = 1000
    pair[0].send([PREFIX.pack(1, size) + b"b" + bytes(size)])
    reader = pair[1].reader
    reader._view = memoryview(reader._store)[:13]  # there is room for the head alone
    pair[1].receive(PATIENCE_S)
    assert (pair[1].is_readable(), pair[1].has_pending()) == (True, True)
    assert reader.next_body() == b"b"
    reader.payload_into(memoryview(bytearray(size)))
    pair[1].receive(0.0)
    assert reader.payload_missing == 0


def test_a_part_of_a_record_is_nothing_yet() -> None:
    ours, theirs = secured_pair()
    raw = socket.socket(fileno=theirs.detach())
    with raw:
        receiver = channel(ours)
        raw.sendall(b"\x17\x03\x03")
        assert receiver.is_readable()
        began = time.monotonic()
        with pytest.raises(Timeout):
            receiver.receive(0.05)
        assert time.monotonic() - began < PATIENCE_S
        receiver.close()


def test_bytes_that_are_not_the_other_sides_break_the_connection() -> None:
    ours, theirs = secured_pair()
    raw = socket.socket(fileno=theirs.detach())
    with raw:
        receiver = channel(ours)
        raw.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
        with pytest.raises(ReadError, match="broke while receiving"):
            receiver.receive(PATIENCE_S)
        receiver.close()


def test_after_shutting_down_nothing_comes_in_the_clear() -> None:
    ours, theirs = secured_pair()
    theirs.sendall(b"secret")
    receiver = channel(ours)
    receiver.shut_down()
    with contextlib.suppress(ReadError):
        for _ in range(3):
            receiver.receive(PATIENCE_S)
    assert receiver.bytes_received in (0, 6)
    receiver.close()
    theirs.close()
