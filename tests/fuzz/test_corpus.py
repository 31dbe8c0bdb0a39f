"""What fuzzing has found is tried again: nothing of it may crash, hang or leave anything behind."""

from __future__ import annotations

import pytest

from . import corpus
from .replay import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_in_the_corpus_breaks_anything(target: str) -> None:
    inputs = corpus.load(target)
    assert len(inputs) > 50
    for content in inputs:
        TARGETS[target](content)
