/* What devices are asked for: most is answered from the map of infos in Welcome, turned into the C types here. */
#include <string.h>

#include "device_info.h"
#include "extensions.h"

enum form { UINT, ULONG, SIZE, TEXT, SIZES, INTPTRS, VERSIONS };

/* In the order of their numbers. Infos that are missing here are none of a device's, or are answered by hand. */
static const struct {
    cl_device_info name;
    enum form form;
} FORMS[] = {
    {CL_DEVICE_TYPE, ULONG},
    {CL_DEVICE_VENDOR_ID, UINT},
    {CL_DEVICE_MAX_COMPUTE_UNITS, UINT},
    {CL_DEVICE_MAX_WORK_ITEM_DIMENSIONS, UINT},
    {CL_DEVICE_MAX_WORK_GROUP_SIZE, SIZE},
    {CL_DEVICE_MAX_WORK_ITEM_SIZES, SIZES},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_CHAR, UINT},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_SHORT, UINT},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_INT, UINT},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_LONG, UINT},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_FLOAT, UINT},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_DOUBLE, UINT},
    {CL_DEVICE_MAX_CLOCK_FREQUENCY, UINT},
    {CL_DEVICE_ADDRESS_BITS, UINT},
    {CL_DEVICE_MAX_READ_IMAGE_ARGS, UINT},
    {CL_DEVICE_MAX_WRITE_IMAGE_ARGS, UINT},
    {CL_DEVICE_MAX_MEM_ALLOC_SIZE, ULONG},
    {CL_DEVICE_IMAGE2D_MAX_WIDTH, SIZE},
    {CL_DEVICE_IMAGE2D_MAX_HEIGHT, SIZE},
    {CL_DEVICE_IMAGE3D_MAX_WIDTH, SIZE},
    {CL_DEVICE_IMAGE3D_MAX_HEIGHT, SIZE},
    {CL_DEVICE_IMAGE3D_MAX_DEPTH, SIZE},
    {CL_DEVICE_IMAGE_SUPPORT, UINT},
    {CL_DEVICE_MAX_PARAMETER_SIZE, SIZE},
    {CL_DEVICE_MAX_SAMPLERS, UINT},
    {CL_DEVICE_MEM_BASE_ADDR_ALIGN, UINT},
    {CL_DEVICE_MIN_DATA_TYPE_ALIGN_SIZE, UINT},
    {CL_DEVICE_SINGLE_FP_CONFIG, ULONG},
    {CL_DEVICE_GLOBAL_MEM_CACHE_TYPE, UINT},
    {CL_DEVICE_GLOBAL_MEM_CACHELINE_SIZE, UINT},
    {CL_DEVICE_GLOBAL_MEM_CACHE_SIZE, ULONG},
    {CL_DEVICE_GLOBAL_MEM_SIZE, ULONG},
    {CL_DEVICE_MAX_CONSTANT_BUFFER_SIZE, ULONG},
    {CL_DEVICE_MAX_CONSTANT_ARGS, UINT},
    {CL_DEVICE_LOCAL_MEM_TYPE, UINT},
    {CL_DEVICE_LOCAL_MEM_SIZE, ULONG},
    {CL_DEVICE_ERROR_CORRECTION_SUPPORT, UINT},
    {CL_DEVICE_PROFILING_TIMER_RESOLUTION, SIZE},
    {CL_DEVICE_ENDIAN_LITTLE, UINT},
    {CL_DEVICE_COMPILER_AVAILABLE, UINT},
    {CL_DEVICE_QUEUE_ON_HOST_PROPERTIES, ULONG},
    {CL_DEVICE_NAME, TEXT},
    {CL_DEVICE_VENDOR, TEXT},
    {CL_DRIVER_VERSION, TEXT},
    {CL_DEVICE_PROFILE, TEXT},
    {CL_DEVICE_DOUBLE_FP_CONFIG, ULONG},
    {CL_DEVICE_PREFERRED_VECTOR_WIDTH_HALF, UINT},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_CHAR, UINT},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_SHORT, UINT},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_INT, UINT},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_LONG, UINT},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, UINT},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_DOUBLE, UINT},
    {CL_DEVICE_NATIVE_VECTOR_WIDTH_HALF, UINT},
    {CL_DEVICE_OPENCL_C_VERSION, TEXT},
    {CL_DEVICE_LINKER_AVAILABLE, UINT},
    {CL_DEVICE_BUILT_IN_KERNELS, TEXT},
    {CL_DEVICE_IMAGE_MAX_BUFFER_SIZE, SIZE},
    {CL_DEVICE_IMAGE_MAX_ARRAY_SIZE, SIZE},
    {CL_DEVICE_PARTITION_MAX_SUB_DEVICES, UINT},
    {CL_DEVICE_PARTITION_PROPERTIES, INTPTRS},
    {CL_DEVICE_PARTITION_AFFINITY_DOMAIN, ULONG},
    {CL_DEVICE_PREFERRED_INTEROP_USER_SYNC, UINT},
    {CL_DEVICE_PRINTF_BUFFER_SIZE, SIZE},
    {CL_DEVICE_IMAGE_PITCH_ALIGNMENT, UINT},
    {CL_DEVICE_IMAGE_BASE_ADDRESS_ALIGNMENT, UINT},
    {CL_DEVICE_MAX_READ_WRITE_IMAGE_ARGS, UINT},
    {CL_DEVICE_MAX_GLOBAL_VARIABLE_SIZE, SIZE},
    {CL_DEVICE_GLOBAL_VARIABLE_PREFERRED_TOTAL_SIZE, SIZE},
    {CL_DEVICE_PREFERRED_PLATFORM_ATOMIC_ALIGNMENT, UINT},
    {CL_DEVICE_PREFERRED_GLOBAL_ATOMIC_ALIGNMENT, UINT},
    {CL_DEVICE_PREFERRED_LOCAL_ATOMIC_ALIGNMENT, UINT},
    {CL_DEVICE_IL_VERSION, TEXT},
    {CL_DEVICE_MAX_NUM_SUB_GROUPS, UINT},
    {CL_DEVICE_SUB_GROUP_INDEPENDENT_FORWARD_PROGRESS, UINT},
    {CL_DEVICE_ILS_WITH_VERSION, VERSIONS},
    {CL_DEVICE_BUILT_IN_KERNELS_WITH_VERSION, VERSIONS},
    {CL_DEVICE_ATOMIC_MEMORY_CAPABILITIES, ULONG},
    {CL_DEVICE_ATOMIC_FENCE_CAPABILITIES, ULONG},
    {CL_DEVICE_NON_UNIFORM_WORK_GROUP_SUPPORT, UINT},
    {CL_DEVICE_OPENCL_C_ALL_VERSIONS, VERSIONS},
    {CL_DEVICE_PREFERRED_WORK_GROUP_SIZE_MULTIPLE, SIZE},
    {CL_DEVICE_WORK_GROUP_COLLECTIVE_FUNCTIONS_SUPPORT, UINT},
    {CL_DEVICE_GENERIC_ADDRESS_SPACE_SUPPORT, UINT},
    {CL_DEVICE_OPENCL_C_FEATURES, VERSIONS},
    {CL_DEVICE_LATEST_CONFORMANCE_VERSION_PASSED, TEXT},
};

