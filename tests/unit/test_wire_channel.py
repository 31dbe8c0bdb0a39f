"""The channel, over TLS and without: all bytes, bytes into place, dead peers, interrupts that lose
nothing."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import pytest

from accelpool_wire import channel as channel_module
from accelpool_wire.channel import Channel, connect, prepare, silence_s
from accelpool_wire.errors import ConnectError, ReadError, Timeout, WriteError
from accelpool_wire.frames import PREFIX, FrameReader
from accelpool_wire.tls_channel import channel_over

from ..tls_rig import secured_pair

PATIENCE_S = 30.0


@pytest.fixture(params=["plain", "tls"])
def streams(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair() if request.param == "plain" else secured_pair()
    theirs.settimeout(PATIENCE_S)
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def channel(streams: tuple[socket.socket, socket.socket]) -> Channel:
    return channel_over(streams[0], FrameReader(body_limit=1 << 20, payload_limit=1 << 40))


@pytest.fixture
def peer(streams: tuple[socket.socket, socket.socket]) -> socket.socket:
    return streams[1]


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor() as pool:
        yield pool


def read_all(stream: socket.socket, count: int) -> bytes:
    content = bytearray()
    while len(content) < count:
        content += stream.recv(1 << 20)
    return bytes(content)


# ---- connecting ------------------------------------------------------------------------------------------


def test_connecting_prepares_the_stream() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, connect(server.getsockname(), 5.0) as stream:
        assert stream.gettimeout() is None
        assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert stream.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0


def test_unix_stream_needs_no_options(streams: tuple[socket.socket, socket.socket]) -> None:
    streams[0].settimeout(1.0)
    prepare(streams[0])
    assert streams[0].gettimeout() is None


def test_a_side_that_acknowledges_is_not_silent_even_if_it_has_no_room() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, connect(server.getsockname(), 5.0) as stream:
        other, _ = server.accept()
        with other:
            stream.setblocking(False)
            with pytest.raises(BlockingIOError):
                list(map(stream.send, repeat(bytes(1 << 20))))
            assert silence_s(stream) < 1


def test_a_unix_stream_is_never_silent(streams: tuple[socket.socket, socket.socket]) -> None:
    assert silence_s(streams[0]) == 0


def test_a_side_that_lives_is_waited_for_as_long_as_it_takes(
    monkeypatch: pytest.MonkeyPatch, channel: Channel, peer: socket.socket
) -> None:
    looks: list[float] = []

    def look(_stream: socket.socket) -> float:
        looks.append(0.0)
        if len(looks) == 3:
            peer.sendall(PREFIX.pack(1, 0) + b"x")
        return 0.0

    monkeypatch.setattr(channel_module, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(channel_module, "silence_s", look)
    channel.receive()
    assert channel.reader.next_body() == b"x"


@pytest.mark.parametrize("direction", ["sending", "receiving"])
def test_a_side_that_owes_an_acknowledgement_for_long_is_dead(
    monkeypatch: pytest.MonkeyPatch, channel: Channel, direction: str
) -> None:
    monkeypatch.setattr(channel_module, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(channel_module, "silence_s", lambda stream: 11.0)
    with pytest.raises((ReadError, WriteError), match="has not answered for 11 s"):
        channel.send([bytes(64 << 20)]) if direction == "sending" else channel.receive()


def test_nobody_listening_is_a_connect_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
    with pytest.raises(ConnectError, match=f"nobody answers at 127.0.0.1:{address[1]}: Connection refused"):
        connect(address, 5.0)


def test_unknown_host_is_a_connect_error() -> None:
    with pytest.raises(ConnectError, match=r"nobody answers at no-such-host\.invalid:1"):
        connect(("no-such-host.invalid", 1), 5.0)


def test_slow_host_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_slow(address: tuple[str, int], timeout: float) -> socket.socket:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", too_slow)
    with pytest.raises(Timeout, match="no answer from h:1 within 2 s"):
        connect(("h", 1), 2.0)


# ---- sending ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [b"abc", bytearray(b"abc"), memoryview(b"abc")])
def test_one_part_is_sent(channel: Channel, peer: socket.socket, part: bytes) -> None:
    channel.send([part])
    assert (peer.recv(10), channel.bytes_sent) == (b"abc", 3)


def test_parts_of_any_kind_are_sent_in_order(channel: Channel, peer: socket.socket) -> None:
    ints = memoryview(bytearray(b"\1\0\0\0\2\0\0\0")).cast("I", (1, 2))
    channel.send([b"head", bytearray(b""), ints, memoryview(b"tail")])
    assert peer.recv(100) == b"head\1\0\0\0\2\0\0\0tail"


@pytest.mark.parametrize("is_polling", [False, True])
def test_more_than_the_stream_takes_is_sent_whole(
    channel: Channel, peer: socket.socket, threads: ThreadPoolExecutor, is_polling: bool
) -> None:
    parts = [b"a" * 1_000_000, memoryview(bytes(2_000_000)).cast("I"), b"z" * 500_000]
    received = threads.submit(read_all, peer, 3_500_000)
    channel.send(parts, (lambda: None) if is_polling else None)
    assert received.result(PATIENCE_S) == b"a" * 1_000_000 + bytes(2_000_000) + b"z" * 500_000
    assert channel.bytes_sent == 3_500_000


def test_sender_reads_when_both_directions_are_full(
    channel: Channel, peer: socket.socket, threads: ThreadPoolExecutor
) -> None:
    size = 4_000_000
    sent_by_peer = threads.submit(peer.sendall, PREFIX.pack(1, size) + b"b" + bytes(size))
    peer.settimeout(None)

    def serve() -> bytes:
        sent_by_peer.result(PATIENCE_S)  # it reads nothing before all its own bytes have left
        return read_all(peer, size)

    served = threads.submit(serve)
    place = memoryview(bytearray(size))

    def read_some() -> None:
        channel.receive()
        if channel.reader.next_body() is not None:
            channel.reader.payload_into(place)

    channel.send([b"x" * size], read_some)
    assert served.result(PATIENCE_S) == b"x" * size
    assert channel.bytes_received > size // 2


@pytest.mark.parametrize("while_full", [None, lambda: None])
def test_broken_stream_is_a_write_error(channel: Channel, peer: socket.socket, while_full: object) -> None:
    peer.close()
    with pytest.raises(WriteError, match="broke while sending: Broken pipe"):
        channel.send([b"x"], while_full)  # type: ignore[arg-type]  # pytest's parameter


def test_last_word_never_blocks_and_never_fails(channel: Channel, peer: socket.socket) -> None:
    channel.try_send(bytes(100_000_000))
    assert 0 < channel.bytes_sent < 100_000_000
    peer.close()
    channel.try_send(b"more")


# ---- receiving -------------------------------------------------------------------------------------------


def test_bytes_arrive_in_the_reader(channel: Channel, peer: socket.socket) -> None:
    peer.sendall(PREFIX.pack(3, 0) + b"abc")
    channel.receive()
    assert (channel.reader.next_body(), channel.bytes_received) == (b"abc", 15)


def test_bytes_that_come_late_are_waited_for(
    channel: Channel, peer: socket.socket, threads: ThreadPoolExecutor
) -> None:
    waiting = threads.submit(channel.receive)
    assert not waiting.done()
    peer.sendall(PREFIX.pack(3, 0) + b"abc")
    waiting.result(PATIENCE_S)
    assert channel.reader.next_body() == b"abc"


def test_late_bytes_come_in_time(channel: Channel, peer: socket.socket, threads: ThreadPoolExecutor) -> None:
    waiting = threads.submit(channel.receive, PATIENCE_S)
    peer.sendall(b"\1")
    waiting.result(PATIENCE_S)
    assert channel.bytes_received == 1


@pytest.mark.parametrize("timeout_s", [0.01, 0.0, -1.0])
def test_nothing_in_time_is_a_timeout(channel: Channel, timeout_s: float) -> None:
    with pytest.raises(Timeout, match="nothing came"):
        channel.receive(timeout_s)


def test_payload_that_does_not_come_is_a_timeout_too(channel: Channel, peer: socket.socket) -> None:
    peer.sendall(PREFIX.pack(1, 100) + b"b" + b"half")
    channel.receive()
    channel.reader.next_body()
    channel.reader.payload_into(memoryview(bytearray(100)))
    with pytest.raises(Timeout):
        channel.receive(0.01)
    assert channel.reader.payload_missing == 96


@pytest.mark.parametrize(
    ("sent", "text"),
    [(b"", "closed the connection$"), (b"\1", "closed the connection in the middle of a frame")],
)
def test_end_of_the_stream_is_a_read_error(
    channel: Channel, peer: socket.socket, sent: bytes, text: str
) -> None:
    peer.sendall(sent)
    peer.close()
    if sent:
        channel.receive()
    with pytest.raises(ReadError, match=text):
        channel.receive()


def test_reset_stream_is_a_read_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        channel = Channel(connect(server.getsockname(), 5.0), FrameReader(body_limit=1, payload_limit=1))
        peer, _ = server.accept()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.close()
    with pytest.raises(ReadError, match="Connection reset by peer"):
        channel.receive()
    channel.close()


def test_shutting_down_wakes_who_receives(channel: Channel, threads: ThreadPoolExecutor) -> None:
    waiting = threads.submit(channel.receive)
    channel.shut_down()
    with pytest.raises(ReadError):
        waiting.result(PATIENCE_S)


def test_closing_twice_is_closing_once(channel: Channel) -> None:
    assert channel.fileno() > 0
    for _ in range(2):
        channel.close()
        channel.shut_down()
    assert channel.fileno() == -1


class Interrupt(BaseException):
    """What a signal handler raises, as Python's own raises KeyboardInterrupt."""


