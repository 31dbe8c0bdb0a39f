#include <string.h>
#include <time.h>

#include "device_info.h"
#include "stream.h"
#include "tags.h"

static bool is_of_type(cl_device_id device, cl_device_type type, bool is_first) {
    cl_device_type own = device_number(device, CL_DEVICE_TYPE);
    if (type == CL_DEVICE_TYPE_ALL) {
        return !(own & CL_DEVICE_TYPE_CUSTOM);
    }
    return (own & type) || ((type & CL_DEVICE_TYPE_DEFAULT) && is_first);
}

cl_int clGetDeviceIDs(cl_platform_id platform, cl_device_type type, cl_uint num_entries, cl_device_id *devices,
                      cl_uint *num_devices) {
    const cl_device_type known = CL_DEVICE_TYPE_DEFAULT | CL_DEVICE_TYPE_CPU | CL_DEVICE_TYPE_GPU |
                                 CL_DEVICE_TYPE_ACCELERATOR | CL_DEVICE_TYPE_CUSTOM;
    if (platform && !is_object(platform, A_PLATFORM)) {
        return CL_INVALID_PLATFORM;
    }
    if (type != CL_DEVICE_TYPE_ALL && (type == 0 || (type & ~known))) {
        return CL_INVALID_DEVICE_TYPE;
    }
    if ((num_entries == 0 && devices) || (!devices && !num_devices)) {
        return CL_INVALID_VALUE;
    }
    cl_uint count = 0, seen = 0;
    struct session *sessions[MOST_SESSIONS];
    size_t session_count = all_sessions(sessions);
    for (size_t s = 0; s < session_count; s++) {
        const struct session *session = sessions[s];
        for (cl_uint i = 0; i < session->device_count; i++) {
            if (!is_of_type(session->devices[i], type, seen++ == 0)) {
                continue;
            }
            if (devices && count < num_entries) {
                devices[count] = session->devices[i];
            }
            count++;
        }
    }
    if (num_devices) {
        *num_devices = count;
    }
    return count ? CL_SUCCESS : CL_DEVICE_NOT_FOUND;
}

/* ---- parts ------------------------------------------------------------------------------------------------ */

static size_t property_count(const cl_device_partition_property *properties) {
    size_t count = 0;
    if (properties[0] == CL_DEVICE_PARTITION_BY_COUNTS) { /* its list ends with a 0 of its own */
        for (count = 1; properties[count]; count++) {}
        return count;
    }
    while (properties[count]) {
        count++;
    }
    return count;
}

static cl_device_id new_part(cl_device_id parent, cl_uint place, struct reader *parts,
                             const cl_device_partition_property *properties, size_t count) {
    cl_device_id part = new_object(A_DEVICE, sizeof *part);
    struct reader fields = take_value(parts);
    size_t length = (size_t)(fields.end - fields.at);
    if (!part || read_array(&fields) < 3 || !(part->body = malloc(length))) {
        free(part);
        return NULL;
    }
    memcpy(part->body, fields.end - length, length);
    fields = (struct reader){part->body, part->body + length, false};
    read_array(&fields);
    skip_value(&fields);
    skip_value(&fields);
    part->info = take_value(&fields);
    keep_launch_limits(part);
    part->session = parent->session;
    part->place = place;
    part->parent = parent;
    part->partition.bytes = (count + 1) * sizeof *properties;
    part->partition.list = calloc(count + 1, sizeof *properties);
    if (part->partition.list) {
        memcpy(part->partition.list, properties, count * sizeof *properties);
    }
    retain(parent);
    return part;
}

static cl_int ask_parts(cl_device_id device, const cl_device_partition_property *properties, size_t count,
                        struct pending *answer) {
    struct connection *c = device->session->connection;
    struct writer *w = begin(c, CREATE_SUB_DEVICES, 2);
    if (!w) {
        return CL_OUT_OF_RESOURCES;
    }
    write_uint(w, device->place);
    write_array(w, count);
    for (size_t i = 0; i < count; i++) {
        write_int(w, properties[i]);
    }
    return call(c, answer);
}

