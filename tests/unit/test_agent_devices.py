"""What a node has: names, attributes, faults, and what discovery's children say."""

from __future__ import annotations

import msgspec
import pytest

from accelpool_node.agent import devices as d
from accelpool_node.agent.contract import LoadedImage
from accelpool_node.agent.discovery import judge
from accelpool_node.backends.base import BackendDevice
from accelpool_node.backends.null import NullBackend
from accelpool_node.discover import Listed, Listing, Probed, Probing, discover, parse
from accelpool_wire.errors import Invalid


def listed(name="dev", platform="P", version="1", **info):
    numbers = {int(key[1:], 16): value for key, value in info.items()}
    return Listed(
        name=name, platform={0x0902: platform, 0x0901: version}, info=numbers, kind="cpu", api="opencl"
    )


def test_the_bundled_platform_counts_in_its_own_environment_alone():
    pocl, intel, other = (
        listed("pthread", "PoCL", "3"),
        listed("cpu", "Intel"),
        listed("pthread", "PoCL", "6"),
    )
    found = {"bundled": [pocl], "intel": [intel, pocl], "pocl": [other, pocl]}
    assert d.without_bundled(found) == {"bundled": [pocl], "intel": [intel], "pocl": [other]}


def test_without_a_bundled_environment_everything_counts():
    assert d.without_bundled({"intel": [listed()]}) == {"intel": [listed()]}


def test_attributes_have_readable_names():
    device = listed(x102B=" EPYC ", x1035=1, x1005=[8, 8, 8], x1030="b a  b", x105B=None, x9999=3)
    assert d.attributes(device) == {
        "platform_name": "P",
        "platform_version": "1",
        "name": "EPYC",
        "host_unified_memory": True,
        "max_work_item_sizes": [8, 8, 8],
        "extensions": ["a", "b"],
    }


def test_a_device_is_named_by_environment_and_backend_name():
    device = d.describe("intel", listed("EPYC", x101F=1 << 30, x1002=4), "broken " * 200)
    assert (device.name, device.backend_name) == ("intel/EPYC", "EPYC")
    assert (device.report.capacity.memory_bytes, device.report.capacity.compute_units) == (1 << 30, 4)
    assert len(device.report.fault) == d.MAX_FAULT


def test_hardware_is_told_by_its_place_on_the_bus():
    assert d.place_of(listed(x4008=0x19, x4009=3 << 3, x400A=1)) == "0001:19:03"
    assert d.place_of(listed(x4008=0x19, x4009=3 << 3)) == "0000:19:03"
    assert d.place_of(listed(x4008=0, x4009=6, x410F=[0, 0, 6, 0])) == "0000:00:06"
    assert d.place_of(listed()) == ""


def test_devices_at_one_place_are_faces_of_the_same_hardware():
    found = d.Devices([
        d.describe("nvidia", listed("a", x4008=1, x4009=0), ""),
        d.describe("nvidia", listed("b", x4008=2, x4009=0), ""),
        d.describe("bundled", listed("cpu"), ""),
        d.describe("intel", listed("cpu"), ""),
        d.describe("cuda", listed("a", x4008=1, x4009=0), "no driver"),
    ])  # fmt: skip
    names = ("nvidia/a", "cuda/a", "nvidia/b", "bundled/cpu", "intel/cpu", "unknown")
    assert [found.hardware(name) for name in names] == ["0000:01:00", "0000:01:00", *names[2:]]
    assert (len(found), found.pieces) == (5, 4)


def test_only_of_faces_the_broker_is_told_the_hardware():
    one, other = listed("a", x4008=1, x4009=0), listed("b", x4008=2, x4009=0)
    found = d.Devices(
        [d.describe("nvidia", one, ""), d.describe("nvidia", other, ""), d.describe("cuda", one, "")]
    )
    told = [msgspec.to_builtins(report) for report in found.reports()]
    assert [report.get("hardware") for report in told] == ["0000:01:00", None, "0000:01:00"]
    assert [report["attributes"]["hardware"] for report in told] == ["0000:01:00", "0000:02:00", "0000:01:00"]


def test_an_environment_with_a_healthy_device_is_in_use():
    found = d.Devices([d.describe("x", listed("a"), "bad"), d.describe("x", listed("b"), "")])
    assert found.environments_in_use() == {"x"}
    assert [device.name for device in found.faulty()] == ["x/a"]
    assert found.set_fault("x/b", "worse")
    assert not found.set_fault("x/b", "worse")
    assert found.environments_in_use() == set()


