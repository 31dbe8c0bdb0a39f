"""How many request bodies are read at once."""

from __future__ import annotations

import pytest

from accelpool_broker import body_slots
from accelpool_broker.body_slots import BodySlots
from accelpool_wire.errors import Unavailable


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_slots, "PATIENCE_S", 0.0)


@pytest.mark.parametrize("is_raw", [False, True])
def test_past_the_slots_a_body_is_refused_until_one_is_given_back(is_raw: bool) -> None:
    slots = BodySlots(json=1, raw=1)
    with slots.take(is_raw=is_raw), pytest.raises(Unavailable), slots.take(is_raw=is_raw):
        pass
    with slots.take(is_raw=is_raw):
        pass


def test_uploads_leave_room_for_json() -> None:
    slots = BodySlots(json=1, raw=1)
    with slots.take(is_raw=True), slots.take(is_raw=False):
        pass


def test_forms_have_slots_of_their_own_which_leave_room_for_all_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(body_slots, "MOST_FORMS", 1)
    slots = BodySlots(json=1, raw=1)
    with slots.take_for_form():
        with pytest.raises(Unavailable), slots.take_for_form():
            pass
        with slots.take(is_raw=False), slots.take(is_raw=True):
            pass
    with slots.take_for_form():
        pass
