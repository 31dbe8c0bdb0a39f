"""A session on a database: one transaction, with the database's failures as errors of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, exc
from sqlalchemy.orm import Session

from accelpool_wire.errors import Conflict, Invalid, Unavailable

# Lost connections, a server that stops, locks and statements over their time; a stand-by that only reads.
OUTAGES = (exc.OperationalError, exc.InterfaceError, exc.InternalError)


@contextmanager
def session(engine: Engine) -> Iterator[Session]:
    """Give a session whose transaction commits at the end of the block, or rolls back on any exception.

    Raises:
        Conflict: A constraint of the database refuses the changes.
        Invalid: A value is none that the database can hold, such as a text with a null character.
        Unavailable: The database does not answer.
    """
    try:
        with Session(engine, expire_on_commit=False) as opened, opened.begin():
            yield opened
    except exc.IntegrityError as error:
        raise Conflict(f"the database refused the change: {reason(error)}") from error
    except exc.DataError as error:
        raise Invalid("a value is none that the database can hold") from error
    except OUTAGES as error:
        raise Unavailable(f"the broker's database does not answer: {reason(error)}") from error
    except exc.TimeoutError as error:
        raise Unavailable("the broker's database is slow: all connections to it are taken") from error


def reason(error: exc.DBAPIError) -> str:
    """Return what the database said; why PostgreSQL cannot be reached is not for callers to know."""
    said = getattr(error.orig, "diag", None)
    if said is None:
        return str(error.orig)
    return said.message_primary or "no connection"
