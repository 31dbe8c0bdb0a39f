"""Contexts: one device under a lease, and which of them each thread works in.

accelpool.cuda.acquire(...)     a context on a device that the pool chooses, under a lease of its own
Device(0).make_context()        leases that device, or shares the session that this process has on it
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, Unpack

from accelpool.acquire_options import AcquireOptions
from accelpool.broker import Broker, default_broker
from accelpool.constants import device_info, platform_info
from accelpool.context import Context as LowerContext
from accelpool.cuda.addresses import AddressMap
from accelpool.cuda.constants import func_cache, limit, shared_config
from accelpool.cuda.devices import Device
from accelpool.cuda.errors import calling, failed
from accelpool.cuda.lanes import Lane, Lanes
from accelpool.demand import Demand, invalid
from accelpool.device import Device as PoolDevice
from accelpool.process_bound import ProcessBound
from accelpool.records import LeaseRecord

if TYPE_CHECKING:
    from accelpool.cuda.kernels import KernelLibrary
    from accelpool.cuda.launches import NodeKernel

CUDA, SAME_NODE = "cuda", "same_node"


class _Thread(threading.local):
    """The contexts of a thread, the current one last."""

    def __init__(self) -> None:
        self.contexts: list[Context] = []


_thread = _Thread()


class Context(ProcessBound):
    """A context on one CUDA device; `acquire` and `Device.make_context` make them.

    As a context manager it is current within the block, and gives its lease back at the end. So it does with
    the last reference to it and to what was made in it.
    """

    __slots__ = (
        "__weakref__",
        "_addresses",
        "_allocated_bytes",
        "_device",
        "_hints",
        "_lanes",
        "_library",
        "_lower",
    )

    def __init__(self, lower: LowerContext) -> None:
        self._lower = lower
        self._device = Device._of(lower._devices[0])
        self._lanes = Lanes(lower)
        self._addresses = AddressMap()
        self._allocated_bytes = 0
        self._hints: dict[int, int] = {}
        self._library: dict[str, NodeKernel] = {}

    # ---- PyCUDA's ----------------------------------------------------------------------------------------

    def push(self) -> None:
        """Make it this thread's current context, until it is popped."""
        self._check_open("cuCtxPushCurrent")
        _thread.contexts.append(self)

    def detach(self) -> None:
        """Release the context; with the last one of its session the lease is given back.

        Detaching twice is detaching once. What was made in the context is of no further use.
        """
        _thread.contexts = [context for context in _thread.contexts if context is not self]
        self._lower.release()

    @staticmethod
    def attach(flags: int = 0) -> Context:  # noqa: ARG004 - of no effect here
        """Return the current context, current once more in this thread: `pop` takes that back."""
        context = current("cuCtxAttach")
        context.push()
        return context

    @staticmethod
    def pop() -> None:
        """Let the context that was current before be current in this thread again.

        Raises:
            LogicError: CUDA_ERROR_INVALID_CONTEXT: no context is current.
        """
        current("cuCtxPopCurrent")
        _thread.contexts.pop()

    @staticmethod
    def get_current() -> Context | None:
        """Return this thread's current context, None if there is none."""
        return _thread.contexts[-1] if _thread.contexts else None

    @staticmethod
    def get_device() -> Device:
        """Return the current context's device."""
        return current("cuCtxGetDevice")._device

    @staticmethod
    def synchronize() -> None:
        """Wait until all commands of the current context are complete: one round trip.

        Raises:
            Error: The first command that failed since the last call that waited, and how.
        """
        with calling("cuCtxSynchronize"):
            current("cuCtxSynchronize")._lanes.finish()

    @staticmethod
    def get_limit(which: int, /) -> int:
        """Return the value that `set_limit` was given; 0 before that."""
        return current("cuCtxGetLimit")._hints.get(limit(which), 0)

    @staticmethod
    def set_limit(which: int, value: int, /) -> None:
        """Take note of a `limit`; the node's driver has limits of its own."""
        current("cuCtxSetLimit")._hints[limit(which)] = int(value)

    @staticmethod
    def get_cache_config() -> func_cache:
        """Return PREFER_NONE."""
        current("cuCtxGetCacheConfig")
        return func_cache.PREFER_NONE

    @staticmethod
    def set_cache_config(config: int, /) -> None:
        """Take a `func_cache`, a hint, and ignore it."""
        current("cuCtxSetCacheConfig")
        func_cache(config)

    @staticmethod
    def get_shared_config() -> shared_config:
        """Return DEFAULT_BANK_SIZE."""
        current("cuCtxGetSharedMemConfig")
        return shared_config.DEFAULT_BANK_SIZE

    @staticmethod
    def set_shared_config(config: int, /) -> None:
        """Take a `shared_config`, a hint, and ignore it."""
        current("cuCtxSetSharedMemConfig")
        shared_config(config)

    @staticmethod
    def enable_peer_access(peer: Context, flags: int = 0, /) -> NoReturn:  # noqa: ARG004 - whichever
        """Refuse: kernels of a device do not reach another's memory; `memcpy_peer` does without.

        Raises:
            LogicError: CUDA_ERROR_PEER_ACCESS_UNSUPPORTED, always; as `Device.can_access_peer` says.
        """
        what = f"{peer!r}: copy with memcpy_peer"
        raise failed("cuCtxEnablePeerAccess", "PEER_ACCESS_UNSUPPORTED", what)

    @staticmethod
    def disable_peer_access(peer: Context, /) -> NoReturn:
        """Refuse: it cannot have been enabled.

        Raises:
            LogicError: CUDA_ERROR_PEER_ACCESS_NOT_ENABLED, always.
        """
        raise failed("cuCtxDisablePeerAccess", "PEER_ACCESS_NOT_ENABLED", repr(peer))

    def get_api_version(self) -> int:
        """Return the version of CUDA that the node's driver has, such as 12040."""
        return driver_version(self)

    @property
    def handle(self) -> int:
        """A number by which `from_int_ptr` finds the context while it lives; no address."""
        return self.int_ptr

    # ---- as the OpenCL mirror's --------------------------------------------------------------------------

    @property
    def round_trips(self) -> int:
        """How often this context's session has waited for an answer from its node so far."""
        return self._lower.round_trips

    @property
    def kernels(self) -> KernelLibrary:
        """The kernel library, each kernel built on its first use: `ctx.kernels.saxpy(n, a, x, y)`."""
        from accelpool.cuda.kernels import KernelLibrary

        return KernelLibrary(self)

    @property
    def lease(self) -> LeaseRecord:
        """The lease that the context stands on, as it was granted."""
        return self._lower.lease

    def __enter__(self) -> Context:
        if self.get_current() is not self:
            self.push()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()

    def __repr__(self) -> str:
        return f"<accelpool.cuda.Context on {self._device!r}>"

    def _check_open(self, routine: str) -> None:
        if self._lower._is_released:
            raise failed(routine, "CONTEXT_IS_DESTROYED", f"{self!r} is detached")

    def _lane(self, stream: object, routine: str) -> Lane:
        """Return the lane of a stream of the context, of the null stream for None."""
        if stream is None:
            return self._lanes.null
        lane = getattr(stream, "_lane", None)
        if not isinstance(lane, Lane):
            raise TypeError(f"{routine}: a Stream or None is needed, not {stream!r}")
        if lane.queue._context is not self._lower:
            raise failed(routine, "INVALID_HANDLE", f"{stream!r} is of another context")
        return lane


