"""What a builder keeps, and under which key."""

import msgspec
import pytest

from accelpool_node.builder.messages import Build, DeviceId
from accelpool_node.builder.store import Store, key_of

DEVICE = DeviceId(
    name="d", vendor="v", version="1", driver_version="2", platform_name="p", platform_version="3"
)
BUILD = Build(devices=[DEVICE], source="source", options="-w")


def test_a_product_is_found_under_its_key_alone():
    store = Store()
    store.put(b"a", b"product")
    assert store.get(b"a") == b"product"
    assert store.get(b"b") is None


def test_more_products_than_the_limit_push_out_the_one_used_longest_ago():
    store = Store(entries=2)
    store.put(b"a", b"1")
    store.put(b"b", b"2")
    store.get(b"a")
    store.put(b"c", b"3")
    assert [store.get(key) for key in (b"a", b"b", b"c")] == [b"1", None, b"3"]
    assert (len(store), store.bytes) == (2, 2)


def test_more_bytes_than_the_limit_push_out_as_many_products_as_they_need():
    store = Store(size=10)
    for key in (b"a", b"b", b"c"):
        store.put(key, b"123")
    store.put(b"d", b"1234567")
    assert [store.get(key) for key in (b"a", b"b", b"c", b"d")] == [None, None, b"123", b"1234567"]
    assert store.bytes == 10


def test_a_product_that_is_larger_than_all_may_be_is_not_kept():
    store = Store(size=3)
    store.put(b"a", b"123")
    store.put(b"b", b"1234")
    assert (store.get(b"a"), store.get(b"b")) == (b"123", None)


def test_a_product_put_twice_counts_once():
    store = Store()
    store.put(b"a", b"123")
    store.put(b"a", b"12")
    assert (len(store), store.bytes) == (1, 2)


@pytest.mark.parametrize("field", DeviceId.__struct_fields__)
def test_any_other_device_or_version_is_another_key(field):
    other = msgspec.structs.replace(DEVICE, **{field: "other"})
    assert key_of(msgspec.structs.replace(BUILD, devices=[other])) != key_of(BUILD)


@pytest.mark.parametrize(
    "changes",
    [
        {"source": "source "},
        {"options": "-w "},
        {"source": "source-", "options": "w"},
        {"devices": [DEVICE, DEVICE]},
    ],
)
def test_any_other_source_or_options_or_devices_are_another_key(changes):
    assert key_of(msgspec.structs.replace(BUILD, **changes)) != key_of(BUILD)


def test_equal_builds_have_equal_keys():
    assert key_of(msgspec.structs.replace(BUILD)) == key_of(BUILD)
