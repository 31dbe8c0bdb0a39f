"""What `accelpool top` shows, and what its keys do: pure functions of the pool, the view and the size.

key         then
q           it ends
s           the next column is sorted by
r           the other way round
/           what is typed from now on narrows the lists, until Enter; Escape takes it away
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from accelpool.cli.keyboard import BACKSPACE, ENTER, ESCAPE
from accelpool.cli.output import IN_CELLS, table
from accelpool.cli.overview import Overview, Record, clock_time, holder_of, lent_cell, memory_cell
from accelpool.cli.readings import reading
from accelpool.cli.smi import held_by

HEADING_LINES = 2
TABLE_LINES = 2  # a table's own: a blank line and its heading
FEWEST_ROWS = 2
LONGEST_FILTER = 40
DEVICE_COLUMNS = ("device", "node", "temp", "power", "memory", "util", "lent", "held by")
QUEUE_COLUMNS = ("queued", "place", "held by", "why")
LEASE_COLUMNS = ("lease", "devices", "held by", "client", "until")


def _reading(name: str) -> Callable[[Record], float]:
    return lambda device: float((device.get("readings") or {}).get(name) or 0)


SORTS: Mapping[str, Callable[[Record], Any]] = {
    "node": lambda device: (device["node"], device["name"]),
    "util": _reading("utilization"),
    "memory": _reading("memory_used_bytes"),
    "temp": _reading("temperature_c"),
    "power": _reading("power_w"),
    "lent": lambda device: -float(device.get("free", {}).get("compute", 1.0)),
}
SORT_NAMES = tuple(SORTS)


@dataclass(frozen=True, kw_only=True)
class View:
    """How the pool is looked at.

    Attributes:
        sort: What devices are sorted by; numbers begin with the largest.
        is_reversed: Whether they are the other way round.
        filter: What a line has to contain to be shown, in any case of letters.
        is_typing: Whether keys are a part of the filter.
        is_over: Whether it has ended.
    """

    sort: str = SORT_NAMES[0]
    is_reversed: bool = False
    filter: str = ""
    is_typing: bool = False
    is_over: bool = False


def press(view: View, key: str) -> View:
    """Return the view after a key."""
    if view.is_typing:
        return _typed(view, key)
    if key in ("q", "Q"):
        return replace(view, is_over=True)
    if key == "s":
        following = (SORT_NAMES.index(view.sort) + 1) % len(SORT_NAMES)
        return replace(view, sort=SORT_NAMES[following])
    if key == "r":
        return replace(view, is_reversed=not view.is_reversed)
    if key == "/":
        return replace(view, is_typing=True)
    return replace(view, filter="") if key == ESCAPE else view


def _typed(view: View, key: str) -> View:
    if key == ENTER:
        return replace(view, is_typing=False)
    if key == ESCAPE:
        return replace(view, is_typing=False, filter="")
    if key == BACKSPACE:
        return replace(view, filter=view.filter[:-1])
    return replace(view, filter=(view.filter + key)[:LONGEST_FILTER]) if key.isprintable() else view


def screen(seen: Overview | None, view: View, height: int, trouble: str = "") -> RenderableType:
    """Return what is shown.

    Args:
        seen: The pool as it was last seen, None if it never was.
        view: How it is looked at.
        height: How many lines there are.
        trouble: Why it is not seen at present, "" if it is.
    """
    heading = Text(seen.summary() if seen else "asking the pool ...", style="bold", no_wrap=True)
    told = Text(trouble.translate(IN_CELLS) or _keys(view), style="red" if trouble else "dim")
    told.no_wrap, told.overflow = True, "ellipsis"
    return Group(heading, told, *(_tables(seen, view, height - HEADING_LINES) if seen else ()))


def _keys(view: View) -> str:
    order = f"s: by {view.sort}{', reversed' if view.is_reversed else ''}"
    narrowed = (
        f"/{view.filter}{'_' if view.is_typing else ''}" if view.filter or view.is_typing else "/: filter"
    )
    return f"q: quit   {order}   r: reverse   {narrowed}"


def _tables(seen: Overview, view: View, height: int) -> list[RenderableType]:
    """Return the tables; those with nothing in them leave their room to the others."""
    lists = [
        (DEVICE_COLUMNS, _narrowed(_devices(seen, view), view)),
        (QUEUE_COLUMNS, _narrowed([_queue_row(lease) for lease in seen.queued], view)),
        (LEASE_COLUMNS, _narrowed([_lease_row(lease) for lease in seen.active], view)),
    ]
    filled = [(columns, rows) for columns, rows in lists if rows]
    heights = share_out(height - TABLE_LINES * len(filled), [len(rows) for _, rows in filled])
    shown: list[RenderableType] = []
    for (columns, rows), room in zip(filled, heights, strict=True):
        shown += [Text(""), table(columns, _cut(rows, room), is_cut=True)]
    return shown


def share_out(room: int, wanted: Sequence[int]) -> list[int]:
    """Return how many rows of a room each list gets: what it wants, or the first ones less than others.

    Args:
        room: How many rows there are; each list has at least two, or all of its own.
        wanted: How many each has.
    """
    given = [min(FEWEST_ROWS, want) for want in wanted]
    left = room - sum(given)
    while left > 0 and given != list(wanted):
        for place, want in enumerate(wanted):
            if left > 0 and given[place] < want:
                given[place] += 1
                left -= 1
    return given


def _cut(rows: Sequence[Sequence[object]], room: int) -> list[Sequence[object]]:
    """Return the rows that fit; the last one says how many do not."""
    if len(rows) <= room:
        return list(rows)
    return [*rows[: room - 1], (f"... {len(rows) - room + 1} more", *[" "] * (len(rows[0]) - 1))]


def _narrowed(rows: Sequence[Sequence[object]], view: View) -> list[Sequence[object]]:
    wanted = view.filter.casefold()
    return [row for row in rows if wanted in " ".join(map(str, row)).casefold()]


def _devices(seen: Overview, view: View) -> list[Sequence[object]]:
    is_descending = (view.sort != "node") != view.is_reversed
    ordered = sorted(seen.devices, key=SORTS["node"])
    ordered.sort(key=SORTS[view.sort], reverse=is_descending)
    return [
        (
            device["name"],
            device["node"],
            reading(device, "temperature_c"),
            reading(device, "power_w"),
            memory_cell(device),
            reading(device, "utilization"),
            lent_cell(device),
            held_by(seen, device),
        )
        for device in ordered
    ]


def _queue_row(lease: Record) -> Sequence[object]:
    return (lease["id"], lease.get("position"), holder_of(lease), lease.get("reason"))


def _lease_row(lease: Record) -> Sequence[object]:
    devices = ", ".join(f"{share['node']}: {share['name']}" for share in lease.get("shares", ()))
    until = clock_time(lease.get("expires_at")).partition(" ")[2]
    return (lease["id"], devices, holder_of(lease), lease.get("client"), until)
