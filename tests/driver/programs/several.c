/* Several null devices: of one endpoint they can be in a context, of several they are in one platform. Its one
 * argument says which of both to expect of the first and the last. */
#include "check.h"

static cl_device_id devices[2];

static void share_a_context(void) {
    int sent[16], received[16];
    cl_int code;
    cl_event written;
    cl_command_queue queues[2];
    cl_context both = clCreateContext(NULL, 2, devices, NULL, NULL, &code);
    OK(code);
    for (int i = 0; i < 2; i++) {
        queues[i] = clCreateCommandQueue(both, devices[i], 0, &code);
        OK(code);
    }
    memset(sent, 5, sizeof sent);
    cl_mem buffer = clCreateBuffer(both, 0, sizeof sent, NULL, &code);
    OK(code);
    OK(clEnqueueWriteBuffer(queues[0], buffer, CL_FALSE, 0, sizeof sent, sent, 0, NULL, &written));
    OK(clEnqueueReadBuffer(queues[1], buffer, CL_TRUE, 0, sizeof received, received, 1, &written, NULL));
    EXPECT(memcmp(sent, received, sizeof sent), 0);
    OK(clReleaseEvent(written));
    OK(clReleaseMemObject(buffer));
    OK(clReleaseCommandQueue(queues[0]));
    OK(clReleaseCommandQueue(queues[1]));
    OK(clReleaseContext(both));
}

static void are_used_each_by_itself(void) {
    cl_int code;
    clCreateContext(NULL, 2, devices, NULL, NULL, &code);
    EXPECT(code, CL_INVALID_DEVICE);
    for (int i = 0; i < 2; i++) {
        cl_context own = clCreateContext(NULL, 1, &devices[i], NULL, NULL, &code);
        OK(code);
        cl_command_queue used = clCreateCommandQueue(own, devices[i], 0, &code);
        OK(code);
        OK(clFinish(used));
        OK(clReleaseCommandQueue(used));
        OK(clReleaseContext(own));
    }
}

int main(int count, char **words) {
    cl_uint found = 0;
    cl_device_id all[8];
    device_type = CL_DEVICE_TYPE_CUSTOM;
    set_up(0);
    OK(clGetDeviceIDs(platform, device_type, 8, all, &found));
    EXPECT(found >= 2 && found <= 8 && count == 2, 1);
    devices[0] = all[0];
    devices[1] = all[found - 1];
    if (strcmp(words[1], "together")) {
        are_used_each_by_itself();
    } else {
        share_a_context();
    }
    tear_down();
    return 0;
}
