"""A session on a database: one transaction, with the database's failures as errors of ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine

from accelpool_broker.queries.errors import translated
from accelpool_broker.queries.session import Database
from accelpool_broker.queries.transaction import Transaction


@contextmanager
def transaction(engine: Engine) -> Iterator[Transaction]:
    """Give a transaction that commits at the end of the block, or rolls back on any exception.

    Raises:
        Conflict: A constraint of the database refuses the changes.
        Invalid: A value is none that the database can hold, such as a text with a null character.
        Unavailable: The database does not answer.
    """
    with translated(), Database(engine, expire_on_commit=False) as opened, opened.begin():
        yield Transaction(opened)
