"""What the kernel library's kernels say of themselves: docstrings from the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

from accelpool_kernels import Argument, entry

Value = TypeVar("Value")


def description(name: str, before: str, after: str) -> str:
    """Return a kernel's docstring: what it computes, its arguments with types and shapes, its source.

    Args:
        name: The kernel's name.
        before: The line of what a call takes before the kernel's own arguments, "" for nothing.
        after: The line of what it takes after them.
    """
    found = entry(name)
    lines = [found.summary, "", "Args:", *([f"    {before}"] if before else [])]
    for argument in found.parameters:
        shape = f"{_shape(argument)} " if argument.role.is_buffer else ""
        kind = f"{shape}{argument.type}, {argument.role.value}"
        lines.append(f"    {argument.name}: {kind}{': ' if argument.summary else ''}{argument.summary}.")
    lines += [f"    {after}", ""]
    lines += [f"Launched over {found.rule.words}.", f"Tolerance: {found.tolerance.words}."]
    return "\n".join([*lines, "", f"Source: {found.source}."])


def _shape(argument: Argument) -> str:
    dimensions = ", ".join(map(str, argument.shape))
    return f"({dimensions}{',' if len(argument.shape) == 1 else ''})"


class Told(Generic[Value]):
    """An attribute of each kernel, made from its entry when it is asked for; the class has its own."""

    def __init__(self, tell: Callable[[str], Value], of_class: str | None = None) -> None:
        self._tell = tell
        self._of_class = of_class

    @overload
    def __get__(self, kernel: None, kind: type[Any] | None = None) -> str | None: ...

    @overload
    def __get__(self, kernel: Any, kind: type[Any] | None = None) -> Value: ...

    def __get__(self, kernel: Any, kind: type[Any] | None = None) -> Value | str | None:
        """Return what the kernel's entry says, or the class's own."""
        return self._of_class if kernel is None else self._tell(kernel.entry.name)
