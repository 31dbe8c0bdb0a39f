"""Where the native driver is found, and what OpenCL's loaders are told."""

from pathlib import Path

import pytest

from accelpool.cli import driver
from accelpool.cli.failures import NotInstalled

LIBRARY = Path("/lib/libaccelpool.so")


def told(tmp_path: Path, *, only_pool: bool = False, **variables: str) -> tuple[dict[str, str], str]:
    """Return the .icd files of the folder that the loaders are told, and the libraries."""
    found = driver.loader_variables(LIBRARY, variables, tmp_path / "vendors", only_pool=only_pool)
    folder = Path(found["OCL_ICD_VENDORS"])
    return {file.name: file.read_text() for file in folder.iterdir()}, found["OCL_ICD_FILENAMES"]


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """A folder with a driver of this machine."""
    folder = tmp_path / "local"
    folder.mkdir()
    (folder / "pocl.icd").write_text("libpocl.so\n")
    (folder / "README").touch()
    return folder


OURS = {"accelpool.icd": f"{LIBRARY}\n"}


def test_drivers_of_this_machine_stay_visible(tmp_path: Path, local: Path) -> None:
    icds, libraries = told(tmp_path, OCL_ICD_VENDORS=str(local), OCL_ICD_FILENAMES="/a.so:/b.so")
    assert icds == {**OURS, "pocl.icd": "libpocl.so\n"}
    assert libraries == f"{LIBRARY}:/a.so:/b.so"


def test_drivers_of_this_machine_are_hidden_if_wanted(tmp_path: Path, local: Path) -> None:
    variables = {"OCL_ICD_VENDORS": str(local), "OCL_ICD_FILENAMES": "/a.so"}
    assert told(tmp_path, only_pool=True, **variables) == (OURS, str(LIBRARY))


def test_without_drivers_of_its_own_a_machine_has_ours(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(driver, "SYSTEM_VENDORS", tmp_path / "none")
    assert told(tmp_path) == (OURS, str(LIBRARY))


def test_one_driver_may_be_named_instead_of_a_folder(tmp_path: Path, local: Path, monkeypatch) -> None:
    pocl = {**OURS, "pocl.icd": "libpocl.so\n"}
    assert told(tmp_path, OCL_ICD_VENDORS=str(local / "pocl.icd"))[0] == pocl
    assert told(tmp_path, OPENCL_VENDOR_PATH=str(local))[0] == pocl
    assert told(tmp_path, OCL_ICD_VENDORS="/x/libx.so")[0] == {**OURS, "local.icd": "/x/libx.so\n"}
    monkeypatch.setattr(driver, "SYSTEM_VENDORS", local)
    assert told(tmp_path, OCL_ICD_VENDORS="pocl.icd")[0] == pocl
    assert told(tmp_path, OCL_ICD_VENDORS="/gone.icd")[0] == OURS


def test_ours_is_not_told_twice_under_another_lease(tmp_path: Path, local: Path) -> None:
    first = driver.loader_variables(LIBRARY, {"OCL_ICD_VENDORS": str(local)}, tmp_path / "v", only_pool=False)
    assert driver.loader_variables(LIBRARY, first, tmp_path / "v", only_pool=False) == first
    assert len(list((tmp_path / "v").iterdir())) == 1


def test_the_driver_is_looked_for_where_it_is_installed(tmp_path: Path, monkeypatch) -> None:
    package = tmp_path / "made_up_icd"
    (package / "lib").mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(driver, "PACKAGE", "made_up_icd")
    with pytest.raises(NotInstalled, match="python -m accelpool_icd"):
        driver.find(None)
    (package / "lib" / "libaccelpool.so").touch()
    assert driver.find(None) == package / "lib" / "libaccelpool.so"


def test_a_driver_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled, match="names no file"):
        driver.find(str(tmp_path / "no.so"))
