"""`create_some_context` and `choose_devices`: answers, a terminal, or the pool's own choice."""

import io

import pytest

import accelpool as cl
from accelpool import broker, choose, context
from accelpool.device import Device, Platform
from accelpool.testing import FakeConnection, fake_context

NAME, TYPE = cl.platform_info.NAME, cl.device_info.TYPE


@pytest.fixture(autouse=True)
def pool(monkeypatch):
    """Two platforms: Alpha with devices one and two, Beta with three."""
    made = []
    for platform_name, names in (("Alpha CL", ["one", "two"]), ("Beta CL", ["three"])):
        platform = Platform({NAME: platform_name})
        for name in names:
            Device({cl.device_info.NAME: name, TYPE: 2}, platform, ("node", "", name), pool_id=f"dev_{name}")
        made.append(platform)
    monkeypatch.setattr(choose, "get_platforms", lambda: made)
    monkeypatch.delenv("PYOPENCL_CTX", raising=False)
    return made


def names(devices):
    return [device.name for device in devices]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([], ["one"]),
        (["0"], ["one"]),
        (["0", "1"], ["two"]),
        (["beta"], ["three"]),
        (["alpha", "TWO"], ["two"]),
        (["0", "0,1"], ["one", "two"]),
        (["", ""], ["one"]),
    ],
)
def test_answers_are_numbers_or_parts_of_names(answers, expected):
    assert names(cl.choose_devices(interactive=False, answers=answers)) == expected


@pytest.mark.parametrize("answers", [["7"], ["gamma"], ["0", "9"], ["0", "0", "0"]])
def test_answers_that_fit_nothing_are_refused(answers):
    with pytest.raises(cl.RuntimeError) as caught:
        cl.choose_devices(interactive=False, answers=answers)
    assert caught.value.code == -1


def test_answers_may_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("PYOPENCL_CTX", "beta:three")
    assert names(cl.choose_devices()) == ["three"]


def test_a_user_at_a_terminal_is_asked(monkeypatch, capsys):
    typed = iter(["1"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(typed))
    assert names(cl.choose_devices(interactive=True)) == ["three"]
    assert "[1] <accelpool.Platform 'Beta CL'>" in capsys.readouterr().out


def test_whether_there_is_a_terminal_is_found_out(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert names(cl.choose_devices()) == ["one"]


def test_an_empty_pool_has_no_platform(pool):
    pool.clear()
    with pytest.raises(cl.RuntimeError, match="the pool has no platform"):
        cl.choose_devices(interactive=False)


class FakeBroker:
    """Gives sessions of a fake connection and notes what was asked for."""

    def __init__(self, error=None):
        self.asked = []
        self.error = error

    def _acquire_session(self, kind):
        self.asked.append(kind)
        if self.error:
            raise self.error
        return fake_context(FakeConnection())._session


@pytest.fixture
def asked(monkeypatch):
    fake = FakeBroker()
    monkeypatch.setattr(context, "default_broker", lambda: fake)
    return fake.asked


def test_without_answers_the_pool_chooses(asked, monkeypatch):
    cl.create_some_context(interactive=False)
    assert asked == ["any"]


@pytest.mark.parametrize(
    ("dev_type", "kind"),
    [(None, "any"), (cl.device_type.GPU, "gpu"), (cl.device_type.CPU, "cpu"), (cl.device_type.ALL, "any")],
)
def test_a_context_of_a_type_asks_the_pool_for_its_kind(asked, dev_type, kind):
    cl.Context(dev_type=dev_type)
    assert asked == [kind]


def test_a_type_that_the_pool_lacks_is_not_found(monkeypatch):
    lacking = FakeBroker(cl.errors.Unsatisfiable("no gpu anywhere"))
    monkeypatch.setattr(context, "default_broker", lambda: lacking)
    for dev_type in (cl.device_type.GPU, cl.device_type.CUSTOM):
        with pytest.raises(cl.RuntimeError) as caught:
            cl.Context(dev_type=dev_type)
        assert caught.value.code == -1


def test_a_platform_without_such_devices_is_not_found(pool):
    with pytest.raises(cl.RuntimeError, match="has no such device"):
        cl.Context(properties=[(cl.context_properties.PLATFORM, pool[0])], dev_type=cl.device_type.GPU)


def test_the_modules_own_broker_is_one_per_pool_until_it_is_closed(monkeypatch):
    monkeypatch.setenv("ACCELPOOL_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ACCELPOOL_TOKEN", "t")
    first = broker.default_broker()
    assert broker.default_broker() is first
    assert broker.default_broker(token="u") is not first
    first.close()
    assert broker.default_broker() is not first
    assert cl.connect() is not cl.connect()
