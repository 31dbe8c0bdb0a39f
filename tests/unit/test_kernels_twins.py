"""The twins agree with other ways to write the same mathematics."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest

from accelpool_kernels import UnknownKernel, entry, samples, twins


def arguments_of(name: str, **sizes: int):
    return samples.sample(name, np.random.default_rng(11), **sizes)


def result_of(name: str, arguments) -> np.ndarray:
    (result,) = twins.run(name, arguments).values()
    return result


def test_vector_add_adds_each_pair() -> None:
    s = arguments_of("vector_add", n=9)
    assert result_of("vector_add", s).tolist() == [p + q for p, q in zip(s["a"], s["b"], strict=True)]


def test_saxpy_rounds_once() -> None:
    s = arguments_of("saxpy", n=9)
    expected = [np.float32(float(s["a"]) * float(x) + float(y)) for x, y in zip(s["x"], s["y"], strict=True)]
    assert result_of("saxpy", s).tolist() == expected


def test_matmul_is_the_sum_over_the_inner_dimension() -> None:
    s = arguments_of("matmul", m=4, n=3, k=5)
    expected = [[math.fsum(map(float, row * column)) for column in s["b"].T] for row in s["a"].astype(float)]
    np.testing.assert_allclose(result_of("matmul", s), expected, rtol=1e-6)


@pytest.mark.parametrize("n", [1, 255, 256, 257, 16384, 16385, 50_000])
def test_the_partial_sums_add_up_and_one_more_reduction_leaves_the_sum_in_front(n: int) -> None:
    s = arguments_of("reduce_sum", n=n)
    partial = result_of("reduce_sum", s)
    assert math.fsum(partial) == pytest.approx(math.fsum(s["values"]), rel=1e-6)
    final = twins.reduce_sum(64, partial)
    assert final[0] == pytest.approx(math.fsum(s["values"]), rel=1e-6)
    assert not final[1:].any()


def test_each_work_group_sums_its_own_256_of_every_16384_values() -> None:
    values = np.zeros(20_000, np.float32)
    values[[0, 255, 256, 16384, 16384 + 300]] = [1, 2, 4, 8, 16]
    assert twins.reduce_sum(len(values), values)[:3].tolist() == [11, 20, 0]


def test_inclusive_scan_accumulates() -> None:
    s = arguments_of("inclusive_scan", n=300)
    expected = list(itertools.accumulate(map(float, s["values"])))
    np.testing.assert_allclose(result_of("inclusive_scan", s), expected, rtol=1e-6)


def test_histogram256_counts_on_top_of_what_is_there() -> None:
    s = arguments_of("histogram256", n=999)
    occurrences = Counter(s["values"].tolist())
    expected = [int(s["counts"][value]) + occurrences[value] for value in range(256)]
    assert result_of("histogram256", s).tolist() == expected


@pytest.mark.parametrize("taps", [1, 2, 3, 6, 7, 31])
def test_convolve_rows_is_numpys_convolution_of_the_padded_rows(taps: int) -> None:
    s = arguments_of("convolve_rows", height=5, width=9, taps=taps)
    padded = np.pad(s["image"], ((0, 0), (taps, taps)), mode="edge").astype(float)
    whole = [np.convolve(row, s["weights"]) for row in padded]
    expected = np.array(whole)[:, taps + taps // 2 :][:, :9]
    np.testing.assert_allclose(result_of("convolve_rows", s), expected, atol=1e-6)


def test_convolving_columns_is_convolving_the_rows_of_the_transpose() -> None:
    s = arguments_of("convolve_columns", height=6, width=8)
    turned = {**s, "height": 8, "width": 6, "image": s["image"].T.copy()}
    assert np.array_equal(result_of("convolve_columns", s), result_of("convolve_rows", turned).T)


def test_rows_then_columns_apply_the_outer_product_of_the_weights() -> None:
    image = np.zeros((7, 7), np.float32)
    image[3, 3] = 1.0
    along_rows, along_columns = np.float32([1, 2, 3]), np.float32([4, 5, 6])
    half_done = twins.convolve_rows(7, 7, 3, image, along_rows)
    done = twins.convolve_columns(7, 7, 3, half_done, along_columns)
    assert np.array_equal(done[2:5, 2:5], np.outer(along_columns, along_rows))


def sobel_at(image: np.ndarray, y: int, x: int) -> int:
    height, width = image.shape
    weights = ((1, 2, 1), (0, 0, 0), (-1, -2, -1))
    gx = gy = 0
    for i, j in itertools.product(range(3), range(3)):
        row, column = min(max(y + i - 1, 0), height - 1), min(max(x + j - 1, 0), width - 1)
        pixel = int(image[row, column])
        gx += weights[j][i] * pixel
        gy += weights[i][j] * pixel
    return min(255, round(math.sqrt(gx * gx + gy * gy)))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 6), (6, 1), (7, 9)])
def test_sobel_is_its_two_3_by_3_masks_pixel_by_pixel(height: int, width: int) -> None:
    s = arguments_of("sobel", height=height, width=width)
    s["image"] //= 4  # keeps some magnitudes under 255
    expected = [[sobel_at(s["image"], y, x) for x in range(width)] for y in range(height)]
    assert result_of("sobel", s).tolist() == expected


def test_no_whole_number_up_to_255_squared_has_a_root_near_a_half() -> None:
    roots = np.sqrt(np.arange(256**2, dtype=np.float64))
    assert np.abs(roots - np.floor(roots) - 0.5).min() > 1 / (8 * 257)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 5), (2, 2), (2, 5), (3, 3), (6, 5)])
def test_stencil5_moves_inner_points_towards_their_neighbours(height: int, width: int) -> None:
    s = arguments_of("stencil5", height=height, width=width)
    u, alpha = s["u"].astype(float), float(s["alpha"])
    expected = u.copy()
    for y, x in itertools.product(range(1, height - 1), range(1, width - 1)):
        around = u[y - 1, x] + u[y + 1, x] + u[y, x - 1] + u[y, x + 1]
        expected[y, x] = (1 - 4 * alpha) * u[y, x] + alpha * around
    np.testing.assert_allclose(result_of("stencil5", s), expected, atol=1e-6)


def test_stencil5_leaves_a_steady_state_alone() -> None:
    y, x = np.mgrid[0:20, 0:30].astype(np.float32)
    steady = 2.0 * x - 3.0 * y + 1.0
    assert np.array_equal(twins.stencil5(20, 30, 0.25, steady), steady)


def test_two_bodies_fall_towards_each_other_by_newtons_law() -> None:
    positions = np.float32([[0, 0, 0, 3], [2, 0, 0, 5]])
    velocities = np.float32([[0, 1, 0, 7], [0, 0, 0, 9]])
    moved, placed = twins.nbody_step(2, 0.5, 1e-6, positions, velocities)
    np.testing.assert_allclose(moved, [[0.5 * 5 / 4, 1, 0, 7], [-0.5 * 3 / 4, 0, 0, 9]], rtol=1e-6)
    np.testing.assert_allclose(placed, [[0.3125, 0.5, 0, 3], [2 - 0.1875, 0, 0, 5]], rtol=1e-6)


def test_bodies_keep_their_momentum() -> None:
    s = arguments_of("nbody_step")
    mu = s["positions"][:, 3].astype(float)
    moved = twins.run("nbody_step", s)["velocities"]
    np.testing.assert_allclose(mu @ moved[:, :3], mu @ s["velocities"][:, :3], atol=1e-6)


def escape_time(c: complex, max_iterations: int) -> int:
    z, count = 0j, 0
    while count < max_iterations and abs(z) <= 2.0:
        z, count = z * z + c, count + 1
    return count


def test_mandelbrot_counts_the_steps_to_the_circle() -> None:
    counts = twins.mandelbrot(5, 7, -2.0, 1.0, 0.5, 50)
    expected = [[escape_time(complex(-2 + 0.5 * x, 1 - 0.5 * y), 50) for x in range(7)] for y in range(5)]
    assert counts.tolist() == expected


def test_mandelbrot_without_iterations_counts_none() -> None:
    assert not twins.mandelbrot(2, 2, 0.0, 0.0, 1.0, 0).any()


def test_black_scholes_prices_the_textbook_option() -> None:
    # Hull, "Options, Futures, and Other Derivatives", the example of the Black-Scholes-Merton chapter.
    call, put = twins.black_scholes(1, 0.1, 0.2, np.float32([42]), np.float32([40]), np.float32([0.5]))
    assert call[0] == pytest.approx(4.76, abs=0.005)
    assert put[0] == pytest.approx(0.81, abs=0.005)


def test_black_scholes_keeps_put_call_parity() -> None:
    s = arguments_of("black_scholes")
    written = twins.run("black_scholes", s)
    discounted = s["strike"] * np.exp(-s["rate"].astype(float) * s["expiry"])
    np.testing.assert_allclose(written["call"] - written["put"], s["spot"] - discounted, atol=1e-4)


@pytest.mark.parametrize(
    ("actual", "expected", "deviation"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([0.0, 0.0], [0.0, 0.0], 0.0),
        ([1.0, 2.5], [1.0, 2.0], 0.25),
        ([0.0, 1e-9], [0.0, 0.0], math.inf),
        ([math.nan, 2.0], [1.0, 2.0], math.inf),
        ([math.inf, 2.0], [1.0, 2.0], math.inf),
    ],
)
def test_deviation_is_relative_to_the_largest_expected_value(actual, expected, deviation: float) -> None:
    assert twins.deviation(np.float32(actual), np.float32(expected)) == deviation


def test_deviation_of_unsigned_integers_does_not_wrap_around() -> None:
    assert twins.deviation(np.uint8([1]), np.uint8([2])) == 0.5


def test_a_twin_of_an_unknown_kernel_is_refused() -> None:
    with pytest.raises(UnknownKernel, match="deviation"):
        twins.run("deviation", {})


def test_samples_take_other_sizes_but_no_other_names() -> None:
    assert arguments_of("saxpy", n=3)["x"].shape == (3,)
    assert entry("saxpy").sizes == ("n",)
    with pytest.raises(Exception, match="no scalar argument"):
        arguments_of("saxpy", m=3)
