"""Whether a node can serve sessions now, for whoever starts agents and watches them. No I/O."""

from __future__ import annotations

from collections.abc import Mapping


def why_not_ready(faults: Mapping[str, str], *, lost_after_s: float | None, silent_s: float) -> str:
    """Return why the node cannot serve sessions, "" if it can; strangers are told it, so it names no fault.

    Args:
        faults: Of every device, "" for a healthy one.
        lost_after_s: After how much silence the broker takes the node for lost; None before it let it in.
        silent_s: How long ago the broker answered last.
    """
    if lost_after_s is None:
        return "the broker has not let the node in yet"
    if silent_s > lost_after_s:
        return f"the broker has not answered for {silent_s:.0f} s"
    if not faults:
        return "the node has no device"
    if all(faults.values()):
        return "no device of the node works; `accelpool doctor` there says why"
    return ""
