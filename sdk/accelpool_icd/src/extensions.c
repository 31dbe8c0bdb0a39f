/* Extensions: a driver that has no functions for an extension must not say that it has it. */
#include "extensions.h"

#include <string.h>

#include "device_info.h"

#define OWN "cl_khr_icd"

enum { MOST_CHARACTERS = 64 * 1024 }; /* of names that a node tells: all are looked through for each */

/* Extensions of the host's API, which the driver would have to have: not those that a kernel's code uses. */
static const char *const HOST_EXTENSIONS[] = {
    "cl_khr_gl_",
    "cl_khr_egl_",
    "cl_khr_d3d",
    "cl_khr_dx9",
    "cl_khr_external_",
    "cl_khr_semaphore",
    "cl_khr_command_buffer",
    "cl_khr_il_program",
    "cl_khr_terminate_context",
    "cl_khr_create_command_queue",
    "cl_khr_priority_hints",
    "cl_khr_throttle_hints",
    "cl_khr_suggested_local_work_size",
    "cl_khr_mipmap_image",
    "cl_khr_device_uuid",
    "cl_khr_pci_bus_info",
    "cl_khr_icd",
    "cl_ext_",
    "cl_amd_",
    "cl_apple_",
    "cl_arm_",
    "cl_pocl_",
    "cl_intel_unified_shared_memory",
    "cl_intel_create_buffer_with",
    "cl_intel_command_queue",
    "cl_intel_va_api",
    "cl_intel_packed_yuv",
    "cl_intel_mem_",
    "cl_intel_exec_by_local_thread",
    "cl_intel_vec_len_hint",
    "cl_intel_device_attribute",
    "cl_intel_concurrent_dispatch",
    "cl_intel_required_subgroup_size",
    "cl_intel_device_partition_by_names",
    "cl_nv_",
};

/* Extensions that take infos, which not every node tells, and nothing else. */
static const struct {
    const char *name;
    cl_device_info info;
} INFOS_OF_EXTENSIONS[] = {
    {"cl_khr_integer_dot_product", CL_DEVICE_INTEGER_DOT_PRODUCT_CAPABILITIES_KHR},
    {"cl_khr_kernel_clock", CL_DEVICE_KERNEL_CLOCK_CAPABILITIES_KHR},
    {"cl_khr_spirv_queries", CL_DEVICE_SPIRV_CAPABILITIES_KHR},
    {"cl_ext_float_atomics", CL_DEVICE_SINGLE_FP_ATOMIC_CAPABILITIES_EXT},
};

static const char *const MISSING_FEATURES[] = {"__opencl_c_pipes", "__opencl_c_device_enqueue"};
static const char LINES_WITHOUT_THEM[] = "#undef __opencl_c_pipes\n#undef __opencl_c_device_enqueue\n#line 1\n";

static bool is_same(struct text one, struct text other) {
    return one.length == other.length && !memcmp(one.chars, other.chars, one.length);
}

static struct text text_of(const char *chars) {
    return (struct text){chars, strlen(chars)};
}

static bool is_host_extension(struct text name) {
    for (size_t i = 0; i < sizeof HOST_EXTENSIONS / sizeof *HOST_EXTENSIONS; i++) {
        size_t length = strlen(HOST_EXTENSIONS[i]);
        if (name.length >= length && !memcmp(name.chars, HOST_EXTENSIONS[i], length)) {
            return true;
        }
    }
    return is_same(name, text_of("cl_khr_spir")); /* not those of SPIR-V, whose names begin with it */
}

cl_name_version named_version(struct text name, cl_version version) {
    cl_name_version named = {.version = version};
    size_t most = sizeof named.name - 1;
    if (name.chars) {
        memcpy(named.name, name.chars, name.length < most ? name.length : most);
    }
    return named;
}

/* Take the next of the names in a text, which spaces are between; false at its end. */
static bool next_name(struct text *left, struct text *name) {
    while (left->length > 0 && *left->chars == ' ') {
        left->chars++;
        left->length--;
    }
    const char *stop = left->length > 0 ? memchr(left->chars, ' ', left->length) : NULL;
    *name = (struct text){left->chars, stop ? (size_t)(stop - left->chars) : left->length};
    left->chars += name->length;
    left->length -= name->length;
    return name->length > 0;
}

static struct text told_extensions(cl_device_id device) {
    struct reader info;
    struct text told = find_info(device, CL_DEVICE_EXTENSIONS, &info) ? read_text(&info) : (struct text){"", 0};
    return told.length <= MOST_CHARACTERS ? told : (struct text){"", 0};
}

static bool has(cl_device_id device, struct text name) {
    struct text left = told_extensions(device), own;
    while (next_name(&left, &own)) {
        if (is_same(own, name)) {
            return true;
        }
    }
    return false;
}

bool has_extension(cl_device_id device, const char *name) {
    return has(device, text_of(name));
}

/* Whether this driver has what an extension of a device takes. */
static bool can_let_through(cl_device_id device, struct text name) {
    for (size_t i = 0; i < sizeof INFOS_OF_EXTENSIONS / sizeof *INFOS_OF_EXTENSIONS; i++) {
        struct reader told;
        if (is_same(name, text_of(INFOS_OF_EXTENSIONS[i].name))) {
            return find_info(device, INFOS_OF_EXTENSIONS[i].info, &told);
        }
    }
    return !is_host_extension(name);
}