/* Infos that say what this driver does not do, whatever the device could: zero, or an empty list. */
static const struct {
    cl_device_info name;
    size_t bytes;
} ZEROS[] = {
    {CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof(cl_bool)},
    {CL_DEVICE_QUEUE_ON_DEVICE_PROPERTIES, sizeof(cl_bitfield)},
    {CL_DEVICE_QUEUE_ON_DEVICE_PREFERRED_SIZE, sizeof(cl_uint)},
    {CL_DEVICE_QUEUE_ON_DEVICE_MAX_SIZE, sizeof(cl_uint)},
    {CL_DEVICE_MAX_ON_DEVICE_QUEUES, sizeof(cl_uint)},
    {CL_DEVICE_MAX_ON_DEVICE_EVENTS, sizeof(cl_uint)},
    {CL_DEVICE_DEVICE_ENQUEUE_CAPABILITIES, sizeof(cl_bitfield)},
    {CL_DEVICE_PIPE_SUPPORT, sizeof(cl_bool)},
    {CL_DEVICE_MAX_PIPE_ARGS, sizeof(cl_uint)},
    {CL_DEVICE_PIPE_MAX_ACTIVE_RESERVATIONS, sizeof(cl_uint)},
    {CL_DEVICE_PIPE_MAX_PACKET_SIZE, sizeof(cl_uint)},
};

