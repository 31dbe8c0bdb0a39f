"""The database's tables, brought to the newest form by Alembic."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError, InterfaceError

from accelpool_wire.errors import Unavailable


def migrate(engine: Engine, *first: str) -> None:
    """Bring the database's tables to the newest form; if that fails, let go of the database.

    Args:
        engine: The database.
        first: Statements that come first in the same transaction, such as one that keeps other brokers out.

    Raises:
        Unavailable: The database cannot be opened or changed, or is of a newer version than this.
    """
    try:
        with ExitStack() as failing:
            failing.callback(engine.dispose)
            with engine.begin() as connection:
                for statement in first:
                    connection.exec_driver_sql(statement)
                command.upgrade(config(connection), "head")
            failing.pop_all()
    except (DatabaseError, InterfaceError) as error:
        raise Unavailable(f"the broker's database cannot be opened: {error.orig}") from error
    except CommandError as error:
        raise Unavailable(
            f"the broker's database is not of this version or an earlier one: {error}"
        ) from error


def config(connection: Connection) -> Config:
    """Return what Alembic's commands need, on a connection."""
    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    made.attributes["connection"] = connection
    return made
