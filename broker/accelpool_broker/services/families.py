"""Metrics that are read whenever they are asked for, with their samples by the values of their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

Samples: TypeAlias = Mapping[tuple[str, ...], float]


def gauge(name: str, documentation: str, labels: Sequence[str], samples: Samples) -> Metric:
    """Return what may go up and down."""
    family = GaugeMetricFamily(name, documentation, labels=labels)
    for values, value in samples.items():
        family.add_metric(values, value)
    return family


def counter(name: str, documentation: str, labels: Sequence[str], samples: Samples) -> Metric:
    """Return what only grows; `name` is without `_total`."""
    family = CounterMetricFamily(name, documentation, labels=labels)
    for values, value in samples.items():
        family.add_metric(values, value)
    return family
