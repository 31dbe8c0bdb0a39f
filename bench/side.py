"""One side of the comparison: a child process that runs blocks of operations when told.

    python -m bench.side pool PARAMETERS | local PARAMETERS | floor     (PARAMETERS: a JSON object)

Requests come on stdin and answers go to what was stdout, one JSON object a line; what drivers print goes to
stderr. A failed request is answered with {"error": text}, and the side goes on.

    {"do": "open", "key": KEY, "operation": NAME, "parameters": {...}}   →  {}
    {"do": "run", "key": KEY, "count": N, "untimed": N}                   →  {"series": {NAME: [s, ...]}}
    {"do": "close", "key": KEY}                                           →  {"check": number or null}
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from bench import floor, operations, workloads
from bench.accelerator import local_accelerator, pool_accelerator

ON_ACCELERATOR: dict[str, Callable[..., operations.Operation]] = {
    "null": operations.NullRoundTrip,
    "launches": operations.Launches,
    "transfer": operations.Transfer,
    "build": operations.Build,
    "acquire": operations.Acquire,
    "matmul": workloads.Matmul,
    "stencil": workloads.Stencil,
    "nbody": workloads.NBody,
}
ON_CONNECTION: dict[str, Callable[..., operations.Operation]] = {
    "ping_pong": floor.PingPong,
    "stream": floor.Stream,
}
STDOUT, STDERR = 1, 2


class Side:
    """Makes, runs and drops operations.

    Args:
        makers: How to make each, by name.
    """

    def __init__(self, makers: dict[str, Callable[..., operations.Operation]]) -> None:
        self._makers = makers
        self._open: dict[str, operations.Operation] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Do what a request says."""
        key = request["key"]
        if request["do"] == "open":
            self._open[key] = self._makers[request["operation"]](**request["parameters"])
            return {}
        if request["do"] == "run":
            operation = self._open[key]
            if request["untimed"]:
                operation.run(request["untimed"])
            return {"series": operation.run(request["count"])}
        check = getattr(self._open.pop(key), "check", None)
        gc.collect()
        return {"check": check}


def serve(side: Side, answers: int) -> None:
    """Answer requests until stdin ends."""
    with os.fdopen(answers, "w") as out:
        for line in sys.stdin:
            try:
                answer = side.answer(json.loads(line))
            except Exception as error:  # noqa: BLE001, RUF100 - the coordinator is told and decides
                traceback.print_exc()
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), file=out, flush=True)


def main() -> None:
    """Run one side's whole life."""
    warnings.simplefilter("ignore")  # compilers' remarks
    faulthandler.register(signal.SIGUSR1)  # a coordinator out of patience asks where this hangs
    answers = os.dup(STDOUT)
    os.dup2(STDERR, STDOUT)
    kind, parameters = sys.argv[1], json.loads(sys.argv[2])
    if kind == "floor":
        connection = floor.Connection()
        serve(Side({name: partial(make, connection) for name, make in ON_CONNECTION.items()}), answers)
        connection.close()
        return
    make_accelerator = pool_accelerator if kind == "pool" else local_accelerator
    if kind == "pool":
        parameters["token"] = os.environ.pop("BENCH_TOKEN")
    accelerator = make_accelerator(**parameters)
    serve(Side({name: partial(make, accelerator) for name, make in ON_ACCELERATOR.items()}), answers)
    accelerator.give_back()


if __name__ == "__main__":
    main()
