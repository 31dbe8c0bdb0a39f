"""Whatever a program does on several nodes, each command sees what it would see in one memory, and in time.

What is posted is carried out by a model of the nodes: each has bytes of its own for every buffer, and a
migration copies them. A model of one memory does the same. Then the order is checked: of two commands of
which one is part of a migration, and which use the same replica and do not both read it, one must wait for
the other.
"""

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import accelpool as cl
from accelpool.testing import FakeConnection, built, fake_spanning_context, kernel_info
from accelpool_wire import messages as m

SIZE = 8
NODES = 3
BUFFERS = 2
PIXELS = cl.ImageFormat(cl.channel_order.R, cl.channel_type.UNSIGNED_INT8)
OUT_OF_ORDER = cl.command_queue_properties.OUT_OF_ORDER_EXEC_MODE_ENABLE

KINDS = "read later write overwrite fill copy region image kernel barrier forget"

operations = st.lists(
    st.tuples(
        st.sampled_from(KINDS.split()),
        st.integers(0, NODES - 1),
        st.booleans(),  # of the node's two queues, which
        st.permutations(range(BUFFERS)),
    ),
    max_size=25,
)


class Nodes:
    """Carries out what is posted, at once, and notes who waits for whom."""

    def __init__(self):
        self.bytes = {}  # (node, buffer): its replica there
        self.whole = {}  # (node, region): buffer and origin
        self.sent = {}
        self.read = None
        self.is_in_order = {}
        self.last = {}  # of each in-order queue
        self.before = {}  # all that a command surely comes after, by (node, event)
        self.uses = []  # (node, buffer, event, writes, whether it is part of a migration)
        self.bridged = {}

    def take(self, node, message, payload):
        match message:
            case m.CreateCommandQueue():
                self.is_in_order[node, message.queue] = not message.properties & OUT_OF_ORDER
            case m.CreateBuffer():
                self.bytes[node, message.buffer] = bytearray(payload or b"?" * SIZE)
            case m.CreateSubBuffer():
                self.whole[node, message.sub_buffer] = (message.buffer, message.origin)
            case m.CreateImage():
                self.whole[node, message.image] = self.whole[node, message.buffer]
            case m.CreateUserEvent():
                self.bridged[node, message.event] = True
            case _ if hasattr(message, "wait_for"):
                self._command(node, message, payload)

    def _command(self, node, message, payload):
        event = message.event or -len(self.before)
        after = set()
        for waited in message.wait_for or ():
            sources = [(node, waited)]
            if (node, waited) in self.bridged:
                sources = [(other, waited) for other in range(NODES) if other != node]
            for source in sources:
                after |= {source, *self.before.get(source, ())}
        queue = (node, message.queue)
        if self.is_in_order[queue]:
            if queue in self.last:
                after |= {self.last[queue], *self.before[self.last[queue]]}
            self.last[queue] = (node, event)
        match message:
            case m.SendBuffer():
                self.sent[message.ticket] = (bytes(self.bytes[node, message.buffer]), {(node, event), *after})
            case m.ReceiveBuffer():
                content, earlier = self.sent.pop(message.ticket)
                self.bytes[node, message.buffer][:] = content
                after |= earlier
        self.before[node, event] = after
        self._use(node, message, payload, event)

    def _use(self, node, message, payload, event):
        match message:
            case m.SendBuffer():
                self._note(node, message.buffer, event, False, True)
            case m.ReceiveBuffer():
                self._note(node, message.buffer, event, True, True)
            case m.EnqueueReadBuffer():
                self.read = bytes(self.bytes[node, message.buffer])
                if message.event:  # else it is over when its call is
                    self._note(node, message.buffer, event, False)
            case m.EnqueueWriteBuffer():
                self._set(node, message.buffer, message.offset, payload, event)
            case m.EnqueueWriteImage():
                self._set(node, message.image, message.origin[0], payload, event)
            case m.EnqueueFillBuffer():
                self._set(node, message.buffer, message.offset, message.pattern * message.size, event)
            case m.EnqueueCopyBuffer():
                content = self.bytes[node, message.source][: message.size]
                self._note(node, message.source, event, False)
                self._set(node, message.target, 0, content, event)
            case m.EnqueueNDRangeKernel():
                out, source = message.args
                self._note(node, source, event, False)
                self._set(node, out, 0, add(self.bytes[node, out], self.bytes[node, source]), event)

    def _set(self, node, buffer, offset, content, event):
        whole, origin = self.whole.get((node, buffer), (buffer, 0))
        start = origin + offset
        self.bytes[node, whole][start : start + len(content)] = content
        self._note(node, whole, event, True)

    def _note(self, node, buffer, event, writes, is_migration=False):
        self.uses.append((node, buffer, (node, event), writes, is_migration))

    def races(self):
        """Return the pairs of uses that nothing orders, though a migration needs it."""
        return [
            (first, second)
            for first, second in combinations(self.uses, 2)
            if first[:2] == second[:2]
            and first[2] != second[2]
            and (first[3] or second[3])
            and (first[4] or second[4])
            and first[2] not in self.before[second[2]]
        ]


