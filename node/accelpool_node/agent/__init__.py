"""The agent: supervises a machine's devices and the workers that run sessions on them.

It never loads a driver itself. Everything happens on one asyncio loop in the main thread; only calls to the
broker run elsewhere.

main         options, state directory, signals: the process
settings     everything that can be set, as one frozen value
supervisor   ties the parts together: start, serve, shut down
devices      what the node has, and what works (pure)
discovery    asks child processes what there is and whether it works
health       probes suspect and faulty devices again
leases       which lease tokens still hold: epochs, ends (pure)
shares       the ledgers of the devices: limits and places of sessions
activity     how long each lease was at work (pure)
handshake    what a client's first frame may be, and whether it is let in (pure)
listener     the data plane's socket: one bounded frame of each client
visitor      whoever has connected, over TLS or without
sessions     the sessions: opened, watched, ended, remembered
dialing      connections to other nodes for them
outcomes     how a session ended (pure)
warm_pool    workers ready before they are needed
workers      a worker process and the channel to it
builders     the builder of each driver environment
processes    child processes: started, recorded, reaped
child_log    what they write on their standard errors, in the agent's log
watch        what they have on disk, and how many they are
arrangement  who child processes are and where they live
users        users for them, where the agent is root
confinement  what they may do: folders, users, devices
enclosure    what is around them, where that is wanted: control groups, bubblewrap
child        the first code of a child process
state_dir    what survives the agent: the lock, the children's records
contract     the JSON that agent and broker exchange
reports      what the broker is told, until it has heard it (pure)
enrolment    how the node gets a token of its own, at its first start
broker       the broker's two endpoints, as blocking calls
broker_link  registration, reports and long-polls, for as long as the agent lives
background   blocking calls beside the loop
"""
