"""Child processes that do not behave, and the supervisor that starts them again."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from accelpool.cli.children import Child
from accelpool.cli.failures import StartFailed
from accelpool.cli.supervisor import Supervisor

MODULES = {
    "good": "import signal; print('{\"ready\": 7}', flush=True); signal.pause()",
    "chatty": "print('hello', flush=True)",
    "silent": "import signal; signal.pause()",
    "quitter": "import sys; print('{\"ready\": 0}', flush=True); sys.exit('broker: no luck')",
    "stubborn": """
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print('{"ready": 0}', flush=True)
        while True:
            signal.pause()
        """,
}

Make = Callable[[str], Child]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes a child that runs one of the modules above; they end with the test."""
    for name, code in MODULES.items():
        lines = code.strip().splitlines()
        (tmp_path / f"{name}.py").write_text("\n".join(line.removeprefix(" " * 8) for line in lines) + "\n")
    children: list[Child] = []

    def child(module: str) -> Child:
        variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
        log_path = tmp_path / "logs" / "child.log"
        children.append(
            Child(name="child", module=module, arguments=[], variables=variables, log_path=log_path)
        )
        return children[-1]

    yield child
    for one in children:
        one.stop(0.0)


def test_a_child_says_when_it_is_ready(make: Make) -> None:
    child = make("good")
    child.start()
    assert child.wait_ready(60.0) == 7
    child.stop()
    assert not child.is_running
    with pytest.raises(ProcessLookupError):
        os.kill(child.pid, 0)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("nonexistent", "did not start: .*No module named nonexistent"),
        ("chatty", "did not say that it is ready, but: b'hello"),
    ],
)
def test_a_child_that_fails_is_told_in_its_words(make: Make, module: str, words: str) -> None:
    child = make(module)
    child.start()
    with pytest.raises(StartFailed, match=words):
        child.wait_ready(60.0)


def test_a_silent_child_is_not_waited_for_without_end(make: Make) -> None:
    child = make("silent")
    child.start()
    with pytest.raises(StartFailed, match=r"not ready within 0\.2 s"):
        child.wait_ready(0.2)


def test_a_child_that_ignores_the_request_to_end_is_killed(make: Make) -> None:
    child = make("stubborn")
    child.start()
    child.wait_ready(60.0)
    child.stop(0.2)
    assert not child.is_running


def test_the_supervisor_starts_a_child_again_and_says_why(make: Make) -> None:
    child, told = make("quitter"), []
    child.start()
    supervisor = Supervisor([child], told.append)
    while len(told) < 2:
        supervisor.step()
    assert told[0].startswith("the child ended with exit code 1: broker: no luck; starting it again in 0.5 s")
    assert "starting it again in 1 s" in told[1]


def test_the_supervisor_leaves_the_others_alone(make: Make) -> None:
    good, victim, told = make("good"), make("good"), []
    for child in (good, victim):
        child.start()
        child.wait_ready(60.0)
    pids = good.pid, victim.pid
    supervisor = Supervisor([good, victim], told.append)
    os.kill(victim.pid, signal.SIGKILL)
    while victim.pid == pids[1] or not victim.is_running:
        supervisor.step()
    assert good.pid == pids[0]
    assert told[0].startswith("the child was killed by signal 9; starting it again")
