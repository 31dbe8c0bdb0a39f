"""What a builder answers: kept, made now, or left to the worker."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import msgspec
import pytest

from accelpool_node.builder import messages as b
from accelpool_node.builder.control import Counts
from accelpool_node.builder.service import MAX_AT_ONCE, MAX_REFUSED, Service
from accelpool_node.builder.store import Store

DEVICE = b.DeviceId(
    name="d", vendor="v", version="1", driver_version="2", platform_name="p", platform_version="3"
)
OTHER = msgspec.structs.replace(DEVICE, name="other")
PRODUCT = b.encode(b.Product(kernels=[], logs=["a log"], binaries=[b"binary"]))
DEAR = msgspec.structs.replace(DEVICE, name="dear")
DEAR_PRODUCT = b.encode(b.Product(kernels=[], logs=[""], binaries=[b"binary"], is_dear=True))
LIMIT_S = 60.0


class Maker:
    """Makes every build into the same product, once a test lets it."""

    def __init__(self) -> None:
        self.made: list[b.Build] = []
        self.go = asyncio.Event()
        self.go.set()
        self.failure: Exception | None = None

    async def __call__(self, content: bytes) -> bytes:
        build = b.decode_build(content)
        self.made.append(build)
        if build.is_trial:
            if build.devices == [OTHER]:
                raise ConnectionError("no binaries here")
            return DEAR_PRODUCT if build.devices == [DEAR] else PRODUCT
        await self.go.wait()
        if self.failure:
            raise self.failure
        return PRODUCT

    @property
    def sources(self) -> list[str]:
        return [build.source for build in self.made if not build.is_trial]


class Bench:
    """A service and the workers that it serves."""

    def __init__(self) -> None:
        self.maker = Maker()
        self.store = Store()
        self.service = Service(self.maker, self.store, clock=lambda: 0.0)
        self.tasks: list[asyncio.Task[None]] = []

    async def worker(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        ours, theirs = socket.socketpair()
        self.tasks.append(
            asyncio.create_task(self.service.serve(*await asyncio.open_unix_connection(sock=theirs)))
        )
        return await asyncio.open_unix_connection(sock=ours)

    async def ask(self, source: str = "source", options: str = "", **members) -> object:
        """Ask as a new worker."""
        reader, writer = await self.worker()
        build = b.Build(**{"devices": [DEVICE], "source": source, "options": options, **members})
        with contextlib.closing(writer):
            await b.write(writer, b.encode(build))
            answer = await b.read(reader, b.MAX_PRODUCT_BYTES)
        return answer and b.decode_answer(answer)

    async def until(self, is_so) -> None:
        async with asyncio.timeout(LIMIT_S):
            while not is_so():
                await asyncio.sleep(0)


def on_bench(test):
    """Run a test's coroutine with a bench whose one device is able."""

    def run():
        async def main():
            bench = Bench()
            assert await bench.service.try_devices([DEVICE, OTHER, DEAR]) == ["d", "dear"]
            async with asyncio.timeout(LIMIT_S):
                await test(bench)
                await asyncio.gather(*bench.tasks)

        asyncio.run(main())

    run.__name__ = test.__name__
    return run


@on_bench
async def test_the_time_of_builds_is_counted_those_that_fail_included(bench):
    times = iter((10.0, 12.5, 20.0, 21.0))
    bench.service = Service(bench.maker, bench.store, clock=lambda: next(times))
    await bench.service.try_devices([DEVICE])
    assert isinstance(await bench.ask(), b.Product)
    bench.maker.failure = ConnectionError("it crashed")
    await bench.ask("another source")
    assert bench.service.counts().build_s == 3.5


@on_bench
async def test_the_second_worker_with_the_same_build_has_nothing_built(bench):
    first = await bench.ask()
    assert isinstance(first, b.Product)
    assert await bench.ask() == first
    assert bench.maker.sources == ["source"]
    assert bench.service.counts() == Counts(hits=1, misses=1, entries=1, bytes=len(PRODUCT))


@on_bench
async def test_the_same_build_asked_for_twice_at_once_is_made_once(bench):
    bench.maker.go.clear()
    asking = [asyncio.create_task(bench.ask()) for _ in range(3)]
    await bench.until(lambda: bench.maker.sources)
    bench.maker.go.set()
    assert len({str(product) for product in await asyncio.gather(*asking)}) == 1
    assert bench.maker.sources == ["source"]
    assert bench.service.counts().hits == 2


@on_bench
async def test_other_source_and_other_options_are_built(bench):
    for source, options in (("source", ""), ("source ", ""), ("source", "-w")):
        assert isinstance(await bench.ask(source, options), b.Product)
    assert bench.service.counts().misses == 3


@on_bench
async def test_a_build_whose_compiler_crashed_is_left_to_the_worker_and_not_kept(bench):
    bench.maker.failure = ConnectionError("it crashed")
    assert await bench.ask() == b.Declined(why="it crashed")
    bench.maker.failure = None
    assert isinstance(await bench.ask(), b.Product)
    assert bench.service.counts().declined == 1


