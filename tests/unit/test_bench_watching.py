"""What the bench of logs and traces tells."""

from __future__ import annotations

from pathlib import Path

from accelpool_broker.testing import BrokerInProcess

from .bench_modules import module

watching = module("watching")


def test_each_way_has_a_figure_for_each_round_and_leaves_no_log_behind(tmp_path: Path) -> None:
    with BrokerInProcess() as broker:
        taken = watching.measure(broker, tmp_path / "log", rounds=2, requests=1)
    assert {way: len(figures) for way, figures in taken.items()} == dict.fromkeys(watching.WAYS, 2)
    assert list(tmp_path.iterdir()) == []


def test_what_watching_costs_is_told_against_a_silent_broker() -> None:
    first, second = watching.told({"silent": [100.0, 90.0, 110.0], "json": [130.0, 130.0, 160.0]})
    assert (first["us"], first["above_silent_us"]) == (100.0, 0.0)
    assert (second["us"], second["above_silent_us"], second["p90_us"]) == (130.0, 30.0, 154.0)
