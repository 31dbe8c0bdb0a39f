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
    if (!is_object(platform, A_PLATFORM)) {
        return CL_INVALID_PLATFORM;
    }
    if (type != CL_DEVICE_TYPE_ALL && (type == 0 || (type & ~known))) {
        return CL_INVALID_DEVICE_TYPE;
    }
    if ((num_entries == 0 && devices) || (!devices && !num_devices)) {
        return CL_INVALID_VALUE;
    }
    cl_device_id *all;
    cl_uint all_count, count = 0;
    cl_int code = platform_devices(&all_count, &all);
    if (code != CL_SUCCESS) {
        return code;
    }
    for (cl_uint i = 0; i < all_count; i++) {
        if (!is_of_type(all[i], type, i == 0)) {
            continue;
        }
        if (devices && count < num_entries) {
            devices[count] = all[i];
        }
        count++;
    }
    free(all);
    if (num_devices) {
        *num_devices = count;
    }
    return count ? CL_SUCCESS : CL_DEVICE_NOT_FOUND;
}

/* ---- parts ------------------------------------------------------------------------------------------------ */

/* Parts as the worker made them. A session keeps them to its end, so they are made once: for who only wants to know
 * how many there would be, and again for the same properties once nobody has them any more. */
struct parting {
    struct parting *next;
    size_t property_count;
    cl_device_partition_property *properties; /* with the last 0 */
    unsigned char *body;                      /* what the parts' infos read in */
    struct reader devices;
    cl_uint first, count; /* their places */
    cl_uint used;         /* with the connection's lock: how many the application has */
};

static size_t count_properties(const cl_device_partition_property *properties) {
    size_t count = 1; /* a list of counts ends with a 0 of its own */
    while (properties[count]) {
        count++;
    }
    return count;
}

static bool can_part(cl_device_id device, cl_device_partition_property how) {
    struct reader info;
    size_t count = find_info(device, CL_DEVICE_PARTITION_PROPERTIES, &info) ? read_array(&info) : 0;
    for (size_t i = 0; i < count && !info.failed; i++) {
        if (read_int(&info) == how) {
            return true;
        }
    }
    return false;
}

static void free_parting(struct parting *parting) {
    if (parting) {
        free(parting->properties);
        free(parting->body);
        free(parting);
    }
}

static cl_int ask_parts(cl_device_id device, const struct parting *parting, struct pending *answer) {
    struct connection *c = device->session->connection;
    struct writer *w = begin(c, CREATE_SUB_DEVICES, 2);
    if (!w) {
        return CL_OUT_OF_RESOURCES;
    }
    write_uint(w, device->place);
    write_array(w, parting->property_count);
    for (size_t i = 0; i < parting->property_count; i++) {
        write_int(w, parting->properties[i]);
    }
    return call(c, answer);
}

static cl_int part(cl_device_id device, const cl_device_partition_property *properties, struct parting **made) {
    size_t count = count_properties(properties);
    struct parting *parting = calloc(1, sizeof *parting);
    if (!parting || !(parting->properties = calloc(count + 1, sizeof *properties))) {
        free_parting(parting);
        return CL_OUT_OF_HOST_MEMORY;
    }
    parting->property_count = count;
    memcpy(parting->properties, properties, count * sizeof *properties);
    struct pending answer = {0};
    cl_int code = ask_parts(device, parting, &answer);
    parting->body = answer.body;
    answer.body = NULL;
    parting->first = (cl_uint)read_uint(&answer.fields);
    parting->count = (cl_uint)read_array(&answer.fields);
    parting->devices = answer.fields;
    if (code == CL_SUCCESS && (answer.fields.failed || parting->count == 0)) {
        code = CL_OUT_OF_RESOURCES;
    }
    answer_free(&answer);
    if (code != CL_SUCCESS) {
        free_parting(parting);
        return code;
    }
    *made = parting;
    return code;
}

/* With the connection's lock held: a parting that nobody uses, or any if only the number of its parts is wanted. */
static struct parting *find_parting(cl_device_id device, const cl_device_partition_property *properties,
                                    cl_uint room) {
    size_t count = count_properties(properties);
    for (struct parting *at = device->partings; at; at = at->next) {
        if ((at->used == 0 || room == 0) && at->property_count == count &&
            !memcmp(at->properties, properties, count * sizeof *properties)) {
            return at;
        }
    }
    return NULL;
}

