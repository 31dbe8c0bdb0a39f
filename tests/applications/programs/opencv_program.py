"""An OpenCV program as any: the same functions with OpenCL, on a UMat, and without, on an array."""

import cv2
import numpy as np

assert cv2.ocl.haveOpenCL(), "OpenCV found no device"
random = np.random.default_rng(1)
image = cv2.GaussianBlur(random.integers(0, 256, (243, 321, 3), dtype=np.uint8), (5, 5), 0)
grey, floats = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), random.random((120, 96), dtype=np.float32)
FUNCTIONS = {  # by name: what is called, on what, and by how much results may differ
    "GaussianBlur": (lambda a: cv2.GaussianBlur(a, (7, 7), 1.5), image, 1),
    "cvtColor": (lambda a: cv2.cvtColor(a, cv2.COLOR_BGR2HSV), image, 1),
    "resize": (lambda a: cv2.resize(a, (100, 77), interpolation=cv2.INTER_LINEAR), image, 1),
    "warpAffine": (
        lambda a: cv2.warpAffine(a, np.float32([[0.9, 0.1, 3], [-0.1, 0.9, 9]]), (300, 200)),
        image,
        2,
    ),
    "equalizeHist": (cv2.equalizeHist, grey, 1),
    "medianBlur": (lambda a: cv2.medianBlur(a, 3), grey, 0),
    "erode": (lambda a: cv2.erode(a, None), grey, 0),
    "integral": (cv2.integral, grey, 0),
    "gemm": (lambda a: cv2.gemm(a, a, 1, None, 0, flags=cv2.GEMM_2_T), floats, 1e-3),
    "dft": (cv2.dft, floats.reshape(120, 48, 2), 1e-2),
    "matchTemplate": (lambda a: cv2.matchTemplate(a, grey[40:60, 50:80], cv2.TM_CCOEFF_NORMED), grey, 1e-3),
}
for name, (function, given, tolerance) in FUNCTIONS.items():
    with_opencl, without = function(cv2.UMat(given)).get(), function(given)
    error = np.abs(with_opencl.astype(float) - without).max()
    assert error <= tolerance, f"{name}: differs by {error}"
print(f"{len(FUNCTIONS)} functions right, on {cv2.ocl.Device.getDefault().name()}")