@pytest.fixture
def interrupted_while(threads: ThreadPoolExecutor) -> Iterator[Callable[[Callable[[], None]], bool]]:
    """Calls something in the main thread, which signals interrupt; says whether one did."""
    is_armed = False

    def on_signal(number: int, frame: object) -> None:
        nonlocal is_armed
        if is_armed:
            is_armed = False
            raise Interrupt

    def interrupted_while(act: Callable[[], None]) -> bool:
        nonlocal is_armed
        try:
            is_armed = True
            act()
            is_armed = False
        except Interrupt:
            return True
        return False

    before, enough = signal.signal(signal.SIGUSR1, on_signal), threading.Event()
    main = threading.main_thread().ident
    assert main is not None

    def send_signals() -> None:
        while not enough.wait(0.0002):
            signal.pthread_kill(main, signal.SIGUSR1)

    sending = threads.submit(send_signals)
    try:
        yield interrupted_while
    finally:
        enough.set()
        sending.result(PATIENCE_S)
        signal.signal(signal.SIGUSR1, before)


def test_interrupts_lose_no_bytes(
    channel: Channel,
    peer: socket.socket,
    threads: ThreadPoolExecutor,
    interrupted_while: Callable[[Callable[[], None]], bool],
) -> None:
    assert interrupted_while(channel.receive)  # nothing has come yet: it waits for a signal
    count, received = 3000, 0
    content = b"".join(PREFIX.pack(4, 64) + number.to_bytes(4, "big") * 17 for number in range(count))
    sent = threads.submit(lambda: [peer.sendall(content[at : at + 97]) for at in range(0, len(content), 97)])
    place = memoryview(bytearray(64))
    while received < count or channel.reader.payload_missing:
        interrupted_while(channel.receive)
        while (body := channel.reader.next_body()) is not None:
            assert body == received.to_bytes(4, "big")
            channel.reader.payload_into(place)
            received += 1
    sent.result(PATIENCE_S)
    assert (channel.bytes_received, bytes(place)) == (len(content), (count - 1).to_bytes(4, "big") * 16)
