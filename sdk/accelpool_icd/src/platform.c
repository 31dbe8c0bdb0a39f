#include <string.h>

#include "device_info.h"
#include "extensions.h"

#define PLATFORM_VERSION "OpenCL 3.0 accelpool " ACCELPOOL_VERSION

struct _cl_platform_id the_platform = {{the_dispatch_table, A_PLATFORM, 1}};

EXPORTED cl_int clIcdGetPlatformIDsKHR(cl_uint num_entries, cl_platform_id *platforms, cl_uint *num_platforms) {
    const char *path = getenv("ACCELPOOL_LEASE_FILE");
    if ((num_entries == 0 && platforms) || (!platforms && !num_platforms)) {
        return CL_INVALID_VALUE;
    }
    bool has_lease = path && *path;
    if (num_platforms) {
        *num_platforms = has_lease;
    }
    if (platforms && has_lease) {
        platforms[0] = &the_platform;
    }
    return has_lease ? CL_SUCCESS : CL_PLATFORM_NOT_FOUND_KHR;
}

cl_int clGetPlatformIDs(cl_uint num_entries, cl_platform_id *platforms, cl_uint *num_platforms) {
    return clIcdGetPlatformIDsKHR(num_entries, platforms, num_platforms);
}

cl_int platform_devices(cl_uint *count, cl_device_id **devices) {
    struct session *sessions[MOST_SESSIONS];
    size_t session_count = all_sessions(sessions);
    *count = 0;
    for (size_t s = 0; s < session_count; s++) {
        *count += sessions[s]->device_count;
    }
    *devices = calloc(*count + 1, sizeof **devices);
    cl_device_id *at = *devices;
    for (size_t s = 0; at && s < session_count; s++) {
        memcpy(at, sessions[s]->devices, sessions[s]->device_count * sizeof *at);
        at += sessions[s]->device_count;
    }
    return at ? CL_SUCCESS : CL_OUT_OF_HOST_MEMORY;
}

/* What is so of all devices. */
static cl_int give_common(cl_platform_info name, INFO_ROOM) {
    cl_uint count;
    cl_device_id *devices;
    cl_ulong resolution = 1;
    cl_int code = platform_devices(&count, &devices);
    if (code != CL_SUCCESS) {
        return code;
    }
    switch (name) {
    case CL_PLATFORM_EXTENSIONS:
        code = give_extensions(count, devices, room, value, size_ret);
        break;
    case CL_PLATFORM_EXTENSIONS_WITH_VERSION:
        code = give_extension_versions(count, devices, room, value, size_ret);
        break;
    default:
        for (cl_uint i = 0; i < count; i++) {
            resolution = host_timer_resolution(devices[i]) ? resolution : 0;
        }
        code = GIVE(cl_ulong, resolution);
    }
    free(devices);
    return code;
}

EXPORTED cl_int clGetPlatformInfo(cl_platform_id platform, cl_platform_info name, size_t room, void *value,
                                  size_t *size_ret) {
    if (!is_object(platform, A_PLATFORM)) {
        return CL_INVALID_PLATFORM;
    }
    switch (name) {
    case CL_PLATFORM_PROFILE:
        return GIVE_TEXT("FULL_PROFILE");
    case CL_PLATFORM_VERSION:
        return GIVE_TEXT(PLATFORM_VERSION);
    case CL_PLATFORM_NUMERIC_VERSION:
        return GIVE(cl_version, CL_MAKE_VERSION(3, 0, 0));
    case CL_PLATFORM_NAME:
        return GIVE_TEXT("accelpool");
    case CL_PLATFORM_VENDOR:
        return GIVE_TEXT("The accelpool developers");
    case CL_PLATFORM_EXTENSIONS:
    case CL_PLATFORM_EXTENSIONS_WITH_VERSION:
    case CL_PLATFORM_HOST_TIMER_RESOLUTION:
        return give_common(name, room, value, size_ret);
    case CL_PLATFORM_ICD_SUFFIX_KHR:
        return GIVE_TEXT("ACCELPOOL");
    default:
        return CL_INVALID_VALUE;
    }
}

cl_int clUnloadPlatformCompiler(cl_platform_id platform) {
    return is_object(platform, A_PLATFORM) ? CL_SUCCESS : CL_INVALID_PLATFORM; /* a hint */
}

cl_int clUnloadCompiler(void) {
    return CL_SUCCESS;
}
