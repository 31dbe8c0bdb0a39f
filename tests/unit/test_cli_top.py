"""What `accelpool top` shows, and what its keys do."""

from __future__ import annotations

import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from accelpool.cli.keyboard import BACKSPACE, ENTER, ESCAPE, Keyboard
from accelpool.cli.overview import Overview
from accelpool.cli.top_screen import SORT_NAMES, View, press, screen, share_out


def device(number: int, load: float | None = None) -> dict:
    return {
        "id": f"dev_{number}", "node": "n1", "name": f"gpu-{number}", "state": "free", "leases": [],
        "capacity": {"memory_bytes": 1 << 30}, "free": {"compute": 1.0, "memory_bytes": 1 << 30},
        "readings": None if load is None else {"utilization": load},
    }  # fmt: skip


def shown(view: View, *devices: dict, height: int = 24, leases: tuple[dict, ...] = ()) -> list[str]:
    paper = io.StringIO()
    seen = Overview(url="http://broker:8750", devices=devices, leases=leases)
    Console(file=paper, width=80).print(screen(seen, view, height))
    return paper.getvalue().splitlines()


def after(*keys: str) -> View:
    view = View()
    for key in keys:
        view = press(view, key)
    return view


def test_keys_sort_narrow_and_end() -> None:
    assert after("q").is_over
    assert after("s").sort == SORT_NAMES[1]
    assert after(*"s" * len(SORT_NAMES)) == View()
    assert after("r", "r") == View()
    assert after("/", "q", "x", BACKSPACE, ENTER) == View(filter="q")
    assert after("/", "q", ESCAPE) == after("/", "q", ENTER, ESCAPE) == View()
    assert after("?", "\x01") == View()


def test_devices_are_sorted_by_what_they_measure_the_most_first() -> None:
    devices = device(0), device(1, 0.2), device(2, 0.9)
    names = [line.split()[0] for line in shown(View(sort="util"), *devices)[4:7]]
    assert names == ["gpu-2", "gpu-1", "gpu-0"]
    reversed_ = [line.split()[0] for line in shown(View(sort="util", is_reversed=True), *devices)[4:7]]
    assert reversed_ == names[::-1]


def test_the_queue_is_in_its_order_and_reservations_come_last() -> None:
    leases = tuple(
        {"id": f"lse_{position}", "state": "queued", "position": position, "reason": "all are taken"}
        for position in (None, 2, 1)
    )
    told = [line.split()[0] for line in shown(View(), device(0), leases=leases) if line.startswith("lse")]
    assert told == ["lse_1", "lse_2", "lse_None"]


def test_names_of_others_do_nothing_to_the_terminal() -> None:
    lease = {"id": "l", "state": "active", "client": "\x1b[2J", "account": "a\x07"}
    assert not {"\x1b", "\x07"} & set("".join(shown(View(), device(0), leases=(lease,))))


@given(st.integers(-10, 60), st.lists(st.integers(1, 40), max_size=3))
def test_rows_are_given_to_all_lists_and_no_more_than_there_are(room: int, wanted: list[int]) -> None:
    given_ = share_out(room, wanted)
    least = [min(2, want) for want in wanted]
    assert all(low <= got <= want for low, got, want in zip(least, given_, wanted, strict=True))
    assert sum(given_) <= max(room, sum(least))
    assert sum(given_) >= min(sum(wanted), room)


@pytest.mark.parametrize(("height", "rest"), [(24, "... 11 more"), (40, "")])
def test_what_does_not_fit_is_counted(height: int, rest: str) -> None:
    lines = shown(View(), *map(device, range(30)), height=height)
    assert len(lines) <= height
    assert ("more" in lines[-1]) == bool(rest)
    assert rest in lines[-1]


def test_keys_are_read_as_they_are_pressed_and_arrows_are_none() -> None:
    reader, writer = os.pipe()
    keys = Keyboard(reader)
    for pressed, read in ((b"s", ["s"]), (b"\x1b[A", []), (b"\x1b", [ESCAPE]), (b"\n", [ENTER])):
        os.write(writer, pressed)
        assert keys.wait() == read
    keys.wake()
    assert keys.wait() == []
    os.close(writer)
    with pytest.raises(EOFError):
        keys.wait()
    keys.close()
    keys.wake()
    os.close(reader)
