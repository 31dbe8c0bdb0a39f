"""The catalogue: one entry per kernel of the library, and the kernels' sources in OpenCL C and CUDA C++.

It imports the standard library alone, so that a broker without NumPy can list and check what it is asked for.
To add a kernel: a file in `cl/`, one in `cu/`, an entry here, a twin in `twins.py`, a sample in `samples.py`,
a row in `docs/kernels.md`; the tests find it by its entry.
"""

from functools import cache
from importlib import resources

from accelpool_kernels.description import (
    CUDA,
    OPENCL,
    Argument,
    Dimension,
    Entry,
    NDRangeRule,
    Role,
    Tolerance,
)
from accelpool_kernels.errors import UnknownApi, UnknownKernel

FOLDERS = {OPENCL: "cl", CUDA: "cu"}
"""Where the sources are, by what they are written for; the files have the same suffix."""


def names() -> tuple[str, ...]:
    """Return the names of all kernels, in the catalogue's order."""
    return tuple(_ENTRIES)


def entry(name: str) -> Entry:
    """Return the entry of a kernel.

    Raises:
        UnknownKernel: There is no such kernel; the error lists those that exist.
    """
    try:
        return _ENTRIES[name]
    except KeyError:
        raise UnknownKernel(name, names()) from None


@cache
def source(name: str, api: str = OPENCL) -> str:
    """Return the source of a kernel; its kernel function has the same name.

    Args:
        name: The kernel.
        api: "opencl" for OpenCL C, "cuda" for CUDA C++, whose kernel functions are `extern "C"`.

    Raises:
        UnknownKernel: There is no such kernel; the error lists those that exist.
        UnknownApi: It has no source for that; the error lists those that it has.
    """
    found = entry(name)
    if api not in found.apis:
        raise UnknownApi(name, api, found.apis)
    folder = FOLDERS[api]
    file = resources.files("accelpool_kernels").joinpath(folder, f"{found.name}.{folder}")
    return file.read_text(encoding="utf-8")


def _scalar(name: str, type: str, summary: str) -> Argument:
    return Argument(name=name, type=type, role=Role.SCALAR, summary=summary)


def _size(name: str, summary: str) -> Argument:
    return _scalar(name, "int", summary)


def _input(name: str, type: str, *shape: Dimension, summary: str = "") -> Argument:
    return Argument(name=name, type=type, role=Role.INPUT, shape=shape, summary=summary)


def _output(name: str, type: str, *shape: Dimension, summary: str = "") -> Argument:
    return Argument(name=name, type=type, role=Role.OUTPUT, shape=shape, summary=summary)


def _inout(name: str, type: str, *shape: Dimension, summary: str = "") -> Argument:
    return Argument(name=name, type=type, role=Role.INOUT, shape=shape, summary=summary)


def _local(name: str, type: str, *shape: Dimension) -> Argument:
    return Argument(name=name, type=type, role=Role.LOCAL, shape=shape, summary="scratch of the work-group")


def _each(*covers: Dimension) -> NDRangeRule:
    """One work-item per element; 2-D work-groups are wide, since neighbours in a row are read together."""
    local_size = (256,) if len(covers) == 1 else (64, 4)
    return NDRangeRule(covers=covers, local_size=local_size, per_item=(1,) * len(covers))


_ONE_GROUP = NDRangeRule(covers=(256,), local_size=(256,), per_item=(1,))
_SIXTY_FOUR_GROUPS = NDRangeRule(covers=(64 * 256,), local_size=(256,), per_item=(1,))
_MATMUL_TILES = NDRangeRule(covers=("n", "m"), local_size=(16, 16), per_item=(4, 4))

_N = _size("n", "elements")
_HEIGHT = _size("height", "rows")
_WIDTH = _size("width", "columns")

_VECTOR_ADD = Entry(
    name="vector_add",
    summary="Add two arrays: c = a + b.",
    arguments=(_N, _input("a", "float", "n"), _input("b", "float", "n"), _output("c", "float", "n")),
    rule=_each("n"),
    source="definition of vector addition",
    tolerance=Tolerance(reason="one IEEE 754 addition per element"),
)