/* With the connection's lock held: for so many parts at most, or for none if only their number is wanted. */
static cl_int take_parting(struct parting *parting, cl_uint room) {
    if (room && room < parting->count) {
        return CL_INVALID_VALUE;
    }
    parting->used += room ? parting->count : 0;
    return CL_SUCCESS;
}

static cl_int use_parting(cl_device_id device, const cl_device_partition_property *properties, cl_uint room,
                          struct parting **found) {
    struct connection *c = device->session->connection;
    pthread_mutex_lock(&c->lock);
    *found = find_parting(device, properties, room);
    cl_int code = *found ? take_parting(*found, room) : CL_SUCCESS;
    pthread_mutex_unlock(&c->lock);
    if (!*found && (code = part(device, properties, found)) == CL_SUCCESS) {
        pthread_mutex_lock(&c->lock);
        (*found)->next = device->partings;
        device->partings = *found;
        code = take_parting(*found, room);
        pthread_mutex_unlock(&c->lock);
    }
    return code;
}

static cl_device_id new_part(cl_device_id parent, struct parting *parting, cl_uint place, struct reader fields) {
    cl_device_id part = new_object(A_DEVICE, sizeof *part);
    if (!part || read_array(&fields) < 3) {
        free(part);
        return NULL;
    }
    skip_value(&fields); /* its name on the node */
    part->platform_info = take_value(&fields);
    part->info = take_value(&fields);
    part->session = parent->session;
    keep_facts(part);
    part->place = place;
    part->parent = parent;
    part->parting = parting;
    part->partition =
        (struct properties){(parting->property_count + 1) * sizeof *parting->properties, parting->properties};
    retain(parent);
    return part;
}

static void leave_parting(cl_device_id device, struct parting *parting, cl_uint count) {
    pthread_mutex_lock(&device->session->connection->lock);
    parting->used -= count;
    pthread_mutex_unlock(&device->session->connection->lock);
}

static cl_int give_parts(cl_device_id device, struct parting *parting, cl_device_id *parts) {
    struct reader devices = parting->devices;
    for (cl_uint i = 0; i < parting->count; i++) {
        parts[i] = new_part(device, parting, parting->first + i, take_value(&devices));
        if (!parts[i]) {
            leave_parting(device, parting, parting->count - i);
            while (i > 0) {
                release_device(parts[--i]);
            }
            return CL_OUT_OF_HOST_MEMORY;
        }
    }
    return CL_SUCCESS;
}

cl_int clCreateSubDevices(cl_device_id device, const cl_device_partition_property *properties, cl_uint num_entries,
                          cl_device_id *parts, cl_uint *num_parts) {
    if (!is_object(device, A_DEVICE)) {
        return CL_INVALID_DEVICE;
    }
    if (!properties || !can_part(device, properties[0]) || (!parts && !num_parts) || (parts && num_entries == 0)) {
        return CL_INVALID_VALUE;
    }
    if (properties[0] == CL_DEVICE_PARTITION_EQUALLY && (properties[1] <= 0 || properties[1] > UINT32_MAX)) {
        return CL_INVALID_VALUE;
    }
    for (size_t i = 1; properties[0] == CL_DEVICE_PARTITION_BY_COUNTS && properties[i]; i++) {
        if (properties[i] < 0) {
            return CL_INVALID_DEVICE_PARTITION_COUNT;
        }
    }
    struct parting *parting = NULL;
    cl_int code = use_parting(device, properties, parts ? num_entries : 0, &parting);
    if (code == CL_SUCCESS && parts) {
        code = give_parts(device, parting, parts);
    }
    if (code == CL_SUCCESS && num_parts) {
        *num_parts = parting->count;
    }
    return code;
}

void release_device(cl_device_id device) {
    if (!device->parent || !release(device)) { /* devices of the platform stay */
        return;
    }
    while (device->partings) { /* none of their parts is left: each holds this one */
        struct parting *parting = device->partings;
        device->partings = parting->next;
        free_parting(parting);
    }
    leave_parting(device->parent, device->parting, 1);
    release_device(device->parent);
    free_object(device);
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
    if (!host_timer_resolution(device)) {
        return CL_INVALID_OPERATION;
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
    if (!host_timer_resolution(device)) {
        return CL_INVALID_OPERATION;
    }
    if (!host_timestamp) {
        return CL_INVALID_VALUE;
    }
    *host_timestamp = now_ns();
    return CL_SUCCESS;
}
