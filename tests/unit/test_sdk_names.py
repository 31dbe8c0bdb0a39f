"""The module's names: what is missing of PyOpenCL is said to be, errors are shown where users find them."""

import copy
import pickle
import re
from pathlib import Path

import pytest

import accelpool
from accelpool import errors
from accelpool.missing import ABSENT
from accelpool.upper_layer import PUBLIC

SDK_MD = Path(__file__).parents[2] / "docs" / "sdk.md"


def test_an_unknown_name_is_an_ordinary_error():
    with pytest.raises(AttributeError, match="module 'accelpool' has no attribute 'Bufer'"):
        _ = accelpool.Bufer
    assert not hasattr(accelpool, "__wrapped__")


def test_the_documentation_says_why_names_are_absent():
    _, _, section = SDK_MD.read_text().partition("These names are not there at all:\n")
    rows = re.findall(r"^\| ([^|]+) \| (`.+`) \| (.+) \|$", section.partition("\n## ")[0], re.MULTILINE)
    assert {group: (why, tuple(re.findall(r"`(\w+)`", names))) for group, names, why in rows} == ABSENT


@pytest.mark.parametrize("name", ["GLBuffer", "invoker"])
def test_a_name_that_will_not_be_here_says_why(name):
    with pytest.raises(AttributeError, match=rf"accelpool has no {name} \("):
        getattr(accelpool, name)


def test_every_name_of_pyopencl_is_here_or_known_to_be_missing():
    pyopencl = pytest.importorskip("pyopencl")
    modules = {path.stem for path in Path(pyopencl.__file__).parent.glob("[a-z]*.py")}
    known = {*(name for _, names in ABSENT.values() for name in names), *dir(accelpool), *PUBLIC}
    private = {"bitonic_sort_templates", "version", "typing"}
    assert {name for name in pyopencl.__all__ if not name.startswith("_")} | modules <= known | private


def test_the_version_is_ours():
    assert accelpool.__version__ == accelpool.VERSION_TEXT
    assert ".".join(map(str, accelpool.VERSION)) + accelpool.VERSION_STATUS == accelpool.VERSION_TEXT


@pytest.mark.parametrize("name", sorted({*errors.__all__} - {"PROBLEMS", "error_for", "problem"}))
def test_errors_are_shown_where_users_find_them(name):
    found = getattr(errors, name)
    assert found.__module__ == "accelpool.errors"
    assert pickle.loads(pickle.dumps(found)) is found


@pytest.mark.parametrize(
    "error",
    [
        errors.LogicError("clFinish", -30, "why"),
        errors.Unsatisfiable("none", devices={"d": "small"}),
        errors.problem("teapot", "short"),
        errors.ConnectError("nobody"),
    ],
)
@pytest.mark.parametrize("copied", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_errors_survive_pickling(error, copied):
    same = copied(error)
    assert (type(same), str(same), vars(same)) == (type(error), str(error), vars(error))
