"""What belongs to the process that made it."""

from __future__ import annotations

from typing import Any


class ProcessBound:
    """The base of what stands for something on a node: it means nothing in another process."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        """Refuse to be pickled or copied.

        Raises:
            TypeError: Always.
        """
        raise TypeError(
            f"a {type(self).__name__} cannot be pickled or copied: it lives in a session of this process; "
            "send what it is made from, and acquire a context in the other process"
        )
