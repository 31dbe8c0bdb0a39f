"""Failures of the database, as errors of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import exc

from accelpool_wire.errors import Conflict, Invalid, Unavailable

# Lost connections, a server that stops, locks and statements over their time; a stand-by that only reads.
OUTAGES = (exc.OperationalError, exc.InterfaceError, exc.InternalError)
UNDEFINED_TABLE, NO_PRIVILEGE = "42P01", "42501"  # of PostgreSQL: what was there at the start is gone


@contextmanager
def translated() -> Iterator[None]:
    """Translate what the database raises in the block.

    Raises:
        Conflict: A constraint of the database refuses the changes.
        Invalid: A value is none that the database can hold, such as a text with a null character.
        Unavailable: The database does not answer.
    """
    try:
        yield
    except exc.IntegrityError as error:
        raise Conflict(f"the database refused the change: {reason(error)}") from error
    except exc.DataError as error:
        raise Invalid("a value is none that the database can hold") from error
    except OUTAGES as error:
        raise Unavailable(f"the broker's database does not answer: {reason(error)}") from error
    except exc.ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) not in (UNDEFINED_TABLE, NO_PRIVILEGE):
            raise
        raise Unavailable(f"the broker's database is not as it was: {reason(error)}") from error
    except exc.DatabaseError as error:  # its file is damaged, or is another one
        raise Unavailable(f"the broker's database cannot be used: {reason(error)}") from error
    except exc.TimeoutError as error:
        raise Unavailable("the broker's database is slow: all connections to it are taken") from error


def reason(error: exc.DBAPIError) -> str:
    """Return what the database said; why PostgreSQL cannot be reached is not for callers to know."""
    said = getattr(error.orig, "diag", None)
    if said is None:
        return str(error.orig)
    return said.message_primary or "no connection"
