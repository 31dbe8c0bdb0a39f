"""What the agent hears last from a worker."""

import os
import socket
import threading
from typing import NoReturn

import pytest

from accelpool_node import control
from accelpool_node.worker.agent_line import AGENT_GONE, AgentLine

TALKERS = 4


def worker_that(*, leaves_from: socket.socket, once_told_by: int) -> int:
    """Fork a process that says without end that it lives, until it leaves; its process id."""
    pid = os.fork()
    if not pid:
        talk_and_leave(AgentLine(leaves_from), once_told_by)
    return pid


def talk_and_leave(line: AgentLine, once_told_by: int) -> NoReturn:
    def talk() -> None:
        while True:
            line.say(control.Alive(0.0))

    for _ in range(TALKERS):
        threading.Thread(target=talk, daemon=True).start()
    os.read(once_told_by, 1)
    line.leave(control.Ended(control.Cause.ENDED, "over"))


@pytest.mark.parametrize("turn", range(5))
def test_nothing_comes_after_the_last_word(turn: int) -> None:
    agent, channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    told_by, teller = os.pipe()
    with agent:
        with channel:
            pid = worker_that(leaves_from=channel, once_told_by=told_by)
        for _ in range(100):
            assert isinstance(control.receive_at_agent(agent), control.Alive)
        os.write(teller, b".")
        heard = list(iter(lambda: control.receive_at_agent(agent), None))
    os.close(told_by)
    os.close(teller)
    assert [type(word) for word in heard if not isinstance(word, control.Alive)] == [control.Ended]
    assert isinstance(heard[-1], control.Ended)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_worker_whose_agent_is_gone_says_so_by_its_status() -> None:
    agent, channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    agent.close()
    pid = os.fork()
    if not pid:
        AgentLine(channel).leave(control.Ended(control.Cause.ENDED, "over"))
    channel.close()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == AGENT_GONE