static bool find(struct reader map, uint64_t name, struct reader *found) {
    for (size_t count = read_map(&map); count > 0 && !map.failed; count--) {
        uint64_t key = read_uint(&map);
        struct reader value = take_value(&map);
        if (key == name) {
            *found = value;
            return !map.failed && read_kind(found) != KIND_NIL;
        }
    }
    return false;
}

static bool find_told(cl_device_id device, cl_device_info name, struct reader *found) {
    return find(device->info, name, found);
}

uint64_t host_timer_resolution(cl_device_id device) {
    struct reader value;
    return find(device->platform_info, CL_PLATFORM_HOST_TIMER_RESOLUTION, &value) ? read_uint(&value) : 0;
}

/* What nodes have no way to ask for, though devices have it: what is safe to believe. */
static uint64_t untold_number(cl_device_id device, cl_device_info name) {
    switch (name) {
    case CL_DEVICE_PRINTF_BUFFER_SIZE:
        return 1 << 20; /* the least there is */
    case CL_DEVICE_IMAGE_PITCH_ALIGNMENT:
    case CL_DEVICE_IMAGE_BASE_ADDRESS_ALIGNMENT:
        return has_extension(device, "cl_khr_image2d_from_buffer") ? 256 : 0; /* pixels: a multiple of theirs */
    default:
        return 0;
    }
}

static bool is_of_opencl_1(cl_device_id device) {
    static const char start[] = "OpenCL 1.";
    struct reader info;
    if (!find_told(device, CL_DEVICE_VERSION, &info)) {
        return false;
    }
    struct text version = read_text(&info);
    return version.length >= sizeof start - 1 && !memcmp(version.chars, start, sizeof start - 1);
}

/* Of intermediate languages, a node can build what OpenCL 2.1 has a function for, not what an extension has. */
bool find_info(cl_device_id device, cl_device_info name, struct reader *found) {
    bool is_of_il = name == CL_DEVICE_IL_VERSION || name == CL_DEVICE_ILS_WITH_VERSION;
    return !(is_of_il && is_of_opencl_1(device)) && find_told(device, name, found);
}

uint64_t device_number(cl_device_id device, cl_device_info name) {
    struct reader value;
    if (!find_info(device, name, &value)) {
        return untold_number(device, name);
    }
    return read_kind(&value) == KIND_BOOL ? read_bool(&value) : read_uint(&value);
}

void keep_facts(cl_device_id device) {
    struct reader sizes;
    bool is_coarse = device_number(device, CL_DEVICE_SVM_CAPABILITIES) & CL_DEVICE_SVM_COARSE_GRAIN_BUFFER;
    device->has_svm = is_coarse && device->session->knows_svm;
    device->max_group_size = (size_t)device_number(device, CL_DEVICE_MAX_WORK_GROUP_SIZE);
    device->has_non_uniform_groups = device_number(device, CL_DEVICE_NON_UNIFORM_WORK_GROUP_SUPPORT);
    size_t count = find_info(device, CL_DEVICE_MAX_WORK_ITEM_SIZES, &sizes) ? read_array(&sizes) : 0;
    for (size_t i = 0; i < 3; i++) {
        device->max_item_sizes[i] = i < count ? (size_t)read_uint(&sizes) : SIZE_MAX;
    }
}

/* ---- forms ------------------------------------------------------------------------------------------------ */

static cl_int give_text(struct reader info, INFO_ROOM) {
    struct text text = read_text(&info);
    if (value && room < text.length + 1) {
        return CL_INVALID_VALUE;
    }
    if (value) {
        memcpy(value, text.chars, text.length);
        ((char *)value)[text.length] = '\0';
    }
    if (size_ret) {
        *size_ret = text.length + 1;
    }
    return CL_SUCCESS;
}

