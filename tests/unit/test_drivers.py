"""Driver environments: what is found, and what a child process sees."""

from __future__ import annotations

from accelpool_node import drivers


def write_icd(vendors, name, content="libdriver.so\n"):
    vendors.mkdir(exist_ok=True)
    (vendors / f"{name}.icd").write_text(content)


def test_the_bundled_driver_is_always_there(tmp_path):
    assert drivers.find_icds(tmp_path, tmp_path / "none") == {"bundled": ""}


def test_intels_library_beside_this_python_makes_an_environment(tmp_path):
    (tmp_path / "lib").mkdir()
    library = tmp_path / "lib" / "libintelocl.so"
    library.touch()
    assert drivers.find_icds(tmp_path, tmp_path / "none")["intel"] == f"{library}\n"


def test_each_system_icd_makes_an_environment(tmp_path):
    write_icd(tmp_path / "vendors", "pocl", "libpocl.so.2\n")
    write_icd(tmp_path / "vendors", "nvidia", "libnvidia-opencl.so.1")
    icds = drivers.find_icds(tmp_path, tmp_path / "vendors")
    assert icds == {"bundled": "", "nvidia": "libnvidia-opencl.so.1", "pocl": "libpocl.so.2"}


def test_names_are_unique_and_harmless(tmp_path):
    for name in ("bundled", "null", "we ird;$(x)"):
        write_icd(tmp_path / "vendors", name)
    names = set(drivers.find_icds(tmp_path, tmp_path / "vendors"))
    assert names == {"bundled", "bundled-system", "null-system", "we-ird---x-"}


def test_an_empty_or_unreadable_icd_is_left_out(tmp_path):
    write_icd(tmp_path / "vendors", "empty", " \n")
    (tmp_path / "vendors" / "folder.icd").mkdir()
    assert set(drivers.find_icds(tmp_path, tmp_path / "vendors")) == {"bundled"}


def test_a_child_sees_no_token_and_no_other_variable():
    environ = {"PATH": "/bin", "ACCELPOOL_NODE_TOKEN": "s3cret", "AWS_SECRET": "x", "CL_CONFIG": "1"}
    assert drivers.child_variables(environ) == {"PATH": "/bin"}
    extra = drivers.child_variables(environ, ["CL_CONFIG", "ACCELPOOL_NODE_TOKEN", "ABSENT"])
    assert extra == {"PATH": "/bin", "CL_CONFIG": "1"}


def test_each_environment_has_a_private_vendors_directory_with_its_icd_alone(tmp_path):
    icds = {"bundled": "", "intel": "/lib/libintelocl.so\n"}
    drivers.prepare_opencl(tmp_path, {"intel": "old"}, {})
    (tmp_path / "drivers" / "intel" / "other.icd").write_text("stale")
    bundled, intel = drivers.prepare_opencl(tmp_path, icds, {"PATH": "/bin"})
    vendors = tmp_path / "drivers" / "intel"
    assert [file.name for file in vendors.iterdir()] == ["intel.icd"]
    assert (vendors / "intel.icd").read_text() == "/lib/libintelocl.so\n"
    assert intel.variables["OCL_ICD_VENDORS"] == str(vendors)
    assert intel.variables["PATH"] == "/bin"
    assert vendors.stat().st_mode & 0o777 == 0o700
    assert list((tmp_path / "drivers" / "bundled").iterdir()) == []
    assert bundled.variables["OCL_ICD_VENDORS"] != intel.variables["OCL_ICD_VENDORS"]
