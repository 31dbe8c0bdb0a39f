"""Expressions over devices: the Common Expression Language, as Kubernetes selects devices.

    device.kind == "gpu" && device.memory_bytes >= 40 * GiB
    device.attributes.vendor.startsWith("NVIDIA") && "cl_khr_fp64" in device.attributes.extensions
    device.labels.rack == "b7"

`device` has id, name, node, environment, kind, api, memory_bytes, compute_units, attributes (what its driver
says) and labels (what its node's operator says). An expression is checked when it is compiled; one that fails
on a device, such as by asking for an attribute that it lacks, does not hold for that device.

Expressions come from users and are evaluated while the pool waits. The language's own limit of iterations
does not bound their work: what a loop binds can be doubled in the next one, and so on. Loops are few instead,
and none is beside a `+`.

Source: https://cel.dev, the language's specification.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from accelpool_wire.errors import Invalid

MAX_EXPRESSION = 2000  # characters
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
MAX_LOOPS = 2
LOOPS = re.compile(r"\b(all|exists|exists_one|filter|map)\b")
OF_ITS_KIND = r"environment|kind|api|memory_bytes|compute_units|attributes|labels"
MAY_NAME_ONE = re.compile(rf"\bdevice\b(?!\.({OF_ITS_KIND})\b)")


class Selector:
    """A compiled expression.

    Args:
        expression: Its text.

    Attributes:
        is_particular: Whether it may tell devices apart that differ in nothing but id, name and node.

    Raises:
        Invalid: It is no valid expression, or its value is no truth value.
    """

    def __init__(self, expression: str) -> None:
        _check_size(expression)
        try:
            compiled = _environment().compile(expression)
        except RuntimeError as error:
            what = _first_line(error)
            hint = "; what a device has is `device`'s, such as device.memory_bytes" * ("undeclared" in what)
            raise Invalid(f"`where` is no valid expression: {what}{hint}") from error
        if compiled.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
            raise Invalid(
                f"`where` must be true or false for a device; it is of type {compiled.return_type().name()}"
            )
        self._compiled = compiled
        self.is_particular = MAY_NAME_ONE.search(expression) is not None

    def why_not(self, device: Mapping[str, Any]) -> str:
        """Return why the expression does not hold for a device, "" if it does."""
        try:
            result = self._compiled.eval(data={"device": device, **UNITS})
        except RuntimeError as error:  # such as for too many iterations
            return f"`where` cannot be told for it: {_first_line(error)}"
        if result.type() == cel.Type.BOOL:
            return "" if result.value() else "`where` is false for it"
        if result.type() == cel.Type.ERROR:
            return f"`where` cannot be told for it: {_first_line(result.value())}"
        return f"`where` is of type {result.type().name()} for it, not true or false"


@lru_cache(maxsize=1024)
def selector(expression: str) -> Selector:
    """Return the compiled expression.

    Raises:
        Invalid: It is no valid expression, or its value is no truth value.
    """
    return Selector(expression)


def _check_size(expression: str) -> None:
    if len(expression) > MAX_EXPRESSION:
        raise Invalid(f"`where` has {len(expression)} characters; {MAX_EXPRESSION} are possible")
    loops = len(LOOPS.findall(expression))
    if loops > MAX_LOOPS:
        raise Invalid(f"`where` has {loops} loops such as exists(); {MAX_LOOPS} are possible")
    if loops and "+" in expression:
        raise Invalid("`where` has a loop such as exists() and a `+`: they are not possible together")


@lru_cache(maxsize=1)
def _environment() -> cel.Env:
    device = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    return cel.NewEnv(variables={"device": device, **dict.fromkeys(UNITS, cel.Type.INT)})


def _first_line(error: object) -> str:
    text = str(error).removeprefix("INVALID_ARGUMENT: ERROR: <input>:")
    return text.partition("\n")[0]
