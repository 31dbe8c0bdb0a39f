"""What is told of a run: each metric with its series and its aim."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from accelpool_kernels.description import CUDA, OPENCL
from bench.figures import Figure, Samples
from bench.plan import FLOOR, LARGEST, LOCAL, POOL, SIZES

ROUND_TRIP_MARGIN_US = 40.0
LAUNCHES_PER_S = 40_000
STREAM_PART = 0.8
WORKLOAD_RATIO = 1.10
ACQUIRE_MS = 50.0
HOLE_US = 25_000.0
HOLE_BYTES_PER_US = 500.0


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What a figure should be, and whether it is."""

    text: str
    is_met: bool | None


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One figure of each side.

    Attributes:
        name: Of the metric.
        group: Where its samples come from.
        series: Which of them.
        unit: Of the figures.
        size: Bytes in a sample, where there are any.
        is_floor: Whether it is a figure of the bare connection, with no pool and no local side.
        aim: What the pool's figure should be, given all samples and both figures; None for no aim.
    """

    name: str
    group: str
    series: str
    unit: str
    size: int = 0
    is_floor: bool = False
    aim: Callable[[Samples, Figure, Figure | None], Aim | None] | None = None


def metrics(api: str = OPENCL) -> tuple[Metric, ...]:
    """Return all metrics of an API in the order of the table."""
    large = (
        *_workload("matmul_4096", "large_matmul"),
        *_workload("stencil_4096_200_steps", "large_stencil"),
        *_workload("nbody_65536_20_steps", "large_nbody"),
    )
    return (
        Metric(name="floor_ping_pong_blocking", group="null", series="blocking", unit="us", is_floor=True),
        Metric(name="floor_ping_pong_spinning", group="null", series="spinning", unit="us", is_floor=True),
        Metric(name="null_round_trip", group="null", series="null", unit="us", aim=_round_trip),
        *_launches(),
        *(metric for name, size in SIZES.items() for metric in _transfers(name, size)),
        _stream("floor_stream", "stream"),
        _stream("floor_stream_polling", "polling"),
        *(
            Metric(
                name=f"{way}_256MiB_rate", group="256MiB", series=way, unit="GB/s", size=LARGEST, aim=_rate
            )
            for way in ("write", "read")
        ),
        Metric(name="build_cold", group="build", series="cold", unit="ms"),
        Metric(name="build_warm", group="build", series="warm", unit="ms"),
        *_workload("matmul_1024", "matmul"),
        *_workload("stencil_1024_200_steps", "stencil"),
        *_workload("nbody_4096_20_steps", "nbody"),
        *(large if api == CUDA else ()),
        Metric(name="acquire", group="acquire", series="acquire", unit="ms", aim=_acquire),
        Metric(name="release", group="acquire", series="release", unit="ms"),
        Metric(name="acquire_release", group="acquire", series="both", unit="ms"),
    )


def _launches() -> list[Metric]:
    return [
        Metric(
            name=f"launches_{args}_{until}", group="launches", series=f"{args}_{until}", unit="per_s", aim=aim
        )
        for args in ("same", "changing")
        for until, aim in (("caller", _caller_rate), ("sustained", _sustained_rate))
    ]


def _transfers(name: str, size: int) -> list[Metric]:
    return [
        Metric(name=f"{way}_{name}", group=name, series=way, unit="us", size=size, aim=_no_hole(size))
        for way in ("write", "read")
    ]


def _stream(name: str, series: str) -> Metric:
    return Metric(name=name, group="256MiB", series=series, unit="GB/s", size=LARGEST, is_floor=True)


def _workload(name: str, group: str) -> list[Metric]:
    return [
        Metric(name=name, group=group, series="compute", unit="ms", aim=_workload_time),
        Metric(name=f"{name}_with_copies", group=group, series="whole", unit="ms"),
    ]


# ---- aims --------------------------------------------------------------------------------------------


def _round_trip(samples: Samples, pool: Figure, local: Figure | None) -> Aim | None:
    """Local + ping-pong + 40 µs, with the faster of the two ping-pongs."""
    floors = [samples.figure("null", FLOOR, series, "us") for series in ("blocking", "spinning")]
    known = [floor.median for floor in floors if floor is not None]
    if local is None or not known:
        return None
    limit = local.median + min(known) + ROUND_TRIP_MARGIN_US
    text = (
        f"<= {limit:.0f} (local {local.median:.0f} + ping-pong {min(known):.0f} + {ROUND_TRIP_MARGIN_US:.0f})"
    )
    return Aim(text=text, is_met=pool.median <= limit)


def _caller_rate(_: Samples, pool: Figure, local: Figure | None) -> Aim:
    limit = max(LAUNCHES_PER_S, local.median if local else 0.0)
    return Aim(text=f">= {limit:,.0f} ({LAUNCHES_PER_S:,} and local)", is_met=pool.median >= limit)


def _sustained_rate(_: Samples, pool: Figure, __: Figure | None) -> Aim:
    return Aim(text=f">= {LAUNCHES_PER_S:,}", is_met=pool.median >= LAUNCHES_PER_S)


def _no_hole(size: int) -> Callable[[Samples, Figure, Figure | None], Aim]:
    """Nine in ten transfers without a pause as long as a delayed acknowledgement (40 ms and more)."""

    def aim(_: Samples, pool: Figure, local: Figure | None) -> Aim:
        limit = (local.p90 if local else 0.0) + HOLE_US + size / HOLE_BYTES_PER_US
        return Aim(text=f"no hole: p90 < {limit:,.0f}", is_met=pool.p90 < limit)

    return aim


def _rate(samples: Samples, pool: Figure, _: Figure | None) -> Aim | None:
    """Four fifths of the plain stream, whose sender blocks."""
    stream = samples.figure("256MiB", FLOOR, "stream", "GB/s", LARGEST)
    if stream is None:
        return None
    limit = STREAM_PART * stream.median
    return Aim(text=f">= {limit:.2f} ({STREAM_PART:.0%} of the stream)", is_met=pool.median >= limit)


def _workload_time(_: Samples, pool: Figure, local: Figure | None) -> Aim | None:
    if local is None:
        return None
    limit = WORKLOAD_RATIO * local.median
    return Aim(text=f"<= {limit:.1f} ({WORKLOAD_RATIO:.2f} x local)", is_met=pool.median <= limit)


def _acquire(_: Samples, pool: Figure, __: Figure | None) -> Aim:
    return Aim(text=f"<= {ACQUIRE_MS:.0f} with a warm worker", is_met=pool.median <= ACQUIRE_MS)


def figures_of(metric: Metric, samples: Samples) -> tuple[Figure | None, Figure | None]:
    """Return the metric's figures: the pool's (or the floor's), and the local library's."""
    if metric.is_floor:
        return samples.figure(metric.group, FLOOR, metric.series, metric.unit, metric.size), None
    pool, local = (
        samples.figure(metric.group, side, metric.series, metric.unit, metric.size) for side in (POOL, LOCAL)
    )
    return pool, local
