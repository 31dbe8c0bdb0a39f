"""What the kernel library is from any context: its kernels by name, each with its arguments counted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from accelpool_kernels import Entry, UnknownKernel, entry, names

AnyContext = TypeVar("AnyContext")
AnyKernel = TypeVar("AnyKernel", bound="CatalogueKernel[Any]")


class CatalogueKernel(Generic[AnyContext]):
    """A kernel of the library in a context; a subclass is called with its arguments.

    Attributes:
        entry: What the catalogue says of it.
    """

    __slots__ = ("_context", "entry")

    def __init__(self, context: AnyContext, entry: Entry) -> None:
        self._context = context
        self.entry: Entry = entry

    @property
    def __name__(self) -> str:
        """The kernel's name."""
        return self.entry.name

    def _named(self, args: tuple[Any, ...]) -> dict[str, Any]:
        """Return arguments by their names.

        Raises:
            TypeError: There are more or fewer than the kernel has.
        """
        parameters = self.entry.parameters
        if len(args) != len(parameters):
            declared = ", ".join(f"{a.type}{'*' * a.role.is_buffer} {a.name}" for a in parameters)
            takes = f"kernel {self.entry.name} takes {len(parameters)} arguments, not {len(args)}"
            raise TypeError(f"{takes}: {declared}")
        return {argument.name: value for argument, value in zip(parameters, args, strict=True)}

    def _sizes(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {name: given[name] for name in self.entry.sizes}


class CatalogueKernels(Generic[AnyContext, AnyKernel]):
    """The kernels of the library in a context, as attributes; `dir()` lists them.

    Attributes:
        KERNEL: The class of each.
    """

    __slots__ = ("_context",)

    KERNEL: ClassVar[Any]

    def __init__(self, context: AnyContext) -> None:
        self._context = context

    def __getattr__(self, name: str) -> AnyKernel:
        """Return the kernel of that name; it is built when it is first called."""
        try:
            kernel: AnyKernel = self.KERNEL(self._context, entry(name))
        except UnknownKernel:
            known = ", ".join(names())
            raise AttributeError(f"no kernel {name!r} in the library; there are {known}") from None
        return kernel

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *names()]
