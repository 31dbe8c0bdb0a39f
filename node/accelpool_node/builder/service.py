"""What a builder answers: a product that it keeps, one that is made now, or that the worker has to build."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

import msgspec

from accelpool_node.builder import messages as b
from accelpool_node.builder.control import Counts
from accelpool_node.builder.eligibility import objection
from accelpool_node.builder.store import Store, key_of

log = logging.getLogger(__name__)

MAX_AT_ONCE = 4
MAX_DEVICES = 64


class Service:
    """Answers workers.

    Args:
        make: Makes an encoded build and returns its encoded product; raises ConnectionError if it fails.
        store: The products that are kept.
        at_once: How many builds may be under way; whoever comes later builds for himself.
    """

    def __init__(
        self, make: Callable[[bytes], Awaitable[bytes]], store: Store, at_once: int = MAX_AT_ONCE
    ) -> None:
        self._make = make
        self._store = store
        self._at_once = at_once
        self._able: frozenset[b.DeviceId] = frozenset()
        self._making: dict[bytes, asyncio.Task[bytes]] = {}
        self._counts = Counts()

    def counts(self) -> Counts:
        """Return what was done, and what is kept."""
        return msgspec.structs.replace(self._counts, entries=len(self._store), bytes=self._store.bytes)

    async def try_devices(self, devices: Iterable[b.DeviceId]) -> list[str]:
        """See which devices' drivers make programs from binaries; only for these is anything built.

        Returns:
            Their names.
        """
        able = []
        for device in devices:
            try:
                await self._make(b.encode(b.trial_of(device)))
            except ConnectionError as error:
                log.warning("programs for %s cannot be made from binaries: %s", device.name, error)
            else:
                able.append(device)
        self._able = frozenset(able)
        return [device.name for device in able]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one worker, a build at a time, until it goes or sends nonsense."""
        try:
            while (content := await b.read(reader, b.MAX_BUILD_BYTES)) is not None:
                await b.write(writer, await self._answer(b.decode_build(content)))
        except (ValueError, OSError) as error:
            log.warning("a worker's connection ends: %s", error)
        finally:
            writer.close()

    async def _answer(self, build: b.Build) -> bytes:
        """Return an encoded Product or Declined."""
        why = self._objection(build)
        if why:
            return self._decline(why)
        key = key_of(build)
        product = self._store.get(key)
        if product is not None:
            self._count(hits=1)
            return product
        making = self._making.get(key)
        if making is None and len(self._making) >= self._at_once:
            return self._decline(f"{self._at_once} builds are under way, which is the limit")
        if making is None:
            making = self._making[key] = asyncio.create_task(self._make_and_keep(key, build))
            field = "misses"
        else:
            field = "hits"
        try:
            product = await asyncio.shield(making)
        except ConnectionError as error:
            return self._decline(str(error))
        self._count(**{field: 1})
        return product

    def _objection(self, build: b.Build) -> str:
        if build.is_trial:
            return "only the builder itself tries drivers"
        if not 0 < len(build.devices) <= MAX_DEVICES or not self._able.issuperset(build.devices):
            return "not all of the devices are here and take programs as binaries"
        return objection(build.source, build.options)

    async def _make_and_keep(self, key: bytes, build: b.Build) -> bytes:
        """Return the product of a build; it is made though whoever asked first is gone."""
        try:
            product = await self._make(b.encode(build))
            self._store.put(key, product)
            return product
        finally:
            del self._making[key]

    def _decline(self, why: str) -> bytes:
        self._count(declined=1)
        return b.encode(b.Declined(why=why[: b.MAX_WHY]))

    def _count(self, *, hits: int = 0, misses: int = 0, declined: int = 0) -> None:
        counts = self._counts
        self._counts = Counts(
            hits=counts.hits + hits, misses=counts.misses + misses, declined=counts.declined + declined
        )