/* Numbers of size_t or intptr_t: they are as wide. What cannot be parted has a 0 in its list of ways to. */
static cl_int give_numbers(struct reader info, bool has_zero, INFO_ROOM) {
    size_t count = read_array(&info);
    size_t *numbers = malloc((count + 1) * sizeof *numbers);
    if (!numbers) {
        return CL_OUT_OF_HOST_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        numbers[i] = (size_t)read_uint(&info);
    }
    numbers[count] = 0;
    count += has_zero && count == 0;
    cl_int code = GIVE_BYTES(numbers, count * sizeof *numbers);
    free(numbers);
    return code;
}

static cl_int give_versions(struct reader info, INFO_ROOM) {
    size_t count = read_array(&info), kept = 0;
    cl_name_version *versions = calloc(count + 1, sizeof *versions);
    if (!versions) {
        return CL_OUT_OF_HOST_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        struct reader pair = take_value(&info);
        read_array(&pair);
        cl_version version = (cl_version)read_uint(&pair);
        struct text name = read_text(&pair);
        if (!is_missing_feature(name)) {
            versions[kept++] = named_version(name, version);
        }
    }
    cl_int code = GIVE_BYTES(versions, kept * sizeof *versions);
    free(versions);
    return code;
}

/* Numbers of cl_uint, or a struct of them. */
static cl_int give_uints(struct reader info, INFO_ROOM) {
    size_t count = read_array(&info);
    cl_uint *numbers = malloc((count + 1) * sizeof *numbers);
    if (!numbers) {
        return CL_OUT_OF_HOST_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        numbers[i] = (cl_uint)read_uint(&info);
    }
    cl_int code = GIVE_BYTES(numbers, count * sizeof *numbers);
    free(numbers);
    return code;
}

/* An info of an extension, which not every device has: a bit field, numbers, or names. */
static cl_int give_of_extension(cl_device_id device, cl_device_info name, INFO_ROOM) {
    struct reader info;
    bool has_names = name == CL_DEVICE_SPIRV_EXTENSIONS_KHR || name == CL_DEVICE_SPIRV_EXTENDED_INSTRUCTION_SETS_KHR;
    if (!find_info(device, name, &info) || has_names != (read_kind(&info) == KIND_STR)) {
        return CL_INVALID_VALUE; /* the application takes names for pointers, and nothing else */
    }
    switch (read_kind(&info)) {
    case KIND_ARRAY:
        return give_uints(info, room, value, size_ret);
    case KIND_STR:
        return give_names(read_text(&info), room, value, size_ret);
    default:
        return GIVE(cl_ulong, read_uint(&info));
    }
}

static cl_int give_form(cl_device_id device, cl_device_info name, enum form form, INFO_ROOM) {
    static const unsigned char none[] = {0xa0}; /* an empty str; what is missing is zero, or empty */
    struct reader info;
    bool is_there = find_info(device, name, &info);
    if (!is_there) {
        info = (struct reader){none, none + 1, false};
    }
    switch (form) {
    case UINT:
        return GIVE(cl_uint, (cl_uint)device_number(device, name));
    case ULONG:
        return GIVE(cl_ulong, device_number(device, name));
    case SIZE:
        return GIVE(size_t, (size_t)device_number(device, name));
    case TEXT:
        return give_text(info, room, value, size_ret);
    case VERSIONS:
        return give_versions(is_there ? info : (struct reader){0}, room, value, size_ret);
    default:
        return give_numbers(is_there ? info : (struct reader){0}, form == INTPTRS, room, value, size_ret);
    }
}

/* This driver is of OpenCL 3.0, whatever newer version a device may be of. One of OpenCL 2 would have to have pipes
 * and on-device queues; one of OpenCL 3 need not. */
static cl_int give_version(cl_device_id device, INFO_ROOM) {
    char version[256] = "OpenCL 3.0";
    struct reader info;
    if (find_info(device, CL_DEVICE_VERSION, &info)) {
        struct text text = read_text(&info);
        size_t length = text.length < sizeof version - 1 ? text.length : sizeof version - 1;
        memcpy(version, text.chars, length);
        version[length] = '\0';
    }
    if (strncmp(version, "OpenCL 1.", 9)) {
        memcpy(version, "OpenCL 3.0", 10);
    }
    return GIVE_TEXT(version);
}

