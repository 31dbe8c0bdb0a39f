"""News on their way to other brokers: what fits into a NOTIFY, and what to make of what does not."""

from __future__ import annotations

import pytest

from accelpool_broker.news import EVERYTHING, MAX_BYTES, NOTHING, News, decode, encode


@pytest.mark.parametrize(
    "news",
    [
        NOTHING,
        EVERYTHING,
        News(leases=frozenset({"lse_a", "lse_b"}), ended=frozenset({"lse_a"}), nodes=frozenset({"n1"})),
        News(wake_at=1_800_000_000.123456),
    ],
)
def test_news_arrive_as_they_were_told(news: News) -> None:
    assert decode(encode(news, "me")) == ("me", news)


def test_more_than_a_notify_takes_is_told_as_everything() -> None:
    most = next(count for count in range(1000) if '"is_everything":true' in told(count))
    assert MAX_BYTES - 30 < len(told(most - 1)) <= MAX_BYTES
    assert decode(told(most)) == ("me", EVERYTHING)


def told(leases: int) -> str:
    return encode(News(leases=frozenset(f"lse_{number:016d}" for number in range(leases))), "me")


@pytest.mark.parametrize("message", ["", "{", "[]", '{"by":"other","news":{"leases":7}}'])
def test_a_message_of_another_form_may_mean_anything(message: str) -> None:
    assert decode(message) == ("", EVERYTHING)