/* How many parts there would be, as far as that can be told without making them; 0 if it cannot. */
static cl_uint parts_of(cl_device_id device, const cl_device_partition_property *properties) {
    cl_uint units = (cl_uint)device_number(device, CL_DEVICE_MAX_COMPUTE_UNITS);
    if (properties[0] == CL_DEVICE_PARTITION_EQUALLY) {
        return units / (cl_uint)properties[1];
    }
    if (properties[0] == CL_DEVICE_PARTITION_BY_COUNTS) {
        return (cl_uint)property_count(properties) - 1;
    }
    return 0;
}

cl_int clCreateSubDevices(cl_device_id device, const cl_device_partition_property *properties, cl_uint num_entries,
                          cl_device_id *parts, cl_uint *num_parts) {
    if (!is_object(device, A_DEVICE)) {
        return CL_INVALID_DEVICE;
    }
    if (!properties || !properties[0] || (!parts && !num_parts) || (parts && num_entries == 0)) {
        return CL_INVALID_VALUE;
    }
    if (properties[0] == CL_DEVICE_PARTITION_EQUALLY && (properties[1] <= 0 || properties[1] > UINT32_MAX)) {
        return CL_INVALID_VALUE;
    }
    cl_uint expected = parts_of(device, properties);
    if (parts && expected > num_entries) {
        return CL_INVALID_VALUE;
    }
    if (!parts && expected) {
        *num_parts = expected;
        return CL_SUCCESS;
    }
    size_t count = property_count(properties);
    struct pending answer = {0};
    cl_int code = ask_parts(device, properties, count, &answer);
    if (code == CL_SUCCESS) {
        cl_uint first = (cl_uint)read_uint(&answer.fields);
        cl_uint made = (cl_uint)read_array(&answer.fields);
        if (parts && made > num_entries) {
            code = CL_INVALID_VALUE;
        }
        for (cl_uint i = 0; parts && code == CL_SUCCESS && i < made; i++) {
            parts[i] = new_part(device, first + i, &answer.fields, properties, count);
            code = parts[i] ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
        }
        if (num_parts) {
            *num_parts = made;
        }
    }
    answer_free(&answer);
    return code;
}

void release_device(cl_device_id device) {
    if (device->parent && release(device)) { /* devices of the platform stay */
        release_device(device->parent);
        free(device->partition.list);
        free(device->body);
        free_object(device);
    }
}

cl_int clRetainDevice(cl_device_id device) {
    if (!is_object(device, A_DEVICE)) {
        return CL_INVALID_DEVICE;
    }
    retain(device);
    return CL_SUCCESS;
}

cl_int clReleaseDevice(cl_device_id device) {
    if (!is_object(device, A_DEVICE)) {
        return CL_INVALID_DEVICE;
    }
    release_device(device);
    return CL_SUCCESS;
}

/* ---- clocks ----------------------------------------------------------------------------------------------- */

cl_int clGetDeviceAndHostTimer(cl_device_id device, cl_ulong *device_timestamp, cl_ulong *host_timestamp) {
    if (!is_object(device, A_DEVICE)) {
        return CL_INVALID_DEVICE;
    }
    if (!device_timestamp || !host_timestamp) {
        return CL_INVALID_VALUE;
    }
    struct connection *c = device->session->connection;
    uint64_t asked = now_ns();
    struct writer *w = begin(c, GET_INFO, 4);
    if (!w) {
        return CL_OUT_OF_RESOURCES;
    }
    write_uint(w, 4);
    write_uint(w, 0);
    write_uint(w, 0);
    write_uint(w, device->place);
    struct pending answer = {0};
    cl_int code = call(c, &answer);
    if (code == CL_SUCCESS) {
        read_array(&answer.fields);
        *device_timestamp = read_uint(&answer.fields);
        *host_timestamp = asked + (now_ns() - asked) / 2;
        code = answer.fields.failed ? CL_OUT_OF_RESOURCES : CL_SUCCESS;
    }
    answer_free(&answer);
    return code;
}

cl_int clGetHostTimer(cl_device_id device, cl_ulong *host_timestamp) {
    if (!is_object(device, A_DEVICE)) {
        return CL_INVALID_DEVICE;
    }
    if (!host_timestamp) {
        return CL_INVALID_VALUE;
    }
    *host_timestamp = now_ns();
    return CL_SUCCESS;
}
