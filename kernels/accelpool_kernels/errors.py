"""What goes wrong in the kernel library.

KernelLibraryError
├─ UnknownKernel(kernel, known): no kernel of that name
├─ UnknownApi(kernel, api, known): the kernel has no source for that
└─ InvalidArgument(kernel, argument): a scalar is missing, not one of the kernel's, or out of range
"""


class KernelLibraryError(Exception):
    """The root of the kernel library's errors."""


class UnknownKernel(KernelLibraryError):
    """The library has no kernel of that name.

    Attributes:
        kernel: The name that was asked for.
        known: The names that exist.
    """

    def __init__(self, kernel: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no kernel {kernel!r} in the library; it has: {', '.join(known)}")
        self.kernel = kernel
        self.known = known


class UnknownApi(KernelLibraryError):
    """A kernel has no source for what was asked for.

    Attributes:
        kernel: The kernel.
        api: What was asked for.
        known: What it has.
    """

    def __init__(self, kernel: str, api: str, known: tuple[str, ...]) -> None:
        super().__init__(f"kernel {kernel} has no source for {api!r}; it has: {', '.join(known)}")
        self.kernel = kernel
        self.api = api
        self.known = known


class InvalidArgument(KernelLibraryError):
    """A scalar argument is missing, not one of the kernel's, or out of range.

    Attributes:
        kernel: The kernel whose argument it is.
        argument: The argument's name.
    """

    def __init__(self, kernel: str, argument: str, problem: str) -> None:
        super().__init__(f"kernel {kernel}, argument {argument!r}: {problem}")
        self.kernel = kernel
        self.argument = argument
