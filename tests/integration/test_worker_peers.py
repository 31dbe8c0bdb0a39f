"""Buffers that go from one worker to another: content and order."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator

import pytest

from accelpool_node.worker.peer_regions import MAX_PENDING
from accelpool_node.worker.peers import MAX_THREADS
from accelpool_wire import messages as m

from .peer_rig import SIZE, Peer, ends, new_ticket, peer_targets, two_peers
from .wire_client import OUT_OF_ORDER
from .worker_rig import NULL_TARGET

MANY = MAX_THREADS + 10
PLUS_ONE = "kernel void plus_one(global uchar* a) { a[get_global_id(0)] += 1; }"


@pytest.fixture(scope="module", params=peer_targets(), ids=lambda target: target.id)
def peers(request: pytest.FixtureRequest) -> Iterator[tuple[Peer, Peer]]:
    with two_peers(request.param, request.param) as both:
        yield both


def test_a_region_arrives_that_is_awaited_already(peers: tuple[Peer, Peer]) -> None:
    one, two = peers
    content, ticket = os.urandom(SIZE), new_ticket()
    source, target = one.buffer(content), two.buffer(size=SIZE)
    received = two.receive(target, SIZE, ticket)
    two.client.sync()
    sent = one.send(two, source, SIZE, ticket)
    assert ends((one, sent), (two, received)) == [0, 0]
    assert two.read(target, SIZE) == content


def test_a_region_arrives_that_is_awaited_later(peers: tuple[Peer, Peer], wait_until) -> None:
    one, two = peers
    content, ticket = os.urandom(SIZE), new_ticket()
    source, target = one.buffer(content), two.buffer(size=SIZE)
    before = two.door.passed
    sent = one.send(two, source, SIZE, ticket)
    one.client.sync()
    wait_until(lambda: two.door.passed > before)
    received = two.receive(target, SIZE, ticket)
    assert ends((one, sent), (two, received)) == [0, 0]
    assert two.read(target, SIZE) == content


def test_only_the_region_changes(peers: tuple[Peer, Peer]) -> None:
    one, two = peers
    content, ticket = os.urandom(SIZE), new_ticket()
    source, target = one.buffer(content), two.buffer(bytes(SIZE))
    two.receive(target, 1000, ticket, offset=500)
    sent = one.send(two, source, 1000, ticket, offset=2000)
    assert ends((one, sent)) == [0]
    assert two.read(target, SIZE) == bytes(500) + content[2000:3000] + bytes(SIZE - 1500)


def test_a_transfer_keeps_its_place_in_its_queues(peers: tuple[Peer, Peer]) -> None:
    one, two = peers
    ticket = new_ticket()
    source, target, copy = one.buffer(bytes(SIZE)), two.buffer(size=SIZE), two.buffer(size=SIZE)
    two.client.fill(two.queue, target, b"\x01", SIZE)
    two.receive(target, SIZE, ticket)
    two.client.copy(two.queue, target, copy, SIZE)
    two.client.fill(two.queue, target, b"\x02", SIZE)
    one.client.fill(one.queue, source, b"\x03", SIZE)
    one.send(two, source, SIZE, ticket)
    one.client.fill(one.queue, source, b"\x04", SIZE)
    assert two.read(copy, SIZE) == b"\x03" * SIZE
    assert two.read(target, SIZE) == b"\x02" * SIZE
    assert one.read(source, SIZE) == b"\x04" * SIZE


def test_kernels_before_and_after_see_what_they_should(peers: tuple[Peer, Peer]) -> None:
    one, two = peers
    if one.worker.target.is_null:
        return  # its kernels do nothing
    ticket = new_ticket()
    source, target = one.buffer(bytes(SIZE)), two.buffer(size=SIZE)
    kernels = []
    for peer in peers:
        program = peer.client.program(peer.context, PLUS_ONE)
        peer.client.build(program)
        kernels.append(peer.client.kernel(program, "plus_one"))
    two.receive(target, SIZE, ticket)
    two.client.launch(two.queue, kernels[1], [SIZE], target)
    one.client.launch(one.queue, kernels[0], [SIZE], source)
    one.send(two, source, SIZE, ticket)
    one.client.launch(one.queue, kernels[0], [SIZE], source)
    assert two.read(target, SIZE) == b"\x02" * SIZE
    assert one.read(source, SIZE) == b"\x02" * SIZE


def test_a_wait_list_holds_a_transfer_back(peers: tuple[Peer, Peer]) -> None:
    one, two = peers
    ticket, content = new_ticket(), os.urandom(SIZE)
    source, target = one.buffer(bytes(SIZE)), two.buffer(size=SIZE)
    start = one.client.new()
    one.client.post(m.CreateUserEvent(start, one.context))
    other = one.client.queue(one.context)
    written = one.client.write(other, source, content, wait_for=[start])
    sent = one.send(two, source, SIZE, ticket, wait_for=[written])
    received = two.receive(target, SIZE, ticket)
    assert [one.client.state(sent).status > 0, two.client.state(received).status > 0] == [True, True]
    one.client.post(m.SetUserEventStatus(start, 0))
    assert ends((one, sent), (two, received)) == [0, 0]
    assert two.read(target, SIZE) == content


def test_an_out_of_order_queue_waits_where_it_is_told_to(peers: tuple[Peer, Peer]) -> None:
    one, two = peers
    ticket, content = new_ticket(), os.urandom(SIZE)
    queue = two.client.queue(two.context, OUT_OF_ORDER)
    source, target = one.buffer(content), two.buffer(size=SIZE)
    received = two.receive(target, SIZE, ticket, queue=queue)
    into, read, _ = two.client.start_read(queue, target, SIZE, wait_for=[received])
    one.send(two, source, SIZE, ticket)
    read.wait(30)
    two.client.finish(queue)
    assert into == content


def test_finish_waits_for_all_transfers_of_a_queue(peers: tuple[Peer, Peer]) -> None:
    one, two = peers
    tickets, content = [new_ticket() for _ in range(4)], os.urandom(SIZE)
    source = one.buffer(content)
    targets = [two.buffer(size=SIZE) for _ in tickets]
    for target, ticket in zip(targets, tickets, strict=True):
        two.receive(target, SIZE, ticket)
    for ticket in reversed(tickets):
        one.send(two, source, SIZE, ticket)
    one.client.connection.flush()
    two.client.finish(two.queue)
    one.client.finish(one.queue)
    assert [two.read(target, SIZE) for target in targets] == [content] * 4


def test_nodes_that_both_send_before_they_receive_do_not_wait_for_each_other(
    peers: tuple[Peer, Peer],
) -> None:
    content = {peer: [os.urandom(SIZE) for _ in range(8)] for peer in peers}
    tickets = {peer: [new_ticket() for _ in range(8)] for peer in peers}
    targets: dict[Peer, list[int]] = {}
    for peer, other in (peers, peers[::-1]):
        for part, ticket in zip(content[peer], tickets[peer], strict=True):
            peer.send(other, peer.buffer(part), SIZE, ticket)
        targets[peer] = [peer.buffer(size=SIZE) for _ in tickets[other]]
        for target, ticket in zip(targets[peer], tickets[other], strict=True):
            peer.receive(target, SIZE, ticket)
        peer.client.connection.flush()
    for peer, other in (peers, peers[::-1]):
        peer.client.finish(peer.queue)
        assert [peer.read(target, SIZE) for target in targets[peer]] == content[other]


def test_a_buffer_that_was_received_can_be_sent_on(peers: tuple[Peer, Peer]) -> None:
    one, two = peers
    tickets, content = [new_ticket(), new_ticket()], os.urandom(SIZE)
    source, stop, back = one.buffer(content), two.buffer(size=SIZE), one.buffer(size=SIZE)
    two.receive(stop, SIZE, tickets[0])
    two.send(one, stop, SIZE, tickets[1])
    two.client.connection.flush()
    one.send(two, source, SIZE, tickets[0])
    one.receive(back, SIZE, tickets[1])
    assert one.read(back, SIZE) == content


def test_a_buffer_released_at_once_still_arrives(peers: tuple[Peer, Peer]) -> None:
    one, two = peers
    content, ticket = os.urandom(SIZE), new_ticket()
    source, target = one.buffer(content), two.buffer(size=SIZE)
    sent = one.send(two, source, SIZE, ticket)
    one.client.release(source, sent)
    one.client.sync()
    two.receive(target, SIZE, ticket)
    assert two.read(target, SIZE) == content


# ---- more transfers than threads -------------------------------------------------------------------------


@pytest.fixture
def out_of_order() -> Iterator[tuple[Peer, Peer]]:
    """Two workers on null devices, with queues that keep no order."""
    with two_peers(NULL_TARGET, NULL_TARGET) as both:
        for peer in both:
            peer.queue = peer.client.queue(peer.context, OUT_OF_ORDER)
        yield both


def test_a_chain_of_receptions_ends_though_its_deliveries_come_in_reverse(
    out_of_order: tuple[Peer, Peer],
) -> None:
    one, two = out_of_order
    source, target = one.buffer(b"good"), two.buffer(size=4)
    tickets, received = [new_ticket() for _ in range(MANY)], []
    for ticket in tickets:
        received.append(two.receive(target, 4, ticket, wait_for=received[-1:]))
    two.client.sync()
    sent = [one.send(two, source, 4, ticket) for ticket in reversed(tickets)]
    assert ends((two, received[-1]), *((one, event) for event in sent)) == [0] * (MANY + 1)


def test_transfers_that_their_sender_holds_back_keep_no_others_from_going_on(
    out_of_order: tuple[Peer, Peer],
) -> None:
    one, two = out_of_order
    source, target, start = one.buffer(b"good"), two.buffer(size=4), one.client.new()
    one.client.post(m.CreateUserEvent(start, one.context))
    held = []
    for ticket in [new_ticket() for _ in range(MANY)]:
        held += [(two, two.receive(target, 4, ticket))]
        held += [(one, one.send(two, source, 4, ticket, wait_for=[start]))]
    ticket = new_ticket()
    received = two.receive(target, 4, ticket)
    assert ends((one, one.send(two, source, 4, ticket)), (two, received)) == [0, 0]
    one.client.post(m.SetUserEventStatus(start, 0))
    assert ends(*held) == [0] * (2 * MANY)


def test_a_worker_may_have_a_connection_for_each_transfer(out_of_order: tuple[Peer, Peer]) -> None:
    soft, hard = resource.prlimit(out_of_order[0].worker.process.pid, resource.RLIMIT_NOFILE)
    assert soft == hard or soft > MAX_PENDING


# ---- what is told of it ----------------------------------------------------------------------------------


def test_the_agent_hears_what_was_moved() -> None:
    with two_peers(NULL_TARGET, NULL_TARGET) as both:
        one, two = both
        ticket = new_ticket()
        received = two.receive(two.buffer(size=SIZE), SIZE, ticket)
        sent = one.send(two, one.buffer(bytes(SIZE)), SIZE, ticket)
        assert ends((one, sent), (two, received)) == [0, 0]
        for peer in both:
            peer.client.connection.close()
        first, second = (peer.worker.last_word().traffic for peer in both)
        assert (first.to_peers, first.from_peers) == (SIZE, 0)
        assert (second.to_peers, second.from_peers) == (0, SIZE)
        assert first.from_client > SIZE > second.from_client > 0
        assert min(first.to_client, second.to_client) > 0
