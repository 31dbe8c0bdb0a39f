"""The messages of the data plane, as typed records.

A message is a msgpack array: its tag (an int), then its fields in the order given here. Trailing fields
may be missing and then have their defaults; unknown trailing fields are ignored.

    tag      direction         what
    0-9      both              the handshake and the end
    10-39    client to worker  posted: nothing is answered, failures stick (see docs/wire.md)
    40-59    client to worker  synchronous: exactly one reply each
    60-79    worker to client  replies and pushes
    80-109   client to worker  posted
    110-119  client to worker  synchronous
A message's base class says the same: `Posted`, `Synchronous`, `Reply`, `Push`.

Numbers:
    handle   chosen by the client, > 0, used once in a session; 0 means none
    command  a client's message by its place in the session: Hello is 0, the next is 1, and so on
    times    nanoseconds of the device's clock
    sizes    bytes, or work-items
Flags, properties, info names and error codes are OpenCL's own numbers (OpenCL 3.0 API specification).
"""

from accelpool_wire.messages.addresses import *
from accelpool_wire.messages.base import *
from accelpool_wire.messages.commands import *
from accelpool_wire.messages.events import *
from accelpool_wire.messages.handshake import *
from accelpool_wire.messages.images import *
from accelpool_wire.messages.memory import *
from accelpool_wire.messages.peers import *
from accelpool_wire.messages.program_parts import *
from accelpool_wire.messages.programs import *
from accelpool_wire.messages.rectangles import *
from accelpool_wire.messages.replies import *
from accelpool_wire.messages.svm import *
