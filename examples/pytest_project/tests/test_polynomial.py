import numpy as np
import polynomial
import pytest

X = np.linspace(-1, 1, 1000, dtype=np.float32)
COEFFICIENTS = np.array([1, -2, 0.5, 3], np.float32)
EXPECTED = np.polynomial.polynomial.polyval(X.astype(np.float64), COEFFICIENTS)


# Any device that is free. The session has one lease for all tests that ask for the same.
@pytest.mark.parametrize("degree", [0, 1, 3])
def test_a_polynomial_has_numpys_values(accelerator, degree):
    coefficients = COEFFICIENTS[: degree + 1]
    found = polynomial.evaluate(polynomial.build(accelerator), coefficients, X)
    assert np.allclose(found, np.polynomial.polynomial.polyval(X, coefficients), atol=1e-5)


# A part of a device, so that others may have the rest.
@pytest.mark.accelerator("any", compute=0.5, memory="64MiB")
def test_half_a_device_computes_the_same(accelerator):
    assert np.allclose(
        polynomial.evaluate(polynomial.build(accelerator), COEFFICIENTS, X), EXPECTED, atol=1e-5
    )


# A lease of its own, which ends with the test.
@pytest.mark.accelerator(lease="test", where="device.compute_units >= 1")
def test_a_device_of_ones_own_computes_the_same(accelerator):
    assert np.allclose(
        polynomial.evaluate(polynomial.build(accelerator), COEFFICIENTS, X), EXPECTED, atol=1e-5
    )


# A fixture of a wider scope asks by `accelerators`: here the program is built once.
@pytest.fixture(scope="module")
def program(accelerators):
    return polynomial.build(accelerators.acquire("any"))


@pytest.mark.parametrize("count", [1, 1000])
def test_a_program_is_built_once(program, count):
    assert np.allclose(
        polynomial.evaluate(program, COEFFICIENTS, X[:count].copy()), EXPECTED[:count], atol=1e-5
    )


def test_what_needs_no_device_gets_none():
    assert EXPECTED[-1] == pytest.approx(2.5)
