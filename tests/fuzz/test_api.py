"""The API keeps to its document, whatever it is sent; `make fuzz-api` tries more."""

from __future__ import annotations

import pytest

from .api_target import failures

SEED, EXAMPLES = 1, 12


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # by what writes failures down
def test_the_api_keeps_to_its_document_whatever_it_is_sent() -> None:
    found = failures(SEED, EXAMPLES)
    assert not found, "\n\n".join(found)
