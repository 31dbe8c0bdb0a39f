"""Several leases on one device: what they share is in memory that the agent and the workers have in common.

layout   where which number is
ledger   the shared memory: memory shares, turns, limits
session_slot  one session's numbers in it
policy   who is next, for how long, what is charged; no I/O
futex    sleeping until another process says so
"""