@on_bench
async def test_a_build_that_does_not_compile_is_tried_once(bench):
    bench.maker.failure = b.Unbuildable("it does not compile")
    for _ in range(2):
        assert await bench.ask() == b.Declined(why="it does not compile")
    bench.maker.failure = None
    assert isinstance(await bench.ask("another source"), b.Product)
    assert bench.maker.sources == ["source", "another source"]
    assert bench.service.counts() == Counts(misses=1, declined=2, entries=1, bytes=len(PRODUCT))


@on_bench
async def test_of_too_many_builds_that_do_not_compile_the_oldest_is_tried_again(bench):
    bench.maker.failure = b.Unbuildable("it does not compile")
    for number in [*range(MAX_REFUSED + 1), 0, MAX_REFUSED]:
        await bench.ask(f"source {number}")
    assert len(bench.maker.sources) == MAX_REFUSED + 2
    assert bench.maker.sources[-1] == "source 0"


@on_bench
async def test_more_builds_at_once_than_the_limit_are_left_to_workers(bench):
    bench.maker.go.clear()
    asking = [asyncio.create_task(bench.ask(f"source {number}")) for number in range(MAX_AT_ONCE)]
    await bench.until(lambda: len(bench.maker.sources) == MAX_AT_ONCE)
    assert "limit" in (await bench.ask("one more")).why
    bench.maker.go.set()
    await asyncio.gather(*asking)
    assert isinstance(await bench.ask("one more"), b.Product)


@on_bench
async def test_a_build_goes_on_though_its_worker_is_gone(bench):
    bench.maker.go.clear()
    asking = asyncio.create_task(bench.ask())
    await bench.until(lambda: bench.maker.sources)
    asking.cancel()
    bench.maker.go.set()
    await bench.until(lambda: len(bench.store) == 1)


@on_bench
async def test_devices_that_take_no_binaries_and_unknown_ones_are_left_to_workers(bench):
    unknown = msgspec.structs.replace(DEVICE, driver_version="another")
    for devices in ([OTHER], [unknown], [], [DEVICE] * 65, [DEVICE, OTHER]):
        assert isinstance(await bench.ask(devices=devices), b.Declined)
    assert not bench.maker.sources


@on_bench
async def test_a_build_that_depends_on_more_than_its_source_is_refused_whatever_the_worker_thinks(bench):
    for source, options in (("#include <file.h>", ""), ("source", "-I/etc"), ("__DATE__", "")):
        assert isinstance(await bench.ask(source, options), b.Declined)
    assert not bench.maker.sources


@on_bench
async def test_a_worker_does_not_wait_where_binaries_are_dear_and_the_next_one_has_nothing_built(bench):
    bench.maker.go.clear()
    assert isinstance(await bench.ask(devices=[DEAR]), b.Declined)
    await bench.until(lambda: bench.maker.sources)
    assert bench.maker.made[-1].is_deferred
    bench.maker.go.set()
    await bench.until(lambda: len(bench.store) == 1)
    assert isinstance(await bench.ask(devices=[DEAR]), b.Product)
    assert bench.service.counts() == Counts(hits=1, misses=1, declined=1, entries=1, bytes=len(PRODUCT))


@on_bench
async def test_no_worker_has_all_builds_that_may_be_under_way(bench):
    bench.maker.go.clear()
    (reader, writer), asked = await bench.worker(), []
    for number in range(MAX_AT_ONCE):
        await b.write(writer, b.encode(b.Build(devices=[DEAR], source=f"source {number}", options="")))
        asked.append(b.decode_answer(await b.read(reader, b.MAX_PRODUCT_BYTES)).why)
    assert ["of this worker" in why for why in asked] == [False, False, True, True]
    assert isinstance(await bench.ask("another's", devices=[DEAR]), b.Declined)
    await bench.until(lambda: len(bench.maker.sources) == 3)
    bench.maker.go.set()
    await bench.until(lambda: len(bench.store) == 3)
    await b.write(writer, b.encode(b.Build(devices=[DEAR], source="source 3", options="")))
    await b.read(reader, b.MAX_PRODUCT_BYTES)
    await bench.until(lambda: len(bench.store) == 4)
    writer.close()


@on_bench
async def test_a_worker_can_neither_ask_for_a_trial_nor_defer_a_build(bench):
    assert isinstance(await bench.ask(is_trial=True), b.Declined)
    assert isinstance(await bench.ask(is_deferred=True), b.Declined)


@pytest.mark.parametrize(
    "content",
    [
        b"nonsense",
        PRODUCT,  # the protocol offers no way to give the builder anything
        b.encode(b.Declined(why="")),
        b.encode({"type": "put", "key": b"key", "product": PRODUCT}),
    ],
)
def test_a_worker_can_say_nothing_but_build_this(content):
    @on_bench
    async def run(bench):
        reader, writer = await bench.worker()
        await b.write(writer, content)
        assert await b.read(reader, b.MAX_PRODUCT_BYTES) is None  # it hung up
        writer.close()
        assert len(bench.store) == 0

    run()


@on_bench
async def test_a_message_larger_than_the_limit_ends_the_connection(bench):
    reader, writer = await bench.worker()
    writer.write(b.LENGTH.pack(b.MAX_BUILD_BYTES + 1))
    assert await b.read(reader, b.MAX_PRODUCT_BYTES) is None
    writer.close()
