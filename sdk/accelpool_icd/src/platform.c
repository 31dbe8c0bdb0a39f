#include <string.h>

#include "objects.h"

#define PLATFORM_VERSION "OpenCL 3.0 accelpool " ACCELPOOL_VERSION
#define EXTENSIONS "cl_khr_icd"

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

EXPORTED cl_int clGetPlatformInfo(cl_platform_id platform, cl_platform_info name, size_t room, void *value,
                                  size_t *size_ret) {
    static const cl_name_version icd = {CL_MAKE_VERSION(1, 0, 0), EXTENSIONS};
    if (platform && !is_object(platform, A_PLATFORM)) {
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
        return GIVE_TEXT(EXTENSIONS);
    case CL_PLATFORM_EXTENSIONS_WITH_VERSION:
        return GIVE_BYTES(&icd, sizeof icd);
    case CL_PLATFORM_ICD_SUFFIX_KHR:
        return GIVE_TEXT("ACCELPOOL");
    case CL_PLATFORM_HOST_TIMER_RESOLUTION:
        return GIVE(cl_ulong, 1);
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
