"""Parts of the agent: discovery and health with drivers that hang, crash or talk nonsense; the listener."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from accelpool_node.agent.devices import PCI_BUS, PCI_SLOT, Devices, describe
from accelpool_node.agent.dialing import connect
from accelpool_node.agent.discovery import Discovery
from accelpool_node.agent.health import Health
from accelpool_node.agent.listener import Listener, listen
from accelpool_node.discover import Listed
from accelpool_wire.errors import Unavailable

from .stub_rig import LIMIT_S, run


def find_devices(bench, behave):
    bench.driver(behave)
    asked = Discovery(bench.processes, bench.state.path, LIMIT_S)
    return run(bench, lambda: asked.find_devices([bench.environment]))


def test_a_device_whose_probe_crashes_the_driver_is_the_only_faulty_one(bench):
    found = find_devices(
        bench,
        """
        for name in to_probe:
            tell(Probing(name))
            if name == "bad":
                sys.stderr.write("LLVM ERROR: unknown target\\n")
                sys.stderr.flush()
                os.kill(os.getpid(), signal.SIGABRT)
            tell(Probed(name, ""))
        """,
    )
    reason = "was killed by signal 6 (SIGABRT): LLVM ERROR: unknown target"
    assert found.faults == {
        "x/good": "",
        "x/bad": f"its probe came to no result: {reason}",
        "x/last": "",
    }
    assert found.environments_in_use() == {"x"}


def test_what_is_known_of_an_environment_beforehand_is_told_of_its_devices(bench):
    bench.environment = replace(bench.environment, known={"mig_profile": "1g.5gb"}, memory_parts=2)
    found = find_devices(bench, "for name in to_probe: tell(Probed(name, ''))")
    assert {report.attributes["mig_profile"] for report in found.reports()} == {"1g.5gb"}


def test_a_probe_that_hangs_is_a_fault(bench):
    bench.driver("tell(Probing(to_probe[0])); time.sleep(60)")
    asked = Discovery(bench.processes, bench.state.path, 0.5)
    faults = run(bench, lambda: asked.probe(bench.environment, ["good", "bad"]))
    assert faults == dict.fromkeys(["good", "bad"], "its probe came to no result: no answer within 0.5 s")


@pytest.mark.parametrize(
    ("stub", "words"),
    [
        ("import os; os.abort()", "killed by signal 6"),
        ("print('ICD loader v7')", "garbage"),
        ("raise SystemExit('no driver')", "exited with status 1: no driver"),
        ("", "no answer"),
    ],
)
def test_an_environment_that_cannot_be_listed_is_reported_with_its_fault(bench, stub, words):
    (bench.state.path.parent / "accelpool_stub.py").write_text(stub)
    asked = Discovery(bench.processes, bench.state.path, LIMIT_S)
    found = run(bench, lambda: asked.find_devices([bench.environment]))
    (fault,) = found.faults.values()
    assert words in fault
    assert found.reports()[0].environment == "x"


def test_a_suspect_device_is_probed_and_a_faulty_one_again_until_it_works(bench):
    bench.driver('[tell(Probed(name, "worn out")) for name in to_probe]')
    listed = Listed(name="good", platform={}, info={}, kind="cpu", api="opencl")
    devices = Devices([describe("x", listed, "")])
    seen = []

    async def scenario():
        done = asyncio.Event()

        def changed():
            seen.append(devices.faults["x/good"])
            bench.driver('[tell(Probed(name, "")) for name in to_probe]')
            if len(seen) == 2:
                done.set()

        asked = Discovery(bench.processes, bench.state.path, LIMIT_S)
        health = Health(devices, {"x": bench.environment}, asked, 0.05, changed)
        running = asyncio.create_task(health.run())
        health.suspect(["x/good", "x/unknown"])
        await done.wait()
        running.cancel()

    run(bench, scenario)
    assert seen == ["worn out", ""]


def test_all_faces_of_a_suspect_gpu_are_probed_and_no_other_device(bench):
    bench.driver('[tell(Probed(name, "worn out")) for name in to_probe]')

    def gpu(environment, bus):
        info = {PCI_BUS: bus, PCI_SLOT: 0}
        return describe(
            environment, Listed(name=f"gpu{bus}", platform={}, info=info, kind="gpu", api="opencl"), ""
        )

    devices = Devices([gpu("opencl", 1), gpu("cuda", 1), gpu("opencl", 2)])
    environments = dict.fromkeys(("opencl", "cuda"), bench.environment)

    async def scenario():
        asked = Discovery(bench.processes, bench.state.path, LIMIT_S)
        health = Health(devices, environments, asked, LIMIT_S, lambda: None)
        running = asyncio.create_task(health.run())
        health.suspect(["opencl/gpu1"])
        while not (devices.faults["opencl/gpu1"] and devices.faults["cuda/gpu1"]):
            await asyncio.sleep(0.01)
        running.cancel()

    run(bench, scenario)
    assert devices.faults == {"opencl/gpu1": "worn out", "cuda/gpu1": "worn out", "opencl/gpu2": ""}


def test_a_slow_first_frame_is_refused(bench):
    async def scenario():
        async def serve(first, frame, client):
            pytest.fail("nothing to serve")

        stream = listen(("127.0.0.1", 0))
        listening = asyncio.create_task(Listener(stream, serve, 0.1).run())
        reader, writer = await asyncio.open_connection(*stream.getsockname())
        writer.write(b"\x05\x00")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        listening.cancel()
        return answer

    assert b"no whole first frame came in time" in run(bench, scenario)


@pytest.mark.parametrize("address", ["x" * 70 + ":1", "host", "host:", "host:x", ""])
def test_an_address_that_is_none_is_an_error_like_one_where_nobody_answers(address):
    with pytest.raises(OSError, match="is no address"):
        asyncio.run(connect(address))


def test_a_taken_port_is_told_in_words():
    with listen(("127.0.0.1", 0)) as stream, pytest.raises(Unavailable, match="cannot listen on 127"):
        listen(stream.getsockname())
