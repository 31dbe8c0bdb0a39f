"""What a pool would have done: a trace of jobs, replayed over the very scheduler that the broker runs.

    read_trace, generate -> jobs        see `trace`, `job` and `generators`
    simulate(jobs, pool, discipline) -> Run     see `engine`; the model of speed is in `sharing`
    measure(run) -> Measures            see `measures`

Time is virtual and nothing sleeps: the same trace, pool and discipline give the same run.
"""

from accelpool_broker.simulator.disciplines import Discipline, exclusive, ours
from accelpool_broker.simulator.engine import Options, simulate
from accelpool_broker.simulator.errors import (
    NeverServed,
    NoProgress,
    PlottingMissing,
    SimulatorError,
    TraceError,
)
from accelpool_broker.simulator.generators import GENERATORS, generate
from accelpool_broker.simulator.job import Job
from accelpool_broker.simulator.measures import Measures, measure
from accelpool_broker.simulator.pool import Pool
from accelpool_broker.simulator.run import Outcome, Run, Sample
from accelpool_broker.simulator.trace import read_trace, write_trace

__all__ = [
    "GENERATORS",
    "Discipline",
    "Job",
    "Measures",
    "NeverServed",
    "NoProgress",
    "Options",
    "Outcome",
    "PlottingMissing",
    "Pool",
    "Run",
    "Sample",
    "SimulatorError",
    "TraceError",
    "exclusive",
    "generate",
    "measure",
    "ours",
    "read_trace",
    "simulate",
    "write_trace",
]
