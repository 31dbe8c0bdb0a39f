"""Which of a lease's other endpoints a session sends to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from accelpool_node.worker.peer_line import Patience
from accelpool_node.worker.peers import Peers, connect_nowhere
from accelpool_wire import messages as m
from accelpool_wire.codes import ErrorCode
from accelpool_wire.errors import Error
from accelpool_wire.lease_token import peer_text

ONE, OTHER = "1" * 64, "2" * 64
MESSAGE = m.SendBuffer(1, 2, 0, 9, "10.0.0.1", 7000, "ses_1", bytes(16), 3)


class Reached(Exception):
    """The region of a send was asked for."""


class Regions:
    """Has none."""

    def open(self, _message: m.Message, _command: int) -> None:
        raise Reached


def peers_of(addresses: Sequence[str]) -> Peers:
    return Peers(cast("Any", Regions()), addresses, Patience(), connect_nowhere)


@pytest.mark.parametrize("pins", [[ONE, OTHER], [OTHER, ONE], [ONE, ""], ["", ONE], [ONE, OTHER, ONE]])
def test_an_address_that_is_said_to_have_several_certificates_is_sent_nothing(pins: list[str]) -> None:
    peers = peers_of([*(peer_text("10.0.0.1", 7000, pin) for pin in pins), peer_text("10.0.0.2", 7000, ONE)])
    with pytest.raises(Error, match=r"10\.0\.0\.1:7000 .* different certificates") as refused:
        peers.send_buffer(MESSAGE, 1)
    assert refused.value.code == ErrorCode.INVALID_OPERATION


@pytest.mark.parametrize("pins", [[ONE], [ONE, ONE], [""], ["", ""]])
def test_one_that_is_named_again_with_the_same_is_no_less_known(pins: list[str]) -> None:
    peers = peers_of([peer_text("10.0.0.1", 7000, pin) for pin in pins])
    with pytest.raises(Reached):
        peers.send_buffer(MESSAGE, 1)
