"""The worker: the process on a node that executes one session.

__main__    loads the driver, waits for its session, tells the agent how it ended
service     the session's connection: frames in, frames out
session     what each message does
objects     the session's objects by handle, and the failures that stick to them
transfers   bulk bytes between the connection and device memory
completion  waiting for commands without keeping the connection waiting
"""