static cl_int give_numeric_version(cl_device_id device, INFO_ROOM) {
    struct reader info;
    unsigned major = 3, minor = 0;
    if (find_info(device, CL_DEVICE_VERSION, &info)) {
        struct text text = read_text(&info);
        if (text.length >= 10 && text.chars[7] == '1') {
            major = 1;
            minor = (unsigned)(text.chars[9] - '0');
        }
    }
    return GIVE(cl_version, CL_MAKE_VERSION(major, minor, 0));
}

cl_int clGetDeviceInfo(cl_device_id device, cl_device_info name, size_t room, void *value, size_t *size_ret) {
    if (!is_object(device, A_DEVICE)) {
        return CL_INVALID_DEVICE;
    }
    struct reader told;
    switch (name) {
    case CL_DEVICE_PLATFORM:
        return GIVE(cl_platform_id, &the_platform);
    case CL_DEVICE_AVAILABLE:
        return GIVE(cl_bool, !device->session->connection->is_lost);
    case CL_DEVICE_EXECUTION_CAPABILITIES:
        return GIVE(cl_bitfield, CL_EXEC_KERNEL);
    case CL_DEVICE_SVM_CAPABILITIES: /* what one machine writes reaches the other where it is mapped, not before */
        return GIVE(cl_bitfield, device->has_svm ? CL_DEVICE_SVM_COARSE_GRAIN_BUFFER : 0);
    case CL_DEVICE_VERSION:
        return give_version(device, room, value, size_ret);
    case CL_DEVICE_NUMERIC_VERSION:
        return give_numeric_version(device, room, value, size_ret);
    case CL_DEVICE_PARENT_DEVICE:
        return GIVE(cl_device_id, device->parent);
    case CL_DEVICE_REFERENCE_COUNT:
        return GIVE(cl_uint, device->parent ? (cl_uint)device->object.references : 1);
    case CL_DEVICE_PARTITION_TYPE:
        return GIVE_BYTES(device->partition.list, device->partition.bytes);
    case CL_DEVICE_EXTENSIONS:
        return give_extensions(1, &device, room, value, size_ret);
    case CL_DEVICE_EXTENSIONS_WITH_VERSION:
        return give_extension_versions(1, &device, room, value, size_ret);
    case CL_DEVICE_LATEST_CONFORMANCE_VERSION_PASSED:
        if (!find_info(device, name, &told)) {
            return GIVE_TEXT("v0000-01-01-00"); /* none, in the form that it has to have */
        }
        break;
    case CL_DEVICE_HALF_FP_CONFIG:
    case CL_DEVICE_INTEGER_DOT_PRODUCT_CAPABILITIES_KHR:
    case CL_DEVICE_INTEGER_DOT_PRODUCT_ACCELERATION_PROPERTIES_8BIT_KHR:
    case CL_DEVICE_INTEGER_DOT_PRODUCT_ACCELERATION_PROPERTIES_4X8BIT_PACKED_KHR:
    case CL_DEVICE_KERNEL_CLOCK_CAPABILITIES_KHR:
    case CL_DEVICE_SPIRV_EXTENDED_INSTRUCTION_SETS_KHR:
    case CL_DEVICE_SPIRV_EXTENSIONS_KHR:
    case CL_DEVICE_SPIRV_CAPABILITIES_KHR:
    case CL_DEVICE_SINGLE_FP_ATOMIC_CAPABILITIES_EXT:
    case CL_DEVICE_DOUBLE_FP_ATOMIC_CAPABILITIES_EXT:
    case CL_DEVICE_HALF_FP_ATOMIC_CAPABILITIES_EXT:
        return give_of_extension(device, name, room, value, size_ret);
    default:
        break;
    }
    for (size_t i = 0; i < sizeof FORMS / sizeof *FORMS; i++) {
        if (FORMS[i].name == name) {
            return give_form(device, name, FORMS[i].form, room, value, size_ret);
        }
    }
    static const unsigned char zeros[sizeof(cl_ulong)];
    for (size_t i = 0; i < sizeof ZEROS / sizeof *ZEROS; i++) {
        if (ZEROS[i].name == name) {
            return GIVE_BYTES(zeros, ZEROS[i].bytes);
        }
    }
    return CL_INVALID_VALUE;
}
