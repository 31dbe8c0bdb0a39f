"""The operator's file of driver environments: what is read, what is refused, and what children see."""

from __future__ import annotations

from pathlib import Path

import pytest

from accelpool_node import drivers, environments
from accelpool_node.environments import MAX_ENVIRONMENTS, MAX_FILE_BYTES, Environment, parse
from accelpool_wire.errors import Invalid

FPGA = b"""
[[environment]]
name = "fpga"
icd = "/opt/fpga/lib/libintelocl_emu.so"
env = { LD_LIBRARY_PATH = "/opt/fpga/lib" }
python = "/opt/py/bin/python"
"""


def entry(name="x", **more):
    return Environment(name=name, **more)


def prepared(tmp_path, *configured, icds=None, variables=None):
    found = environments.prepare(tmp_path, icds or {"bundled": ""}, configured, variables or {})
    return {environment.name: environment for environment in found}


def test_an_entry_has_a_name_a_driver_variables_and_a_python():
    (found,) = parse(FPGA)
    assert found == Environment(
        name="fpga",
        icd="/opt/fpga/lib/libintelocl_emu.so",
        env={"LD_LIBRARY_PATH": "/opt/fpga/lib"},
        python="/opt/py/bin/python",
    )
    assert found.has_driver


def test_an_empty_file_has_no_environments():
    assert parse(b"") == []


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("x", "[Ee]xpected"),
        ("\xff", "utf-8"),
        ("other = 1", "unknown field"),
        ("environment = 3", "array"),
        ("[[environment]]\nicd = '/x'", "name"),
        ("[[environment]]\nname = 'x'\nicds = '/x'", "unknown field"),
        ("[[environment]]\nname = ''", "1 to 40"),
        ("[[environment]]\nname = '../x'", "1 to 40"),
        ("[[environment]]\nname = 'null'\nicd = '/x'", "1 to 40"),
        ("[[environment]]\nname = 'cuda-mig-1'\nicd = '/x'", "1 to 40"),
        ("[[environment]]\nname = 'bundled'\nicd = '/x'", "another name"),
        ("[[environment]]\nname = 'x'\nicd = 'lib.so'", "absolute"),
        ("[[environment]]\nname = 'x'\nicd = \"/a\\n/b\"", "absolute"),
        ("[[environment]]\nname = 'x'\nvendors = 'v'", "absolute"),
        ("[[environment]]\nname = 'x'\nicd = '/x'\npython = 'python3'", "absolute"),
        ("[[environment]]\nname = 'x'\nicd = '/x'\nvendors = '/v'", "one of them"),
        ("[[environment]]\nname = 'x'\nenv = { A = 3 }", "str"),
        ("[[environment]]\nname = 'x'\nenv = { 'A=B' = '3' }", "cannot be set"),
        ("[[environment]]\nname = 'x'\nenv = { A = \"\\u0000\" }", "cannot be set"),
        ("[[environment]]\nname = 'x'\nenv = { ACCELPOOL_NODE_TOKEN = 't' }", "may not set"),
        ("[[environment]]\nname = 'x'\nenv = { OCL_ICD_VENDORS = '/v' }", "may not set"),
        ("[[environment]]\nname = 'x'\n" * 2, "two environments"),
        ("".join(f"[[environment]]\nname = 'x{i}'\n" for i in range(MAX_ENVIRONMENTS + 1)), "at most"),
        ("#" * (MAX_FILE_BYTES + 1), "bytes"),
    ],
)
def test_what_cannot_be_used_is_refused(text, match):
    with pytest.raises(Invalid, match=match):
        parse(text.encode("latin-1"))


def test_errors_name_the_file(tmp_path):
    with pytest.raises(Invalid, match=r"nowhere.toml cannot be read: No such file"):
        environments.read(tmp_path / "nowhere.toml")
    file = tmp_path / "some.toml"
    file.write_text("x")
    with pytest.raises(Invalid, match=r"some.toml: "):
        environments.read(file)
    file.write_bytes(FPGA)
    assert environments.read(file) == parse(FPGA)


def test_a_driver_has_a_vendors_directory_and_variables_of_its_own(tmp_path):
    own = entry("fpga", icd="/f/libf.so", env={"LD_LIBRARY_PATH": "/f", "X": "1"}, python="/p/python")
    found = prepared(tmp_path, own, variables={"PATH": "/bin", "LD_LIBRARY_PATH": "/usr"})
    fpga, bundled = found["fpga"], found["bundled"]
    assert (tmp_path / "drivers" / "fpga" / "fpga.icd").read_text() == "/f/libf.so\n"
    assert fpga.variables["OCL_ICD_VENDORS"] == str(tmp_path / "drivers" / "fpga")
    assert [fpga.variables[name] for name in ("PATH", "LD_LIBRARY_PATH", "X")] == ["/bin", "/f", "1"]
    assert (fpga.python, fpga.expected) == ("/p/python", "/f/libf.so")
    assert "X" not in bundled.variables
    assert (bundled.variables["LD_LIBRARY_PATH"], bundled.expected) == ("/usr", "")


def test_a_vendors_directory_is_used_where_it_is(tmp_path):
    found = prepared(tmp_path, entry("xrt", vendors="/opt/xrt/vendors"))["xrt"]
    assert found.variables["OCL_ICD_VENDORS"] == found.expected == "/opt/xrt/vendors"
    assert found.python == drivers.DriverEnvironment(name="", backend="", variables={}).python


def test_an_entry_with_a_driver_takes_the_place_of_one_that_was_found(tmp_path):
    icds = {"bundled": "", "intel": "/old.so"}
    found = prepared(tmp_path, entry("intel", icd="/new.so"), icds=icds)
    assert list(found) == ["bundled", "intel"]
    assert (tmp_path / "drivers" / "intel" / "intel.icd").read_text() == "/new.so\n"


def test_an_entry_without_a_driver_changes_the_one_that_was_found(tmp_path):
    icds = {"bundled": "", "intel": "/old.so"}
    found = prepared(tmp_path, entry("intel", env={"CL_CONFIG": "1"}), icds=icds)["intel"]
    assert (found.variables["CL_CONFIG"], found.expected) == ("1", "")
    assert (tmp_path / "drivers" / "intel" / "intel.icd").read_text() == "/old.so"


def test_an_entry_without_a_driver_for_none_that_was_found_is_refused(tmp_path):
    with pytest.raises(Invalid, match="gone says neither icd nor vendors"):
        prepared(tmp_path, entry("gone"))


def test_the_examples_in_the_manual_are_read():
    manual = (Path(__file__).parents[2] / "docs" / "fpga.md").read_text()
    (text,) = [fence.partition("```")[0] for fence in manual.split("```toml\n")[1:]]
    assert [one.name for one in parse(text.encode())] == ["fpga", "boards", "intel"]
