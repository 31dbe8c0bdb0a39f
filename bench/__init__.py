"""What the pool costs: the same on the pool and on local PyOpenCL or PyCUDA, alternating in one run.

    python -m bench [--api cuda] [--quick] [--only METRIC] [--device NAME] [--json FILE] [--list]

__main__    options; the run from start to end
plan        what is run, how often, in which company
metrics     what is told of it, and the aims
figures     from samples to figures
report      JSON lines and the table
pool        a broker and an agent of the bench's own
sides       the coordinator's end of the child processes
side        the child process: runs a block of an operation when told
accelerator what operations run on: a module like PyOpenCL or PyCUDA, and a context
operations  launches, transfers, builds, acquiring
workloads   matmul, stencil, n-body of the kernel library
floor       the bare connection: ping-pong and stream

docs/performance.md says how to read the result.
"""
