/* What calls answer where something is wrong with what they are given, or is not to be had. */
#include <stdbool.h>

#include "check.h"

static bool has_word(const char *text, const char *word) {
    size_t length = strlen(word);
    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word)) {
        if ((at == text || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0')) {
            return true;
        }
    }
    return false;
}

/* With one device, what it has is what its platform has. */
static void extensions_of_the_platform(void) {
    char of_platform[8192], of_device[8192];
    cl_name_version versions[256];
    size_t bytes;
    OK(clGetPlatformInfo(platform, CL_PLATFORM_EXTENSIONS, sizeof of_platform, of_platform, NULL));
    OK(clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS, sizeof of_device, of_device, NULL));
    EXPECT(strcmp(of_platform, of_device), 0);
    EXPECT(has_word(of_platform, "cl_khr_icd"), 1);
    OK(clGetPlatformInfo(platform, CL_PLATFORM_EXTENSIONS_WITH_VERSION, sizeof versions, versions, &bytes));
    size_t length = 0;
    for (size_t i = 0; i < bytes / sizeof *versions; i++) {
        EXPECT(has_word(of_platform, versions[i].name) && versions[i].version > 0, 1);
        length += strlen(versions[i].name) + 1;
    }
    EXPECT(length, strlen(of_platform) + 1);
}

static void clocks(void) {
    cl_ulong resolution, time;
    OK(clGetPlatformInfo(platform, CL_PLATFORM_HOST_TIMER_RESOLUTION, sizeof resolution, &resolution, NULL));
    EXPECT(clGetHostTimer(device, &time), resolution ? CL_SUCCESS : CL_INVALID_OPERATION);
    EXPECT(clGetDeviceAndHostTimer(device, &time, NULL), resolution ? CL_INVALID_VALUE : CL_INVALID_OPERATION);
}

/* What a node cannot ask its devices for has a value that is safe, and of the right form. */
static void infos_that_were_not_told(void) {
    char extensions[8192], version[64];
    size_t bytes;
    cl_uint pitch, base;
    OK(clGetDeviceInfo(device, CL_DEVICE_PRINTF_BUFFER_SIZE, sizeof bytes, &bytes, NULL));
    EXPECT(bytes >= 1024, 1);
    OK(clGetDeviceInfo(device, CL_DEVICE_LATEST_CONFORMANCE_VERSION_PASSED, sizeof version, version, NULL));
    EXPECT(version[0] == 'v' && strlen(version) == strlen("vYYYY-MM-DD-XX"), 1);
    OK(clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS, sizeof extensions, extensions, NULL));
    OK(clGetDeviceInfo(device, CL_DEVICE_IMAGE_PITCH_ALIGNMENT, sizeof pitch, &pitch, NULL));
    OK(clGetDeviceInfo(device, CL_DEVICE_IMAGE_BASE_ADDRESS_ALIGNMENT, sizeof base, &base, NULL));
    bool has_images_of_buffers = has_word(extensions, "cl_khr_image2d_from_buffer");
    EXPECT((pitch > 0) == has_images_of_buffers && (base > 0) == has_images_of_buffers, 1);
}

static void half_precision(void) {
    char extensions[8192];
    cl_ulong config;
    OK(clGetDeviceInfo(device, CL_DEVICE_EXTENSIONS, sizeof extensions, extensions, NULL));
    cl_int code = clGetDeviceInfo(device, CL_DEVICE_HALF_FP_CONFIG, sizeof config, &config, NULL);
    EXPECT(code == CL_SUCCESS || (code == CL_INVALID_VALUE && !has_word(extensions, "cl_khr_fp16")), 1);
}

static cl_int context_with(cl_context_properties a, cl_context_properties b, cl_context_properties c,
                           cl_context_properties d) {
    cl_int code;
    cl_context made = clCreateContext((cl_context_properties[]){a, b, c, d, 0}, 1, &device, NULL, NULL, &code);
    if (made) {
        OK(clReleaseContext(made));
    }
    return code;
}

static void properties_of_contexts(void) {
    cl_context_properties own = (cl_context_properties)platform;
    OK(context_with(CL_CONTEXT_PLATFORM, own, CL_CONTEXT_INTEROP_USER_SYNC, CL_FALSE));
    EXPECT(context_with(CL_CONTEXT_PLATFORM, 0, 0, 0), CL_INVALID_PLATFORM);
    EXPECT(context_with(CL_CONTEXT_INTEROP_USER_SYNC, -1, 0, 0), CL_INVALID_PROPERTY);
    EXPECT(context_with(CL_CONTEXT_INTEROP_USER_SYNC, CL_TRUE, CL_CONTEXT_INTEROP_USER_SYNC, CL_TRUE),
           CL_INVALID_PROPERTY);
    EXPECT(context_with(CL_CONTEXT_PLATFORM, own, CL_CONTEXT_PLATFORM, own), CL_INVALID_PROPERTY);
}

