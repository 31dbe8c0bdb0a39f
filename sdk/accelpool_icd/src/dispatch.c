/* The tables through which loaders call, that of spanning objects among them, and the functions that loaders look up
 * by name. */
#include <string.h>

#include "spanning/spanning.h"

typedef void (*function)(void);

/* In the place of functions for Direct3D and EGL, which are extensions that no device has here. */
static cl_int refuse(void) {
    return CL_INVALID_OPERATION;
}

static void *refuse_to_create(void) {
    return NULL;
}

#define ENTRY(name) (function) name

const function the_dispatch_table[] = {
#define SHARED(name) ENTRY(name),
#define OWN(name) ENTRY(name),
#include "dispatch_order.h"
#undef OWN
};

const function the_spanning_dispatch_table[] = {
#define OWN(name) ENTRY(spanning_##name),
#include "dispatch_order.h"
};

/* What is looked up by name is called with objects of either table. */
static cl_program create_program_with_il(cl_context context, const void *il, size_t length, cl_int *errcode_ret) {
    bool is_spanning = is_object(context, A_SPANNING_CONTEXT);
    return (is_spanning ? spanning_clCreateProgramWithIL : clCreateProgramWithIL)(context, il, length, errcode_ret);
}

static cl_int get_sub_group_info(cl_kernel kernel, cl_device_id device, cl_kernel_sub_group_info name,
                                 size_t input_bytes, const void *input, size_t room, void *value, size_t *size_ret) {
    bool is_spanning = is_object(kernel, A_SPANNING_KERNEL);
    return (is_spanning ? spanning_clGetKernelSubGroupInfo : clGetKernelSubGroupInfo)(
        kernel, device, name, input_bytes, input, room, value, size_ret);
}

static const struct {
    const char *name;
    function function;
} BY_NAME[] = {
    {"clIcdGetPlatformIDsKHR", ENTRY(clIcdGetPlatformIDsKHR)},
    {"clGetPlatformInfo", ENTRY(clGetPlatformInfo)},
    {"clCreateProgramWithILKHR", ENTRY(create_program_with_il)},
    {"clGetKernelSubGroupInfoKHR", ENTRY(get_sub_group_info)},
};

EXPORTED void *clGetExtensionFunctionAddress(const char *name) {
    for (size_t i = 0; name && i < sizeof BY_NAME / sizeof *BY_NAME; i++) {
        if (!strcmp(BY_NAME[i].name, name)) {
            return (void *)(uintptr_t)BY_NAME[i].function;
        }
    }
    return NULL;
}

void *clGetExtensionFunctionAddressForPlatform(cl_platform_id platform, const char *name) {
    return is_object(platform, A_PLATFORM) ? clGetExtensionFunctionAddress(name) : NULL;
}