class NodeConnection(FakeConnection):
    """One of the nodes."""

    def __init__(self, nodes, number):
        super().__init__()
        self.nodes, self.number = nodes, number
        self.held = []

    def post(self, message, payload=None):
        self.nodes.take(self.number, message, None if payload is None else bytes(payload))
        return super().post(message, payload)

    def read(self, message, into):
        self.nodes.take(self.number, message, None)
        self.content = self.nodes.read
        return super().read(message, into)


def add(out, source):
    return bytes((a + b) % 256 for a, b in zip(out, source, strict=True))


class Program:
    """The same on the nodes and in one memory."""

    def __init__(self):
        self.nodes = Nodes()
        fakes = [NodeConnection(self.nodes, number) for number in range(NODES)]
        info = kernel_info("work", "global float* out", "constant float* in")
        for fake in fakes:
            fake.answers[m.BuildProgram] = built(info)
        self.ctx = fake_spanning_context(fakes)
        self.kernel = cl.Program(self.ctx, "source").build().work
        self.queues = [
            [cl.CommandQueue(self.ctx, device), cl.CommandQueue(self.ctx, device, OUT_OF_ORDER)]
            for device in self.ctx.devices
        ]
        self.memory = [bytearray([number + 1]) * SIZE for number in range(BUFFERS)]
        flags = cl.mem_flags.COPY_HOST_PTR
        self.buffers = [cl.Buffer(self.ctx, flags, hostbuf=content) for content in self.memory]
        self.events = []
        self.turn = 10

    def do(self, what, node, is_second, order):
        self.turn += 1
        queue, (first, second) = self.queues[node][is_second], order
        buffer, other, memory = self.buffers[first], self.buffers[second], self.memory[first]
        value = bytes([self.turn])
        waits = self.events[-3:]
        if what == "read":
            found = np.empty(SIZE, np.uint8)
            cl.enqueue_copy(queue, found, buffer, wait_for=waits)
            assert found.tobytes() == bytes(memory)
        elif what == "later":
            found = np.empty(SIZE, np.uint8)
            self.events.append(cl.enqueue_copy(queue, found, buffer, wait_for=waits, is_blocking=False))
        elif what == "write":
            self.events.append(cl.enqueue_copy(queue, buffer, value * 3, dst_offset=2, wait_for=waits))
            memory[2:5] = value * 3
        elif what == "overwrite":
            self.events.append(cl.enqueue_copy(queue, buffer, value * SIZE, wait_for=waits))
            memory[:] = value * SIZE
        elif what == "fill":
            self.events.append(cl.enqueue_fill_buffer(queue, buffer, value, 0, 2, wait_for=waits))
            memory[:2] = value * 2
        elif what == "region":
            self.events.append(cl.enqueue_copy(queue, buffer.get_sub_region(0, 6), value * 2, wait_for=waits))
            memory[:2] = value * 2
        elif what == "image":
            over = cl.create_image(self.ctx, 0, PIXELS, (6,), buffer=buffer.get_sub_region(0, 6))
            pixels = np.full(2, self.turn, np.uint8)
            done = cl.enqueue_copy(queue, over, pixels, origin=(1,), region=(2,), wait_for=waits)
            self.events.append(done)
            memory[1:3] = value * 2
        elif what == "copy":
            self.events.append(cl.enqueue_copy(queue, buffer, other, wait_for=waits))
            memory[:] = self.memory[second]
        elif what == "kernel":
            self.events.append(self.kernel(queue, (SIZE,), None, buffer, other, wait_for=waits))
            memory[:] = add(memory, self.memory[second])
        elif what == "barrier":
            self.events.append(cl.enqueue_barrier(queue, wait_for=waits))
        else:
            self.events.clear()


@settings(max_examples=200)
@given(operations)
def test_several_nodes_are_as_one_memory(steps):
    program = Program()
    for step in steps:
        program.do(*step)
    for number in range(BUFFERS):
        program.do("read", 0, False, (number, 1 - number))
    assert program.nodes.races() == []
