"""What a builder answers: a product that it keeps, one that is made now, or that the worker has to build.

On a device whose driver takes long to make binaries of a program (PoCL compiles each kernel only then) the
worker builds at once, as it would without a builder, and the product is made meanwhile for the next one.
As such a worker asks on, it has a limit of its own: others get their turn.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from accelpool_node.builder import messages as b
from accelpool_node.builder.control import Counts
from accelpool_node.builder.eligibility import objection
from accelpool_node.builder.store import Store, key_of

log = logging.getLogger(__name__)

MAX_AT_ONCE, MAX_AT_ONCE_OF_A_WORKER = 4, 2
MAX_REFUSED = 1024  # builds that failed, of which is kept that they did
MAX_DEVICES = 64
TRIAL = 3  # the nursery's own are 1 and 2


class Service:
    """Answers workers.

    Args:
        make: Makes an encoded build and returns its encoded product; raises ConnectionError if it fails, and
            Unbuildable if it always would.
        store: The products that are kept.
        at_once: How many builds may be under way; whoever comes later builds for himself.
        clock: A monotonic clock, in seconds.
    """

    def __init__(
        self,
        make: Callable[[bytes], Awaitable[bytes]],
        store: Store,
        at_once: int = MAX_AT_ONCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._store = store
        self._at_once = at_once
        self._clock = clock
        self._build_s = 0.0
        self._able: frozenset[b.DeviceId] = frozenset()
        self._dear: frozenset[b.DeviceId] = frozenset()
        self._making: dict[bytes, asyncio.Task[bytes]] = {}
        self._refused = Store(MAX_REFUSED)
        self._counts = Counts()

    def counts(self) -> Counts:
        """Return what was done, and what is kept."""
        return msgspec.structs.replace(
            self._counts, entries=len(self._store), bytes=self._store.bytes, build_s=self._build_s
        )

    async def try_devices(self, devices: Iterable[b.DeviceId]) -> list[str]:
        """See which devices' drivers make programs from binaries; only for these is anything built.

        Returns:
            Their names.
        """
        able, dear = [], []
        for device in devices:
            try:
                product = b.decode_answer(await self._make(b.encode(b.trial_of(device, TRIAL))))
            except ConnectionError as error:
                log.warning("programs for %s cannot be made from binaries: %s", device.name, error)
            else:
                able.append(device)
                if isinstance(product, b.Product) and product.is_dear:
                    dear.append(device)
        self._able, self._dear = frozenset(able), frozenset(dear)
        return [device.name for device in able]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one worker, a build at a time, until it goes or sends nonsense."""
        own: set[asyncio.Task[bytes]] = set()
        try:
            while (content := await b.read(reader, b.MAX_BUILD_BYTES)) is not None:
                await b.write(writer, await self._answer(b.decode_build(content), own))
        except (ValueError, OSError) as error:
            log.warning("a worker's connection ends: %s", error)
        finally:
            writer.close()

    async def _answer(self, build: b.Build, own: set[asyncio.Task[bytes]]) -> bytes:
        """Return an encoded Product or Declined; `own` are the builds that its worker has made."""
        why = self._objection(build)
        if why:
            return self._decline(why)
        key = key_of(build)
        product = self._store.get(key)
        if product is not None:
            self._count(hits=1)
            return product
        refused = self._refused.get(key)
        if refused is not None:
            return self._decline(refused.decode())
        making, is_first = self._making.get(key), key not in self._making
        is_deferred = not self._dear.isdisjoint(build.devices)
        if making is None:
            why = self._crowd(own)
            if why:
                return self._decline(why)
            build = msgspec.structs.replace(build, is_deferred=is_deferred)
            making = self._making[key] = asyncio.create_task(self._make_and_keep(key, build))
            making.add_done_callback(_retrieve)
            own.add(making)
            making.add_done_callback(own.discard)
        if is_deferred:
            return self._decline("it is made for whoever asks next")
        try:
            product = await asyncio.shield(making)
        except ConnectionError as error:
            return self._decline(str(error))
        self._count(hits=0 if is_first else 1)
        return product

    def _objection(self, build: b.Build) -> str:
        if build.is_trial or build.is_deferred:
            return "only the builder itself tries drivers and defers builds"
        if not 0 < len(build.devices) <= MAX_DEVICES or not self._able.issuperset(build.devices):
            return "not all of the devices are here and take programs as binaries"
        return objection(build.source, build.options)

    def _crowd(self, own: set[asyncio.Task[bytes]]) -> str:
        """Return why no build more can be under way, or ""."""
        if len(self._making) >= self._at_once:
            return f"{self._at_once} builds are under way, which is the limit"
        if len(own) >= MAX_AT_ONCE_OF_A_WORKER:
            return f"{len(own)} builds of this worker are under way, which is the limit"
        return ""

    async def _make_and_keep(self, key: bytes, build: b.Build) -> bytes:
        """Return the product of a build; it is made though whoever asked first is gone."""
        began_at = self._clock()
        try:
            product = await self._make(b.encode(build))
            self._store.put(key, product)
            self._count(misses=1)
            return product
        except b.Unbuildable as error:
            self._refused.put(key, str(error)[: b.MAX_WHY].encode())
            raise
        finally:
            self._build_s += self._clock() - began_at
            del self._making[key]

    def _decline(self, why: str) -> bytes:
        self._count(declined=1)
        return b.encode(b.Declined(why=why[: b.MAX_WHY]))

    def _count(self, *, hits: int = 0, misses: int = 0, declined: int = 0) -> None:
        counts = self._counts
        self._counts = Counts(
            hits=counts.hits + hits, misses=counts.misses + misses, declined=counts.declined + declined
        )


def _retrieve(making: asyncio.Task[bytes]) -> None:
    """Look at how a build ended for which nobody may have waited."""
    if not making.cancelled() and (error := making.exception()) is not None:
        log.debug("a build failed: %s", error)