def current(routine: str) -> Context:
    """Return this thread's current context.

    Raises:
        LogicError: CUDA_ERROR_INVALID_CONTEXT: there is none.
    """
    contexts = _thread.contexts
    if not contexts:
        what = "no context is current in this thread: import accelpool.cuda.autoinit, or push one"
        raise failed(routine, "INVALID_CONTEXT", what)
    found = contexts[-1]
    if found._lower._is_released:
        found._check_open(routine)
    return found


def acquire(
    kind: str | Demand = "any",
    *,
    broker: Broker | None = None,
    url: str | None = None,
    token: str | None = None,
    **options: Unpack[AcquireOptions],
) -> Context:
    """Return a context on a CUDA device leased for this process, current in this thread.

    `with` gives the device back at its end; so do `detach`, and the last reference.

    Args:
        kind: The kind of device, or a `Demand` with `api="cuda"`.
        broker: The pool; None for the one of `url` and `token`.
        url: The broker's URL; None for ACCELPOOL_URL, or the pool that `accelpool up` started.
        token: The token; None for ACCELPOOL_TOKEN, or that pool's.
        **options: As of `accelpool.acquire`.

    Raises:
        Unsatisfiable: No CUDA device of the pool could ever satisfy the request.
        Invalid: An argument is not possible: a context has one device, which speaks CUDA.
        LeaseTimeout, Unauthorized, TransportError: As of `accelpool.acquire`.
    """
    if isinstance(kind, Demand):
        api, count = kind.api, len(kind.devices) or kind.count
    else:
        api = options.setdefault("api", CUDA)
        count = len(options.get("devices", ())) or options.get("count", 1)
    if api != CUDA:
        raise invalid("api", f"{CUDA!r} for a context of CUDA", api)
    if count != 1:
        raise invalid("count", "1 for a context of CUDA; acquire_all returns several", count)
    return over((broker or default_broker(url, token)).acquire(kind, **options))