/* Take the next extension that all of the devices have, and this driver does not lack; `left` is the first's. */
static bool next_extension(struct text *left, cl_uint count, const cl_device_id *devices, struct text *name) {
    while (next_name(left, name)) {
        bool is_common = true;
        for (cl_uint i = 0; i < count && is_common; i++) {
            is_common = (i == 0 || has(devices[i], *name)) && can_let_through(devices[i], *name);
        }
        if (is_common) {
            return true;
        }
    }
    return false;
}

cl_int give_extensions(cl_uint count, const cl_device_id *devices, INFO_ROOM) {
    struct text left = count ? told_extensions(devices[0]) : (struct text){"", 0}, name;
    char *kept = malloc(left.length + sizeof " " OWN);
    if (!kept) {
        return CL_OUT_OF_HOST_MEMORY;
    }
    size_t length = 0;
    while (next_extension(&left, count, devices, &name)) {
        memcpy(kept + length, name.chars, name.length);
        kept[length + name.length] = ' ';
        length += name.length + 1;
    }
    memcpy(kept + length, OWN, sizeof OWN);
    cl_int code = GIVE_TEXT(kept);
    free(kept);
    return code;
}

/* The version of a device's extension; one of OpenCL 2 does not tell it. */
static cl_version version_of(cl_device_id device, struct text name) {
    struct reader info;
    size_t count = find_info(device, CL_DEVICE_EXTENSIONS_WITH_VERSION, &info) ? read_array(&info) : 0;
    for (size_t i = 0; i < count && !info.failed; i++) {
        struct reader pair = take_value(&info);
        read_array(&pair);
        cl_version version = (cl_version)read_uint(&pair);
        if (is_same(read_text(&pair), name) && !pair.failed) {
            return version;
        }
    }
    return CL_MAKE_VERSION(1, 0, 0);
}

cl_int give_extension_versions(cl_uint count, const cl_device_id *devices, INFO_ROOM) {
    struct text left = count ? told_extensions(devices[0]) : (struct text){"", 0}, name;
    cl_name_version *versions = calloc(left.length / 2 + 2, sizeof *versions); /* a name, a space: two characters */
    if (!versions) {
        return CL_OUT_OF_HOST_MEMORY;
    }
    size_t kept = 0;
    while (next_extension(&left, count, devices, &name)) {
        versions[kept++] = named_version(name, version_of(devices[0], name));
    }
    versions[kept++] = (cl_name_version){CL_MAKE_VERSION(1, 0, 0), OWN};
    cl_int code = GIVE_BYTES(versions, kept * sizeof *versions);
    free(versions);
    return code;
}

/* ---- names as pointers -------------------------------------------------------------------------------------- */

struct kept_name {
    struct kept_name *next;
    char chars[];
};

static const char *keep_name(struct text name) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct kept_name *kept;
    pthread_mutex_lock(&lock);
    struct kept_name *at = kept;
    while (at && !is_same(name, text_of(at->chars))) {
        at = at->next;
    }
    if (!at && (at = malloc(sizeof *at + name.length + 1))) {
        at->next = kept;
        memcpy(at->chars, name.chars, name.length);
        at->chars[name.length] = '\0';
        kept = at;
    }
    pthread_mutex_unlock(&lock);
    return at ? at->chars : NULL;
}

cl_int give_names(struct text names, INFO_ROOM) {
    if (names.length > MOST_CHARACTERS || memchr(names.chars, '\0', names.length)) {
        return CL_INVALID_VALUE;
    }
    size_t count = 0;
    struct text name;
    const char **list = malloc((names.length / 2 + 1) * sizeof *list); /* a name, a space: two characters */
    bool is_good = list != NULL;
    while (is_good && next_name(&names, &name)) {
        list[count] = keep_name(name);
        is_good = list[count++] != NULL;
    }
    cl_int code = is_good ? GIVE_BYTES(list, count * sizeof *list) : CL_OUT_OF_HOST_MEMORY;
    free(list);
    return code;
}

/* ---- features of OpenCL C ----------------------------------------------------------------------------------- */

bool is_missing_feature(struct text name) {
    for (size_t i = 0; i < sizeof MISSING_FEATURES / sizeof *MISSING_FEATURES; i++) {
        if (is_same(name, text_of(MISSING_FEATURES[i]))) {
            return true;
        }
    }
    return false;
}

static bool has_missing_features(cl_device_id device) {
    struct reader info;
    size_t count = find_info(device, CL_DEVICE_OPENCL_C_FEATURES, &info) ? read_array(&info) : 0;
    for (size_t i = 0; i < count && !info.failed; i++) {
        struct reader pair = take_value(&info);
        read_array(&pair);
        read_uint(&pair); /* its version */
        if (is_missing_feature(read_text(&pair))) {
            return true;
        }
    }
    return false;
}

const char *lines_before_sources(cl_context context) {
    for (cl_uint i = 0; i < context->device_count; i++) {
        if (has_missing_features(context->devices[i])) {
            return LINES_WITHOUT_THEM;
        }
    }
    return "";
}