def test_a_fault_found_later_is_cut_to_what_the_broker_takes():
    found = d.Devices([d.describe("x", listed("a"), "")])
    found.set_fault("x/a", "broken " * 10_000)
    assert len(found.faults["x/a"]) == d.MAX_FAULT


def test_the_image_of_a_device_is_the_last_one_loaded_since_it_was_first_seen_there():
    found = d.Devices([d.describe("x", listed("a"), ""), d.describe("x", listed("b"), "")])
    assert found.set_loaded_image("x/a", "1" * 64, now=5.0)
    assert not found.set_loaded_image("x/a", "1" * 64, now=6.0)
    assert found.loaded_images == {"x/a": LoadedImage(sha256="1" * 64, since=5.0)}
    assert found.set_loaded_image("x/a", "2" * 64, now=7.0)
    assert found.loaded_images == {"x/a": LoadedImage(sha256="2" * 64, since=7.0)}


def test_nobody_knows_what_is_loaded_on_a_faulty_device_nor_after_it_is_well_again():
    found = d.Devices([d.describe("x", listed("a"), "")])
    found.set_loaded_image("x/a", "1" * 64, now=5.0)
    found.set_fault("x/a", "it hung")
    assert found.loaded_images == {}
    assert not found.set_loaded_image("x/a", "1" * 64, now=6.0)
    found.set_fault("x/a", "")
    assert found.loaded_images == {}


def test_what_is_loaded_can_be_forgotten():
    found = d.Devices([d.describe("x", listed("a"), "")])
    found.set_loaded_image("x/a", "1" * 64, now=5.0)
    found.forget_loaded_images(["x/a", "x/b"])
    assert found.loaded_images == {}


def test_a_broken_environment_is_reported_and_never_probed():
    found = d.Devices([d.describe_broken("nvidia", "it crashed")])
    assert found.faults == {"nvidia/unknown": "it crashed"}
    assert found.faulty() == []
    assert found.environments_in_use() == set()


def test_a_discovery_child_lists_and_probes():
    told = []
    discover(NullBackend(2), None, told.append)
    listing, *probes = told
    assert [device.name for device in listing.devices] == ["null-0", "null-1"]
    assert probes == [Probing("null-0"), Probed("null-0", ""), Probing("null-1"), Probed("null-1", "")]


def test_a_discovery_child_probes_what_it_is_told():
    told = []
    discover(NullBackend(2), ["null-1", "gone"], told.append)
    assert told[1:3] == [Probing("null-1"), Probed("null-1", "")]
    assert told[3].device == "gone"
    assert "does not show" in told[3].fault


class BrokenBackend(NullBackend):
    def probe(self, device: BackendDevice) -> str:
        raise Invalid("odd")


def test_a_probe_that_raises_is_a_fault():
    told = []
    discover(BrokenBackend(1), None, told.append)
    assert told[-1] == Probed("null-0", "its probe failed: Invalid: odd")


def test_output_is_parsed_up_to_the_first_nonsense():
    lines, trouble = parse(
        b'{"type":"listing","devices":[]}\n{"type":"probing","device":"a"}\nPoCL: oh\n{}\n'
    )
    assert lines == [Listing([]), Probing("a")]
    assert "garbage" in trouble


@pytest.mark.parametrize("output", [b"", b"\n", b"\xff\xfe", b"[" * 100_000])
def test_no_output_breaks_the_parser(output):
    assert parse(output)[0] == []


SIGNAL = "was killed by signal 6 (SIGABRT)"
NO_RESULT = f"its probe came to no result: {SIGNAL}"


@pytest.mark.parametrize(
    ("lines", "ending", "faults"),
    [
        ([Probing("a"), Probed("a", ""), Probing("b"), Probed("b", "bad")], "", {"a": "", "b": "bad"}),
        ([Probing("a")], SIGNAL, {"a": NO_RESULT}),
        ([Probing("a"), Probed("a", ""), Probing("b")], SIGNAL, {"a": "", "b": NO_RESULT}),
        ([Probing("a"), Probed("a", "")], SIGNAL, {"a": ""}),
        ([], SIGNAL, {"a": NO_RESULT, "b": NO_RESULT}),
        (
            [],
            "",
            {"a": "its probe came to no result: no answer", "b": "its probe came to no result: no answer"},
        ),
        ([Probed("z", "")], SIGNAL, {"a": NO_RESULT, "b": NO_RESULT}),
    ],
)
def test_the_device_that_was_being_probed_takes_the_blame(lines, ending, faults):
    assert judge(lines, ["a", "b"], ending) == faults
