"""One context over the devices of several nodes, or of several driver environments of a node.

The SDK talks to a `SpanningConnection` as to any connection. Behind it are several, one for each endpoint of
the lease, and what is said once is said to those whom it concerns:

    connection.py   performs what the router decides; parts.py: the connections, and what they cost
    router.py       decides, without I/O: one message in, the steps out, each for one of the connections
    commands.py     likewise for commands: makes their memory resident and their wait lists local
    replicas.py     where the content of each buffer is, and who still uses it
    accesses.py     which memory each command reads and writes
    events.py       which connection has which event, and for how long it is needed
    asks.py         synchronous messages: who is asked what
    programs.py     builds, in parts and put together again

A handle is the same number in all of them: a client chooses its handles. So nothing is translated but the
places of devices, and an event that another node waits for is a user event of the same handle there.

A *part* is one of the connections, by its index.
"""

from accelpool.spanning.connection import SpanningConnection, spanning
from accelpool.spanning.parts import Part

__all__ = ["Part", "SpanningConnection", "spanning"]
