"""The worker: the process on a node that executes one session.

__main__     loads the driver, waits for its session, tells the agent how it ended
service      the session's connection: frames in, frames out
agent_line   what the agent is told, and its last word
pulse        signs of life for the agent
session      what each message does, and what becomes of a failure
parting      sub-devices, default queues, compilers of devices
commands     launches, copies, fills, markers, reads, writes
payloads     where each payload goes, and to whom
images       makes images and samplers, checked before a driver sees them
image_commands  copies from, to and between images, fills
svm          makes shared virtual memory
rectangles   copies of rectangles in buffers
kernel_args  what a kernel's arguments are set to, checked
wanted_args  what they have to be, found out once for a kernel
image_args   the same of images and samplers
builds       makes, builds, compiles and links programs, and tells what is known of them
spirv        whether bytes are SPIR-V
loaded_images  which binary each device has
prebuilt     makes programs of what the builder built
builder_link the way to the builder
holdings     makes, finds and lets go of what the session holds
objects      the session's objects by handle, and the failures that stick to them
failures     what a failure is to the client
zeroing      new memory without what others left in it
ledger       the device memory that they take, to the byte, with other sessions of the lease
sharing      the session as one of several on its devices
turn_taking  which commands take turns with other leases' sessions
device_turn  a session's turns on one device
activity     how long the session had commands on its devices
transfers    bulk bytes between the connection and device memory
staging      room in the node's memory for those that are not mapped
bands        parts of transfers for which there is not enough room
completion   waiting for commands without keeping the connection waiting
peers        buffers to and from sessions on other nodes, in threads
peer_regions the regions that these read and fill, and the events of their commands
peer_line    one delivery's connection
outgoing     its connection, which the agent makes
arrivals     which delivery is for which region
readiness    waiting for other nodes without a thread for each
user_events  events that the client sets
gates        which commands wait for those that are not set, so that nobody waits for these commands
"""