_SAXPY = Entry(
    name="saxpy",
    summary="Add a multiple of an array to another in place: y = a x + y.",
    arguments=(_N, _scalar("a", "float", "factor"), _input("x", "float", "n"), _inout("y", "float", "n")),
    rule=_each("n"),
    source="BLAS level 1, SAXPY (Lawson, Hanson, Kincaid, Krogh, ACM TOMS 5(3), 1979)",
    tolerance=Tolerance(
        relative=1e-6, reason="the product may be fused or rounded: 2 roundings, with cancellation"
    ),
)

_MATMUL = Entry(
    name="matmul",
    summary="Multiply two matrices: C = A B.",
    arguments=(
        _size("m", "rows of A and C"),
        _size("n", "columns of B and C"),
        _size("k", "columns of A, rows of B"),
        _input("a", "float", "m", "k"),
        _input("b", "float", "k", "n"),
        _output("c", "float", "m", "n"),
    ),
    rule=_MATMUL_TILES,
    source="BLAS level 3, SGEMM with alpha = 1, beta = 0 (Dongarra et al., ACM TOMS 16(1), 1990)",
    tolerance=Tolerance(
        relative=1e-5, reason="k roundings of 6e-8 that mostly cancel; for k up to some thousands"
    ),
)

_REDUCE_SUM = Entry(
    name="reduce_sum",
    summary="Sum an array into 64 partial sums; launched on those with n = 64, sums[0] is the whole sum.",
    arguments=(
        _N,
        _input("values", "float", "n"),
        _output("sums", "float", 64, summary="one per work-group, deterministic"),
        _local("scratch", "float", 256),
    ),
    rule=_SIXTY_FOUR_GROUPS,
    source="pairwise summation (Higham, Accuracy and Stability of Numerical Algorithms, chapter 4)",
    tolerance=Tolerance(
        relative=1e-5, reason="n/16384 + 8 roundings of 6e-8 per sum, for values of one sign"
    ),
)

_INCLUSIVE_SCAN = Entry(
    name="inclusive_scan",
    summary="Running sums: sums[i] = values[0] + ... + values[i].",
    arguments=(
        _N,
        _input("values", "float", "n"),
        _output("sums", "float", "n"),
        _local("scratch", "float", 2 * 256),
    ),
    rule=_ONE_GROUP,
    source="Hillis and Steele, Data Parallel Algorithms, CACM 29(12), 1986",
    tolerance=Tolerance(
        relative=1e-5,
        reason="n/2048 + 16 roundings of 6e-8 per sum that mostly cancel, for values of one sign",
    ),
)

_HISTOGRAM256 = Entry(
    name="histogram256",
    summary="Count how often each byte occurs, on top of the counts given.",
    arguments=(
        _N,
        _input("values", "uchar", "n"),
        _inout("counts", "uint", 256, summary="added to: zeros for a fresh histogram"),
    ),
    rule=_SIXTY_FOUR_GROUPS,
    source="definition of a histogram",
    tolerance=Tolerance(reason="integers"),
)


def _convolution(name: str, along: str) -> Entry:
    return Entry(
        name=name,
        summary=f"Convolve each of an image's {along} with a 1-D filter, its edge repeated outside.",
        arguments=(
            _HEIGHT,
            _WIDTH,
            _size("taps", "weights of the filter, centre at taps / 2"),
            _input("image", "float", "height", "width"),
            _input("weights", "float", "taps"),
            _output("target", "float", "height", "width"),
        ),
        rule=_each("width", "height"),
        source="discrete convolution, separable (Gonzalez and Woods, Digital Image Processing)",
        tolerance=Tolerance(relative=1e-5, reason="taps roundings of 6e-8; for some tens of taps"),
    )


