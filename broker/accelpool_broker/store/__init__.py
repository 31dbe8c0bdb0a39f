"""The broker's memory: the one package, with `queries`, that knows SQL.

A `Store` gives transactions. `write()` transactions exclude each other and are all or nothing; `read()` ones
see one moment of the database. Failures of the database itself become `Unavailable`.

    protocol.py      what a store is
    sqlite.py        one file, or memory alone, for one broker
    postgres.py      a PostgreSQL server, for any number of brokers; listener.py hears what the others changed
    database_url.py  which of them a URL names
    transactions.py  what both share: their errors; migrate.py: their tables
    rows.py          all rows of a database, out of it and into an empty one
    fence.py         what a database that was restored must not allow twice
"""

from accelpool_broker.store.database_url import DATABASE_URL as DATABASE_URL
from accelpool_broker.store.database_url import DatabaseUrlError as DatabaseUrlError
from accelpool_broker.store.database_url import database_url as database_url
from accelpool_broker.store.database_url import open_engine as open_engine
from accelpool_broker.store.database_url import open_store as open_store
from accelpool_broker.store.protocol import Store as Store