def acquire_all(
    kind: str | Demand = "any",
    *,
    broker: Broker | None = None,
    url: str | None = None,
    token: str | None = None,
    **options: Unpack[AcquireOptions],
) -> list[Context]:
    """Return a context on each of several CUDA devices of one node, under one lease; the first is current.

    The lease is given back with the last of them. Between them `memcpy_peer` goes by no other machine.

    Args:
        kind: The kind of device, or a `Demand` with `api="cuda"` and `placement="same_node"`.
        broker: As of `acquire`, and so are `url` and `token`.
        url: ...
        token: ...
        **options: As of `accelpool.acquire`: `count` says how many.

    Raises:
        Unsatisfiable, Invalid, LeaseTimeout, Unauthorized, TransportError: As of `acquire`.
    """
    if isinstance(kind, Demand):
        api, placement, count = kind.api, kind.placement, len(kind.devices) or kind.count
    else:
        api, placement = options.setdefault("api", CUDA), options.setdefault("placement", SAME_NODE)
        count = len(options.get("devices", ())) or options.get("count", 1)
    if api != CUDA:
        raise invalid("api", f"{CUDA!r} for contexts of CUDA", api)
    if count > 1 and placement != SAME_NODE:
        raise invalid("placement", f"{SAME_NODE!r} for contexts of CUDA under one lease", placement)
    session = (broker or default_broker(url, token))._acquire_session(kind, **options)
    contexts = [Context(LowerContext([device])) for device in session.devices]
    contexts[0].push()
    return contexts


def over(lower: LowerContext) -> Context:
    """Return a context over one of OpenCL's on a CUDA device, such as a reservation's; it is current then."""
    context = Context(lower)
    context.push()
    return context


def context_on(device: PoolDevice) -> Context:
    """Return a context on a device of the pool, current in this thread."""
    return over(LowerContext([device]))


def driver_version(context: Context) -> int:
    """Return the version of CUDA that the driver of a context's node has, such as 12040."""
    told = str(context._lower._devices[0].platform._info.get(platform_info.VERSION, ""))
    major, _, minor = told.removeprefix("CUDA").strip().partition(".")
    try:
        return 1000 * int(major) + 10 * int(minor.split()[0] if minor else 0)
    except ValueError:
        raise failed(
            "cuDriverGetVersion", "NOT_INITIALIZED", f"the node tells no version, but {told!r}"
        ) from None


def total_memory(context: Context) -> int:
    """Return the memory of a context's device: that of the lease's share."""
    return int(context._lower._devices[0]._info.get(device_info.GLOBAL_MEM_SIZE, 0))
