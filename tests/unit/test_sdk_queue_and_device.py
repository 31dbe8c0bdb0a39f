"""Properties of queues, and of devices that are leased or not."""

import pytest

import accelpool as cl


@pytest.mark.parametrize("properties", [[1, 2], [0x1093], {0x1093: 2}, [0x1093, 1 << 20], [0x1093, 5], 4])
def test_queue_properties_that_cannot_be_are_refused(ctx, properties):
    with pytest.raises(cl.LogicError):
        cl.CommandQueue(ctx, None, properties)


def test_only_a_queue_on_its_device_has_a_size_and_is_a_default(ctx):
    queue = cl.CommandQueue(ctx, None, [])
    for number in (cl.queue_properties.SIZE, cl.queue_properties.DEVICE_DEFAULT):
        with pytest.raises(cl.LogicError):
            queue.get_info(number)
    with pytest.raises(cl.LogicError, match="on-device"):
        ctx.set_default_device_command_queue(ctx.devices[0], queue)


def test_infos_with_versions_and_topologies_are_objects():
    info = {cl.device_info.ILS_WITH_VERSION: [(4194304, "SPIR-V")], cl.device_info.TOPOLOGY_AMD: [3, 0, 1]}
    device = cl.Device(info, cl.Platform({}), ("n", "", "d"))
    assert [(il.version, il.name) for il in device.ils_with_version] == [(4194304, "SPIR-V")]
    assert (device.topology_amd, device.topology_amd.type) == (cl.DeviceTopologyAmd(3, 0, 1), 1)
    assert device.parent_device is None


@pytest.mark.parametrize("use", [lambda d: d.create_sub_devices([0x1086, 1]), lambda d: d.host_timer()])
def test_a_device_that_is_not_leased_cannot_be_parted_or_timed(use):
    with pytest.raises(cl.LogicError, match="not under a lease") as caught:
        use(cl.Device({}, cl.Platform({}), ("n", "", "d")))
    assert caught.value.code == -59
