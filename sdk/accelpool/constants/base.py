"""What all classes of constants have in common."""

from __future__ import annotations

from typing import ClassVar


class Constants:
    """A class of named numbers; it is never instantiated.

    Subclasses say `bits=True` where the numbers are bits to be combined.
    """

    _names: ClassVar[dict[str, int]] = {}
    _has_bits: ClassVar[bool] = False

    def __init_subclass__(cls, *, bits: bool = False) -> None:
        super().__init_subclass__()
        cls._has_bits = bits
        public = {name: getattr(cls, name) for name in dir(cls) if not name.startswith("_")}
        cls._names = {name: value for name, value in public.items() if isinstance(value, int)}

    @classmethod
    def to_string(cls, value: int, default_format: str | None = None) -> str:
        """Return the name of a number, or of each bit in it, joined by " | ".

        Args:
            value: One of the class's numbers, or a combination where they are bits.
            default_format: A %-format for a number without a name.

        Raises:
            ValueError: The number has no name, and there is no `default_format`.
        """
        if cls._has_bits:
            found = [name for name, bit in cls._names.items() if bit == value or bit & value]
        else:
            found = [name for name, number in cls._names.items() if number == value][:1]
        if found:
            return " | ".join(found)
        if default_format is None:
            raise ValueError(f"{cls.__name__} has no name for {value}")
        return default_format % value