static void properties_of_queues(void) {
    const cl_command_queue_properties both = CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE | CL_QUEUE_PROFILING_ENABLE;
    cl_command_queue_properties possible;
    cl_int code;
    OK(clGetDeviceInfo(device, CL_DEVICE_QUEUE_ON_HOST_PROPERTIES, sizeof possible, &possible, NULL));
    cl_command_queue made = clCreateCommandQueue(context, device, both, &code);
    EXPECT(code, both & ~possible ? CL_INVALID_QUEUE_PROPERTIES : CL_SUCCESS);
    if (made) {
        OK(clReleaseCommandQueue(made));
    }
    EXPECT(clSetCommandQueueProperty(queue, (cl_command_queue_properties)-1, CL_TRUE, NULL), CL_INVALID_VALUE);
    EXPECT(clSetDefaultDeviceCommandQueue(context, (cl_device_id)context, queue), CL_INVALID_DEVICE);
    EXPECT(clSetDefaultDeviceCommandQueue(context, device, (cl_command_queue)device), CL_INVALID_COMMAND_QUEUE);
    EXPECT(clSetDefaultDeviceCommandQueue(context, device, NULL), CL_INVALID_OPERATION);
}

static cl_int rectangle(cl_mem from, cl_mem to, size_t from_x, size_t to_x) {
    const size_t region[3] = {16, 4, 1};
    return clEnqueueCopyBufferRect(queue, from, to, (size_t[]){from_x, 0, 0}, (size_t[]){to_x, 0, 0}, region, 32, 0,
                                   32, 0, 0, NULL, NULL);
}

/* Two regions of one buffer have the same bytes, whatever their offsets within them are. */
static void copies_within_one_buffer(void) {
    cl_uint bits;
    cl_int code;
    OK(clGetDeviceInfo(device, CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof bits, &bits, NULL));
    size_t step = bits / 8 > 256 ? bits / 8 : 256;
    cl_mem whole = new_buffer(4 * step);
    cl_buffer_region first = {0, 2 * step}, second = {step, 2 * step};
    cl_mem one = clCreateSubBuffer(whole, 0, CL_BUFFER_CREATE_TYPE_REGION, &first, &code);
    OK(code);
    cl_mem other = clCreateSubBuffer(whole, 0, CL_BUFFER_CREATE_TYPE_REGION, &second, &code);
    OK(code);
    EXPECT(rectangle(one, other, step, 0), CL_MEM_COPY_OVERLAP);
    EXPECT(rectangle(whole, other, step, 0), CL_MEM_COPY_OVERLAP);
    EXPECT(clEnqueueCopyBuffer(queue, one, other, step, 0, 16, 0, NULL, NULL), CL_MEM_COPY_OVERLAP);
    OK(clFinish(queue));
    OK(clReleaseMemObject(one));
    OK(clReleaseMemObject(other));
    OK(clReleaseMemObject(whole));
}

static void parts(void) {
    cl_device_partition_property ways[8];
    cl_device_id made[64];
    cl_uint units, count = 0, again = 0;
    size_t bytes;
    OK(clGetDeviceInfo(device, CL_DEVICE_PARTITION_PROPERTIES, sizeof ways, ways, &bytes));
    EXPECT(bytes >= sizeof *ways, 1);
    EXPECT(clCreateSubDevices(device, (cl_device_partition_property[]){-1, 1, 0}, 1, made, NULL), CL_INVALID_VALUE);
    const cl_device_partition_property negative[] = {CL_DEVICE_PARTITION_BY_COUNTS, -1, 0, 0};
    bool has_counts = ways[0] == CL_DEVICE_PARTITION_BY_COUNTS || (bytes > sizeof *ways && ways[1] == *negative);
    EXPECT(clCreateSubDevices(device, negative, 64, made, NULL),
           has_counts ? CL_INVALID_DEVICE_PARTITION_COUNT : CL_INVALID_VALUE);
    OK(clGetDeviceInfo(device, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof units, &units, NULL));
    const cl_device_partition_property equally[] = {CL_DEVICE_PARTITION_EQUALLY, 1, 0};
    if (ways[0] == 0 || units < 2 || units > 64) {
        EXPECT(ways[0] != 0 || clCreateSubDevices(device, equally, 64, made, NULL) == CL_INVALID_VALUE, 1);
        return;
    }
    for (int i = 0; i < 300; i++) { /* more than a session has places for */
        OK(clCreateSubDevices(device, equally, 0, NULL, &count));
        EXPECT(clCreateSubDevices(device, equally, 1, made, NULL), CL_INVALID_VALUE);
        OK(clCreateSubDevices(device, equally, 64, made, &again));
        EXPECT(count, again);
        for (cl_uint k = 0; k < count; k++) {
            OK(clReleaseDevice(made[k]));
        }
    }
}

static void intermediate_language(void) {
    char version[256];
    cl_int code;
    cl_uint nonsense = 0;
    OK(clGetDeviceInfo(device, CL_DEVICE_IL_VERSION, sizeof version, version, NULL));
    clCreateProgramWithIL(context, &nonsense, sizeof nonsense, &code);
    EXPECT(code, *version ? CL_INVALID_VALUE : CL_INVALID_OPERATION);
    const char *source = "kernel void f() {}";
    cl_program program = clCreateProgramWithSource(context, 1, &source, NULL, &code);
    OK(code);
    EXPECT(clSetProgramSpecializationConstant(program, 0, sizeof nonsense, &nonsense),
           *version ? CL_INVALID_PROGRAM : CL_INVALID_OPERATION);
    OK(clReleaseProgram(program));
}

int main(void) {
    set_up(0);
    extensions_of_the_platform();
    clocks();
    infos_that_were_not_told();
    half_precision();
    properties_of_contexts();
    properties_of_queues();
    copies_within_one_buffer();
    parts();
    intermediate_language();
    tear_down();
    return 0;
}
