"""Properties that are answered by their owner's `get_info`."""

from __future__ import annotations

from typing import Any, Generic, Protocol, TypeVar, overload

Value = TypeVar("Value")


class Informed(Protocol):
    """What has `get_info`."""

    def get_info(self, arg: int, /) -> Any:
        """Return the value of an info number."""
        ...


class Info(Generic[Value]):
    """A read-only property whose value is that of an info number; `Info[int](0x1002)` gives an int."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number: int = number

    @overload
    def __get__(self, owner: None, kind: type[Any] | None = None) -> Info[Value]: ...

    @overload
    def __get__(self, owner: Informed, kind: type[Any] | None = None) -> Value: ...

    def __get__(self, owner: Informed | None, kind: type[Any] | None = None) -> Info[Value] | Value:
        """Return the value, or the property itself when asked of the class."""
        if owner is None:
            return self
        return self._value(owner)

    def _value(self, owner: Any) -> Value:
        value: Value = owner.get_info(self.number)
        return value

    def __set__(self, owner: Informed, value: object) -> None:
        """Refuse: info is not set."""
        raise AttributeError(f"{type(owner).__name__}'s info is read-only")