_SOBEL = Entry(
    name="sobel",
    summary="Gradient magnitude of a grey image by the 3 x 3 Sobel operator, held at 255.",
    arguments=(
        _HEIGHT,
        _WIDTH,
        _input("image", "uchar", "height", "width"),
        _output("target", "uchar", "height", "width"),
    ),
    rule=_each("width", "height"),
    source="Sobel and Feldman 1968 (Duda and Hart, Pattern Classification and Scene Analysis, 1973)",
    tolerance=Tolerance(reason="no root of a whole number is near a half, where rounding could differ"),
)

_STENCIL5 = Entry(
    name="stencil5",
    summary="One explicit step of the heat equation by the 5-point stencil; the edge keeps its values.",
    arguments=(
        _HEIGHT,
        _WIDTH,
        _scalar("alpha", "float", "diffusivity dt / h^2; stable from 0 to 1/4"),
        _input("u", "float", "height", "width"),
        _output("u_next", "float", "height", "width"),
    ),
    rule=_each("width", "height"),
    source="LeVeque, Finite Difference Methods for ODEs and PDEs, 2007, chapter 9",
    tolerance=Tolerance(relative=1e-6, reason="6 roundings of 6e-8, all but two of them scaled by alpha"),
)

_NBODY_STEP = Entry(
    name="nbody_step",
    summary="One step of n bodies under softened gravity, by the symplectic Euler method.",
    arguments=(
        _size("n", "bodies"),
        _scalar("dt", "float", "time step"),
        _scalar("softening", "float", "length, > 0"),
        _input("positions", "float", "n", 4, summary="x, y, z, gravitational constant times mass"),
        _inout("velocities", "float", "n", 4, summary="x, y, z, a fourth value that is kept"),
        _output("next_positions", "float", "n", 4, summary="as positions"),
    ),
    rule=_each("n"),
    source="Aarseth, Gravitational N-Body Simulations, 2003; Hairer et al., Geometric Numerical Integration",
    tolerance=Tolerance(
        relative=1e-5, reason="n roundings that mostly cancel, and an rsqrt good to 2 ulp, cubed"
    ),
)

_MANDELBROT = Entry(
    name="mandelbrot",
    summary="Iterations until z <- z^2 + c leaves |z| <= 2, for the c of each pixel.",
    arguments=(
        _HEIGHT,
        _WIDTH,
        _scalar("left", "float", "real part of column 0"),
        _scalar("top", "float", "imaginary part of row 0"),
        _scalar("pixel_size", "float", "distance of neighbouring pixels"),
        _scalar("max_iterations", "int", "where to stop"),
        _output("counts", "int", "height", "width", summary="0 to max_iterations"),
    ),
    rule=_each("width", "height"),
    source="escape-time algorithm (Peitgen and Richter, The Beauty of Fractals, 1986)",
    tolerance=Tolerance(reason="IEEE 754 additions and multiplications, fusing switched off"),
)

_BLACK_SCHOLES = Entry(
    name="black_scholes",
    summary="Prices of European call and put options on a stock without dividends.",
    arguments=(
        _size("n", "options"),
        _scalar("rate", "float", "continuously compounded, per year"),
        _scalar("volatility", "float", "per square root of a year, > 0"),
        _input("spot", "float", "n", summary="money, > 0"),
        _input("strike", "float", "n", summary="money, > 0"),
        _input("expiry", "float", "n", summary="years, > 0"),
        _output("call", "float", "n", summary="money"),
        _output("put", "float", "n", summary="money"),
    ),
    rule=_each("n"),
    source="Black and Scholes, Journal of Political Economy 81(3), 1973, equation (13)",
    tolerance=Tolerance(
        relative=1e-5, reason="erfc good to 16 ulp, log and exp to 3, differences of like prices"
    ),
)

_ENTRIES = {
    kernel.name: kernel
    for kernel in (
        _VECTOR_ADD,
        _SAXPY,
        _MATMUL,
        _REDUCE_SUM,
        _INCLUSIVE_SCAN,
        _HISTOGRAM256,
        _convolution("convolve_rows", "rows"),
        _convolution("convolve_columns", "columns"),
        _SOBEL,
        _STENCIL5,
        _NBODY_STEP,
        _MANDELBROT,
        _BLACK_SCHOLES,
    )
}
