"""The builder: builds programs once for all sessions of a driver environment, and keeps what came out.

    worker ──Build──▶ builder: no driver in it; keeps products in memory   ──fork!──▶ nursery: reads no source
           ◀─Product──         │  ▲                                                      │ forks
                             Build Product                                               ▼
                               └──┴──────────── a connection for one build ────────▶ compiler: reads one

`__main__`      the builder's process
`service`       what it answers, to whom
`store`         the products that it keeps
`eligibility`   which builds depend on their source and options alone
`nursery`       the process that forks compilers
`compiler`      a process that makes one build and ends
`compilers`     the builder's side of both
`messages`      what they say to each other, and to workers
`control`       what the agent and its builders say to each other

Why it is so: docs/decisions/0015-a-program-cache-that-workers-cannot-write.md.
"""
