"""An entry of the audit log, as it is added."""

from __future__ import annotations

from typing import Any

from accelpool_broker.services.caller import Caller

DONE = "done"
LONGEST_OBJECT, LONGEST_ADDRESS = 255, 64


def entry(caller: Caller, object: str, at: float) -> dict[str, Any]:
    """Return the entry that says that a caller has done to something what it called."""
    return made(
        at=at,
        account=caller.account,
        token=caller.token,
        address=caller.address,
        action=caller.action,
        object=object,
        outcome=DONE,
    )


def made(*, at: float, address: str, object: str, count: int = 1, **who_and_what: str) -> dict[str, Any]:
    """Return an entry that any database can hold, whatever a caller put into its path."""
    return {
        **who_and_what,
        "at": at,
        "address": address[:LONGEST_ADDRESS],
        "object": "".join(sign if sign.isprintable() else "?" for sign in object)[:LONGEST_OBJECT],
        "count": count,
    }
