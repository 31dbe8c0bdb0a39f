"""The names that the extension gives in a notebook; those that the notebook has by itself are left alone."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Any

from accelpool.errors import Conflict


class NotebookNames:
    """Some of a notebook's names: those of its lease, or those of its kernels.

    Args:
        names: All names of the notebook.
        hint: What to do where the notebook has one of them by itself; `{name}` stands for the name.
    """

    def __init__(self, names: MutableMapping[str, Any], hint: str) -> None:
        self._names = names
        self._hint = hint
        self._given: dict[str, object] = {}

    def check(self, *names: str) -> None:
        """Raise if one of these names is the notebook's own, and was not given here before.

        Raises:
            Conflict: Which one, what it is, and how to get on.
        """
        for name in names:
            if self._is_own(name):
                found = self._names[name]
                kind, hint = type(found).__name__, self._hint.format(name=name)
                raise Conflict(f"`{name}` is the notebook's own, of type {kind}: {hint}")

    def _is_own(self, name: str) -> bool:
        return name in self._names and not self._is_given(name)

    def _is_given(self, name: str) -> bool:
        return name in self._names and name in self._given and self._names[name] is self._given[name]

    def give(self, values: Mapping[str, object]) -> None:
        """Give names: all of them, or none.

        Raises:
            Conflict: As `check` does.
        """
        self.check(*values)
        self._given.update(values)
        self._names.update(values)

    def take_back(self) -> None:
        """Take back what was given and is still there."""
        for name in self._given:
            if self._is_given(name):
                del self._names[name]
        self._given = {}
